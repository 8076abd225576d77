import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.decoding.generation import beam_search, greedy
from course_lib.foundations.perceiver import PerceiverResampler
from course_lib.models.blip3 import BLIP3, BLIP3Config, BLIP3Reader, is_guessed, text_loss
from course_lib.models.clip import ImageConfig
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.siglip import SigLIPImageTower
from course_lib.training.loop import next_token_losses, train
from course_lib.training.step import Settings, Update

SIDE, K, IMAGE, Q = 8, 17, 16, 3
torch.manual_seed(0)
TOWER = SigLIPImageTower(ImageConfig(height=SIDE, width=SIDE, patch=4, d_model=12)).double()
LMS = {
    "GPT-2": GPT2(GPT2Config(n_vocab=K, context=64, d_model=24)).double(),
    "Llama": Llama(LlamaConfig(n_vocab=K, d_model=24, d_hidden=20)).double(),
}


def build(lm: str = "GPT-2", **more) -> BLIP3:
    torch.manual_seed(1)
    config = BLIP3Config(**dict(image_id=IMAGE, n_latents=Q, d_head=5) | more)
    return BLIP3(config, copy.deepcopy(TOWER), copy.deepcopy(LMS[lm])).double().eval()


EACH, TOGETHER = build(), build(together=True)
SAMPLER = EACH.sampler.requires_grad_(False)
SEEDS = st.integers(0, 2**32)
SMALL = st.integers(1, 4)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def images_of(seed: int, *n_views: int) -> list[torch.Tensor]:
    return [normal(seed + i, n, 3, SIDE, SIDE) for i, n in enumerate(n_views)]


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-11, rtol=0)


def texts_of(*texts: list[int]) -> list[torch.Tensor]:
    return [torch.tensor(text) for text in texts]


TEXTS = texts_of([1, IMAGE, 2, 3], [4, 5], [IMAGE, IMAGE, 7, 8, IMAGE], [9])
VIEWS = (3, 1, 5, 2)


@given(SEEDS, st.integers(1, 6), SMALL)
def test_latents_in_another_order_come_out_in_that_order(seed, N, B):
    media, order = normal(seed, B, N, 12), torch.randperm(Q, generator=torch.Generator().manual_seed(seed))
    moved = torch.func.functional_call(SAMPLER, {"latents": SAMPLER.latents[order]}, (media,))
    close(moved, SAMPLER(media)[:, order])


@given(SEEDS, st.integers(2, 9))
def test_media_in_another_order_change_nothing(seed, N):
    """The sampler has no positions: it reads a bag, and what a token says of its place is all that it knows."""
    media, order = normal(seed, 2, N, 12), torch.randperm(N, generator=torch.Generator().manual_seed(seed))
    close(SAMPLER(media[:, order]), SAMPLER(media))
    assert (SAMPLER(media.flip(0)) - SAMPLER(media)).abs().max() > 1e-6


@given(SEEDS, st.integers(1, 5), st.integers(1, 4))
def test_padded_media_are_not_read_and_without_media_the_latents_read_themselves(seed, N, n_empty):
    media = normal(seed, 2, N + n_empty, 12)
    is_media = torch.arange(N + n_empty).expand(2, -1) < N
    close(SAMPLER(media, is_media), SAMPLER(media[:, :N]))
    close(SAMPLER(media, is_media & False), SAMPLER(media[:, :0]))
    maps = SAMPLER.attention_maps(media, is_media)
    assert maps.shape == (2, 2, 4, Q, N + n_empty + Q)
    close(maps.sum(dim=-1), torch.ones(2, 2, 4, Q, dtype=torch.float64))
    assert (maps[..., N : N + n_empty] == 0).all() and (maps[..., :N] > 0).all() and (maps[..., -Q:] > 0).all()


@given(SEEDS, st.integers(2, 5), st.data())
def test_a_views_tokens_depend_on_this_view_alone(seed, V, data):
    (views,) = images_of(seed, V)
    other, at = views.clone(), data.draw(st.integers(0, V - 1))
    other[at] = normal(seed + 9, 3, SIDE, SIDE)
    before, after = (EACH.tokens([x])[0].unflatten(0, (V, Q)) for x in (views, other))
    kept = [i for i in range(V) if i != at]
    close(after[kept], before[kept])
    assert (after[at] - before[at]).abs().amax(dim=-1).min() > 1e-6
    for i in range(V):
        close(EACH.tokens([views[i : i + 1]])[0], before[i])


@given(SEEDS, st.integers(2, 5), st.data())
def test_sampled_together_every_token_depends_on_every_view(seed, V, data):
    (views,) = images_of(seed, V)
    other, at = views.clone(), data.draw(st.integers(0, V - 1))
    other[at] = normal(seed + 9, 3, SIDE, SIDE)
    before, after = (TOGETHER.tokens([x])[0] for x in (views, other))
    assert before.shape == (Q, 24)
    assert (after - before).abs().amax(dim=-1).min() > 1e-8


@given(SEEDS, st.integers(2, 5))
def test_sampled_together_nobody_knows_which_tile_was_where(seed, V):
    """The tower's positions are those within a tile: sampled alone, tiles keep their order, sampled together, none."""
    (views,) = images_of(seed, V)
    close(TOGETHER.tokens([views.flip(0)])[0], TOGETHER.tokens([views])[0])
    turned, straight = (EACH.tokens([x])[0].unflatten(0, (V, Q)) for x in (views.flip(0), views))
    close(turned, straight.flip(0))


@settings(max_examples=20)
@given(SEEDS, st.lists(SMALL, min_size=1, max_size=4))
def test_images_do_not_see_each_other(seed, n_views):
    images = images_of(seed, *n_views)
    for model, per_view in ((EACH, True), (TOGETHER, False)):
        found = model.tokens(images)
        assert [len(tokens) for tokens in found] == [Q * (n if per_view else 1) for n in n_views]
        for image, tokens in zip(images, found):
            close(model.tokens([image])[0], tokens)


@pytest.mark.parametrize("model", [EACH, TOGETHER], ids=["each", "together"])
def test_features_of_empty_patches_are_not_read(model):
    features = [normal(1, 3, 4, 12), normal(2, 1, 4, 12)]
    are_patches = [torch.arange(x.shape[1]).expand(len(x), -1) != 2 for x in features]
    other = [torch.where(mask[..., None], x, 7.0) for x, mask in zip(features, are_patches)]
    for one, two, full in zip(
        *(model.sample(x, m) for x, m in ((features, are_patches), (other, are_patches), (other, None)))
    ):
        close(one, two)
        assert (one - full).abs().max() > 1e-6


def test_the_most_tokens_of_an_image():
    """As released: 128 latents, 13 views at most, 1,664 tokens; sampled together 128."""
    tower = SigLIPImageTower(ImageConfig(height=SIDE, width=SIDE, patch=4, d_model=12))
    for together, n in ((False, 1664), (True, 128)):
        config = BLIP3Config(image_id=0, n_latents=128, together=together)
        model = BLIP3(config, tower, GPT2(GPT2Config(n_vocab=5, context=2000)))
        row = model.put_in(texts_of([1, 0, 2]), model.tokens([torch.zeros(13, 3, SIDE, SIDE)]))
        assert row.ids.shape == (1, n + 2)


def test_images_stand_where_their_placeholders_stood():
    """0, 1 and many images in a text: the slots put together by hand."""
    tokens = EACH.tokens(images_of(5, *VIEWS))
    row = EACH.put_in(TEXTS, tokens)
    left = list(tokens)
    for text, x, ids, is_token in zip(TEXTS, *row):
        parts = [left.pop(0) if i == IMAGE else EACH.lm.embed(torch.tensor([[i]]))[0] for i in text.tolist()]
        expected = torch.cat(parts)
        assert is_token.tolist() == [False] * (len(x) - len(expected)) + [True] * len(expected)
        assert torch.equal(x[is_token], expected)
        told = [i for i, part in zip(text.tolist(), parts) for _ in range(len(part))]
        assert ids[is_token].tolist() == told
    assert not left and row.x.shape[1] == max(9 + 3, 3 * (1 + 5 + 2) + 2)


@pytest.mark.parametrize("lm", LMS)
def test_a_text_of_a_batch_is_read_as_if_alone(lm):
    model, images = build(lm), images_of(5, *VIEWS)
    logits = model(TEXTS, images)
    taken = [images[:1], [], images[1:], []]
    for text, mine, row in zip(TEXTS, taken, logits):
        alone = model([text], mine)[0]
        close(row[-len(alone) :], alone)


@pytest.mark.parametrize("lm", LMS)
def test_without_images_it_is_the_language_model(lm):
    model, ids = build(lm), torch.randint(IMAGE, (3, 9), generator=torch.Generator().manual_seed(0))
    close(model(ids), model.lm(ids))
    close(text_loss(model, ids), next_token_losses(model.lm(ids), ids).mean())


@pytest.mark.parametrize("lm", LMS)
def test_an_image_tells_nothing_to_what_stands_before_it(lm):
    model, (one, other) = build(lm), images_of(5, 2, 2)
    text = texts_of([1, 2, IMAGE, 3])
    before, after = (model(text, [x])[0] for x in (one, other))
    close(after[:2], before[:2])
    assert (after[-1] - before[-1]).abs().max() > 1e-6


@pytest.mark.parametrize("lm", LMS)
def test_the_loss_is_of_text_alone(lm):
    """By hand from the logits: each token of a text after its first slot, and no image; padding counts for nothing."""
    model, images = build(lm), images_of(5, *VIEWS)
    tokens = model.tokens(images)
    row = model.put_in(TEXTS, tokens)
    logits = model(TEXTS, images).requires_grad_()
    surprises = []
    for ids, is_token, scores in zip(row.ids, row.is_token, logits):
        told = is_token.nonzero().flatten().tolist()
        surprises += [-scores[s - 1].log_softmax(-1)[ids[s]] for s in told[1:] if ids[s] != IMAGE]
    assert len(surprises) == 2 + 1 + 2
    close(text_loss(model, TEXTS, tokens), torch.stack(surprises).mean())
    assert int(is_guessed(row, IMAGE).sum()) == 5


def test_a_placeholder_is_neither_read_nor_learned():
    """Its row of the table could be anything; only as a word that is not the next one does the head see it."""
    model, images = build("Llama"), images_of(5, *VIEWS)
    before = text_loss(model, TEXTS, model.tokens(images))
    before.backward()
    assert (model.lm.embedding.weight.grad[IMAGE] == 0).all()
    model.lm.embedding.weight.data[IMAGE] = 100
    close(text_loss(model, TEXTS, model.tokens(images)), before)


@pytest.mark.parametrize("model", [EACH, TOGETHER], ids=["each", "together"])
@pytest.mark.parametrize("step", ["update", "loop"])
def test_the_tower_is_the_same_to_the_bit_after_a_step(model, step):
    """With weight decay, too; everything else moves."""
    model, images = copy.deepcopy(model), images_of(5, *VIEWS)
    model.sampler.requires_grad_(True)
    before = copy.deepcopy(model.state_dict())

    def loss(model, batch):
        return text_loss(model, TEXTS, model.tokens(images))

    if step == "update":
        Update(model, Settings(steps=2, lr=0.1), loss=loss)(torch.zeros(1))
    else:
        train(model, iter([0] * 2), steps=2, lr=0.1, loss=loss)
    for name, parameter in model.named_parameters():
        assert name.startswith("tower") == (not parameter.requires_grad) == torch.equal(parameter, before[name]), name
        assert (parameter.grad is None) == name.startswith("tower") or step == "update"


def test_features_computed_once_serve_as_well():
    model, images = build(), images_of(5, *VIEWS)
    features = model.features(images)
    assert not any(x.requires_grad for x in features)
    for one, other in zip(model.sample(features), model.tokens(images)):
        assert torch.equal(one, other)


@pytest.mark.parametrize("lm", LMS)
def test_written_with_a_cache_as_without(lm):
    """Prompts of unequal length, with 0, 1 and 2 images of unequal size, greedily; one beam says the same."""
    model, images = build(lm), images_of(5, 3, 1, 2)
    prompts = torch.tensor([[0, 1, IMAGE, 2], [IMAGE, 3, 4, IMAGE], [0, 0, 5, 6]])
    is_token = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1]]).bool()
    said = greedy(BLIP3Reader(model, 40, images, is_token=is_token), prompts, 6)
    texts = [row[told] for row, told in zip(prompts, is_token)]
    for step in range(6):
        logits = model(texts, images)[:, -1]
        logits[:, IMAGE] = -torch.inf
        assert torch.equal(said[:, step], logits.argmax(dim=-1))
        texts = [torch.cat([text, token[None]]) for text, token in zip(texts, said[:, step])]
    beams, _ = beam_search(BLIP3Reader(model, 40, images, is_token=is_token), prompts, 6, n_beams=1, end=IMAGE)
    assert beams == said.tolist()
    wide, _ = beam_search(BLIP3Reader(model, 40, images, is_token=is_token), prompts, 6, n_beams=3, end=IMAGE)
    assert len(wide) == 3 and all(len(answer) == 6 and IMAGE not in answer for answer in wide)


@pytest.mark.parametrize("together", [False, True], ids=["each", "together"])
def test_it_learns_to_say_what_it_sees(together):
    """Four images, one question, four answers: without the image only a quarter could be right."""
    model, images = build(together=together), images_of(5, 2, 2, 2, 2)
    texts = torch.tensor([[1, IMAGE, 2, 3 + i] for i in range(4)])
    features = model.features(images)
    train(
        model,
        iter([0] * 40),
        steps=40,
        lr=1e-2,
        loss=lambda model, _: text_loss(model, texts, model.sample(features)),
    )
    said = greedy(BLIP3Reader(model, 20, images), texts[:, :3], 1)
    assert torch.equal(said, texts[:, 3:])


@pytest.mark.parametrize("d_head", [None, 5])
def test_parameters_by_formula(d_head):
    sampler = PerceiverResampler(Q, 2, 12, 4, d_head=d_head, d_hidden=30)
    inner = 4 * (d_head or 3)
    assert sum(p.numel() for p in sampler.parameters()) == Q * 12 + 2 * (4 * 12 * inner + 2 * 12 * 30 + 72) + 24

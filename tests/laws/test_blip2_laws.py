"""What each of BLIP-2's masks lets through, measured on the model; what is frozen; what the losses are."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cosine_similarity

from course_lib.decoding.generation import greedy
from course_lib.foundations.attention import attend, causal_mask
from course_lib.foundations.contrastive import clip_loss
from course_lib.foundations.hard_negatives import hard_negatives
from course_lib.foundations.qformer_masks import MASKS, both_ways_mask, influence, with_padding
from course_lib.models.blip2 import (
    Describer,
    DescribingReader,
    QFormer,
    QFormerConfig,
    Stage1,
    n_parameters,
    similarities,
)
from course_lib.models.blip2_pretrain import contrast_loss, stage1_losses
from course_lib.models.blip_pretrain import caption_loss
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.vit import ViT, ViTConfig

V, CONTEXT, Q, N = 13, 7, 3, 5
SEEDS = st.integers(0, 2**32)
IMAGE = ViTConfig(height=8, width=8, patch=4, d_model=12, n_heads=3)
CONFIG = QFormerConfig(
    n_vocab=V, context=CONTEXT, dec=V - 1, n_queries=Q, d_image=12, d_model=16, n_layers=3, d_hidden=20
)
torch.manual_seed(0)
STAGE1 = Stage1(ViT(IMAGE), CONFIG, d_shared=6).double().requires_grad_(False).eval()
QFORMER = STAGE1.qformer


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def words(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, V - 1, shape, generator=torch.Generator().manual_seed(seed))


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def measured(mask: torch.Tensor, n_words: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """What each place's end depends on: places [S S], and the image [S N]."""
    x = QFORMER.embed(1, words(seed, 1, n_words)).requires_grad_()
    seen = normal(seed, 1, N, 12).requires_grad_()
    found = influence(QFORMER.run(x, seen, mask), x, seen)
    return found[:, : Q + n_words], found[:, Q + n_words :]


@pytest.mark.parametrize("task", MASKS)
@settings(max_examples=10, deadline=None)
@given(n_words=st.integers(1, CONTEXT), seed=SEEDS)
def test_nothing_gets_past_a_mask_and_all_it_allows_gets_through(task, n_words, seed):
    """Over all layers, to the bit: none of the three masks lets through in two steps what it forbids in one."""
    mask = MASKS[task](Q, n_words)
    places, image = measured(mask, n_words, seed)
    assert torch.equal(places > 0, mask)
    assert (image[:Q] > 0).all()
    assert ((image[Q:] > 0) == (task != "ITC")).all()


def test_the_meter_sees_what_one_hole_in_a_mask_lets_through():
    """One query that may see the last word, and every query and word knows it, but for those that see no query."""
    n_words = 4
    mask = MASKS["ITG"](Q, n_words)
    mask[0, -1] = True
    places, _ = measured(mask, n_words)
    assert (places[:, -1] > 0).all()
    assert not (measured(MASKS["ITG"](Q, n_words), n_words)[0][:-1, -1] > 0).any()


def test_the_masks_as_the_paper_draws_them():
    yes, no = True, False
    drawn = {
        "ITC": [[yes, yes, no, no], [yes, yes, no, no], [no, no, yes, yes], [no, no, yes, yes]],
        "ITM": [[yes] * 4] * 4,
        "ITG": [[yes, yes, no, no], [yes, yes, no, no], [yes, yes, yes, no], [yes] * 4],
    }
    for task, mask in MASKS.items():
        assert mask(2, 2).tolist() == drawn[task]
        assert mask(0, 3).tolist() == (causal_mask(3) if task == "ITG" else torch.ones(3, 3) > 0).tolist()
        assert mask(3, 0).all() and mask(3, 0).shape == (3, 3)


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_under_the_unimodal_mask_both_halves_are_alone(seed):
    """So contrast needs no joint run: many images and many texts, each once."""
    ids, seen = words(seed, 2, 5), normal(seed, 2, N, 12)
    both = QFORMER.both(seen, ids, MASKS["ITC"](Q, 5))
    close(both[:, :Q], QFORMER.ask(seen))
    close(both[:, Q:], QFORMER.read(ids))


def with_cached_queries(seen: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """ITG as the released code runs it: the queries' keys and values are kept; the words, run causally, read them as
    if they were earlier words. So its mask is longer than its input (LAVIS#436, #779)."""
    queries, text = QFORMER.embed(len(seen)), QFORMER.embed_words(ids)
    L = ids.shape[1]
    mask = torch.cat([torch.ones(L, Q, dtype=torch.bool), torch.ones(L, L, dtype=torch.bool).tril()], dim=1)
    for layer in QFORMER.layers:
        attention = layer.attention.sublayer
        (_, kept_k, kept_v), (q, k, v) = attention.heads(queries), attention.heads(text)
        read = attend(q, torch.cat([kept_k, k], dim=2), torch.cat([kept_v, v], dim=2), mask)
        text = layer.attention.norm(text + attention.to_out(read.transpose(1, 2).flatten(2)))
        text = layer.feedforward_text(text)
        queries = layer(queries, Q, seen, None)
    return text


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_queries_as_cached_keys_are_the_masked_joint_run(seed):
    ids, seen = words(seed, 2, 5), normal(seed, 2, N, 12)
    both = QFORMER.both(seen, ids, MASKS["ITG"](Q, 5))
    close(both[:, Q:], with_cached_queries(seen, ids))
    close(both[:, :Q], QFORMER.ask(seen))
    begun = torch.cat([torch.full((2, 1), CONFIG.dec), ids[:, 1:]], dim=1)
    close(STAGE1.next_words(seen, ids), STAGE1.head(with_cached_queries(seen, begun), QFORMER.words.weight))


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.integers(1, 5))
def test_padding_changes_nothing(seed, length):
    ids, seen = words(seed, 2, 5), normal(seed, 2, N, 12)
    is_token = torch.arange(5).expand(2, 5) < length
    short = ids[:, :length]
    close(STAGE1.text_features(ids, is_token), STAGE1.text_features(short))
    close(STAGE1.matches(seen, ids, is_token), STAGE1.matches(seen, short))
    close(STAGE1.next_words(seen, ids, is_token)[:, :length], STAGE1.next_words(seen, short))
    assert torch.equal(with_padding(both_ways_mask(Q, 5), is_token)[0, 0, 0, Q:], is_token[0])


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_queries_have_no_order(seed):
    """Moved queries give moved answers: they differ by what they are, not by where they stand."""
    seen, ids = normal(seed, 2, N, 12), words(seed, 2, 4)
    order = torch.randperm(Q, generator=torch.Generator().manual_seed(seed))
    moved = lambda *args: torch.func.functional_call(QFORMER, {"queries": QFORMER.queries[order]}, args)  # noqa: E731
    QFORMER.forward = QFORMER.ask
    close(moved(seen), QFORMER.ask(seen)[:, order])
    QFORMER.forward = lambda seen, ids: QFORMER.both(seen, ids, MASKS["ITG"](Q, 4))
    close(moved(seen, ids)[:, Q:], QFORMER.both(seen, ids, MASKS["ITG"](Q, 4))[:, Q:])
    del QFORMER.forward


@given(SEEDS)
def test_the_best_query_speaks_for_the_image(seed):
    image, text = normal(seed, 3, Q, 6), normal(seed + 1, 4, 6)
    found = similarities(image, text)
    for b in range(3):
        for m in range(4):
            best = max(float(cosine_similarity(image[b, q], text[m], dim=0)) for q in range(Q))
            assert float(found[b, m]) == pytest.approx(best, abs=1e-12)


def test_every_query_votes_on_a_match():
    ids, seen = words(2, 3, 4), normal(2, 3, N, 12)
    joint = QFORMER.both(seen, ids, torch.ones(Q + 4, Q + 4, dtype=torch.bool))
    votes = torch.stack([STAGE1.match(joint[:, q]) for q in range(Q)])
    close(STAGE1.matches(seen, ids), votes.mean(0))


def naive_losses(images, ids, is_token, generator, smoothing) -> list[float]:
    """One image, one text, one word at a time."""
    B = len(ids)
    texts = [row[there][None] for row, there in zip(ids, is_token)]
    seen = [STAGE1.image.features(image[None]) for image in images]
    image = [STAGE1.project_image(QFORMER.ask(each))[0] for each in seen]
    text = [STAGE1.project_text(QFORMER.read(each)[0, 0]) for each in texts]
    cosines = [[max(float(cosine_similarity(one, t, dim=0)) for one in each) for t in text] for each in image]
    logits = torch.tensor(cosines, dtype=torch.float64) / float(STAGE1.temperature)

    def smoothed(scores: torch.Tensor, own: int) -> float:
        log_probs = (scores.exp() / scores.exp().sum()).log()
        return -(1 - smoothing) * float(log_probs[own]) - smoothing * float(log_probs.mean())

    itc = sum(smoothed(logits[i], i) + smoothed(logits[:, i], i) for i in range(B)) / (2 * B)
    other_image, other_text = hard_negatives(logits.mT, None, generator), hard_negatives(logits, None, generator)
    pairs = [(i, i, 1) for i in range(B)]
    pairs += [(int(other_image[i]), i, 0) for i in range(B)] + [(i, int(other_text[i]), 0) for i in range(B)]
    itm = 0.0
    for i, j, label in pairs:
        yes_no = STAGE1.match(QFORMER.both(seen[i], texts[j], both_ways_mask(Q, texts[j].shape[1]))[0, :Q]).mean(0)
        itm -= float(yes_no.log_softmax(-1)[label]) / len(pairs)
    costs = []
    for i in range(B):
        for t in range(1, texts[i].shape[1]):
            begun = torch.cat([torch.tensor([[CONFIG.dec]]), texts[i][:, 1:t]], dim=1)
            scores = STAGE1.head(with_cached_queries(seen[i], begun), QFORMER.words.weight)[0, -1]
            costs.append(smoothed(scores, int(texts[i][0, t])))
    return [itc, itm, sum(costs) / len(costs)]


@pytest.mark.parametrize("smoothing", [0.1, 0.0])
def test_the_three_losses_one_by_one(smoothing):
    images, ids = normal(3, 4, 3, 8, 8), words(3, 4, 6)
    is_token = torch.arange(6) < torch.tensor([6, 3, 2, 5])[:, None]
    found = stage1_losses(
        STAGE1, images, ids, is_token, smoothing=smoothing, generator=torch.Generator().manual_seed(5)
    )
    expected = naive_losses(images, ids, is_token, torch.Generator().manual_seed(5), smoothing)
    assert [float(loss) for loss in found] == pytest.approx(expected, abs=1e-12)


def test_without_smoothing_contrast_is_clips():
    logits = normal(4, 5, 5)
    close(contrast_loss(logits, 0), clip_loss(logits))
    assert float(contrast_loss(torch.zeros(7, 7))) == pytest.approx(math.log(7), abs=1e-6)


def fresh() -> Stage1:
    torch.manual_seed(1)
    return Stage1(ViT(IMAGE), CONFIG, d_shared=6)


def three_steps(model: nn.Module, loss) -> None:
    """As trainings go: train mode, and an optimiser that decays whatever it is given."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for step in range(3):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()


def copies(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def check_learned(model: nn.Module, before: dict[str, torch.Tensor], frozen: tuple[str, ...]) -> None:
    for name, parameter in model.named_parameters():
        still = name.startswith(frozen)
        assert torch.equal(parameter, before[name]) == still, name
        assert parameter.requires_grad != still and (parameter.grad is None) == still
    for name in frozen:
        part = getattr(model, name.rstrip("."))
        assert not any(module.training for module in part.modules())


def test_in_stage_1_the_image_tower_stays_to_the_bit_and_all_else_learns():
    model = fresh()
    before = copies(model)
    images, ids = normal(6, 4, 3, 8, 8).float(), words(6, 4, 6)
    chance = torch.Generator().manual_seed(0)
    three_steps(model, lambda step: sum(stage1_losses(model, images, ids, generator=chance)))
    check_learned(model, before, ("image.",))


LMS = {
    "GPT-2": lambda: GPT2(GPT2Config(n_vocab=V, context=16, d_model=20, dropout=0.5)),
    "GPT-3": lambda: GPT3(GPT3Config(n_vocab=V, context=16, d_model=20, dropout=0.5, window=2)),
}


@pytest.fixture(params=LMS)
def describer(request):
    torch.manual_seed(2)
    return Describer(ViT(IMAGE), QFormer(CONFIG).without_text(), LMS[request.param]())


def test_in_stage_2_both_towers_stay_to_the_bit_and_all_else_learns(describer):
    before = copies(describer)
    seen, ids = describer.look(normal(7, 3, 3, 8, 8).float()), words(7, 3, 5)
    three_steps(describer, lambda step: caption_loss(describer, seen, ids, smoothing=0))
    check_learned(describer, before, ("image.", "lm."))
    assert torch.equal(describer.next_words(seen, ids), describer.next_words(seen, ids))  # no dropout in the frozen


def test_the_language_model_reads_the_answers_as_its_first_words(describer):
    describer.double()
    seen, ids = describer.look(normal(8, 2, 3, 8, 8)), words(8, 2, 5)
    lm = describer.lm
    whole = lm.to_vocab(lm.run(torch.cat([describer.project(describer.qformer.ask(seen)), lm.embed(ids)], dim=1)))
    found = describer.next_words(seen, ids)
    close(found, whole[:, Q:])
    x, inputs = lm.embed(ids).requires_grad_(), describer.prefix(seen).detach().requires_grad_()
    read = influence(lm.run(torch.cat([inputs, x], dim=1)), inputs, x)
    if isinstance(lm, GPT2):
        assert torch.equal(read > 0, causal_mask(Q + 5))  # queries' answers, too, are read causally (LAVIS#393)


def test_texts_are_written_as_without_caches(describer):
    describer.double().eval()
    images, ids = normal(9, 2, 3, 8, 8), words(9, 2, 2)
    seen, written = describer.look(images), ids
    for _ in range(6):
        written = torch.cat([written, describer.next_words(seen, written)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(greedy(DescribingReader(describer, images, 8), ids, 6), written[:, 2:])


def test_stage_2_takes_the_queries_half_as_it_is():
    model = fresh()
    seen = normal(10, 2, N, 12).float()
    kept = model.qformer.without_text()
    assert torch.equal(kept.ask(seen), model.qformer.ask(seen))
    assert n_parameters(kept.config) == sum(p.numel() for p in kept.parameters())
    assert not {p.data_ptr() for p in kept.parameters()} & {p.data_ptr() for p in model.parameters()}
    assert all(p.requires_grad for p in kept.parameters())


@pytest.mark.parametrize(
    "config",
    [CONFIG, QFormerConfig(n_layers=5, cross_every=3, d_image=7), QFormerConfig(n_vocab=3, n_queries=1, cross_every=9)],
)
def test_parameters_by_formula(config):
    assert n_parameters(config) == sum(p.numel() for p in QFormer(config).parameters())

"""BLIP: what is shared, who reads what, and the joint step, which no package has, against a second, naive one."""

import math
from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.decoding.generation import greedy
from course_lib.decoding.sampling import sample
from course_lib.foundations.bert import CrossAttention, text_mask
from course_lib.foundations.contrastive import info_nce, similarities
from course_lib.foundations.hard_negatives import hard_negatives, negative_weights
from course_lib.foundations.momentum import FeatureQueue, follow, soft_nce, soft_targets
from course_lib.models.blip import BLIP, BLIPConfig, Captioner, CaptionReader, Retriever, TextConfig
from course_lib.models.blip_pretrain import PretrainConfig, Pretraining, caption_loss
from course_lib.models.vit import ViTConfig

V, CONTEXT, PAD, CLS, ENC, DEC, END = 13, 7, 0, 1, 2, 3, 4
CONFIG = BLIPConfig(
    image=ViTConfig(height=8, width=12, patch=4, d_model=12, n_heads=3),
    text=TextConfig(n_vocab=V, context=CONTEXT, enc=ENC, dec=DEC, d_model=16, n_heads=2, n_layers=3),
    d_shared=6,
)
SEEDS, PAIRS = st.integers(0, 2**32), st.integers(2, 9)
CAPTIONS = torch.tensor(
    [[CLS, 5, 6, 7, 8, END], [CLS, 9, END, PAD, PAD, PAD], [CLS, 10, 11, 12, END, PAD], [CLS, 6, 5, END, PAD, PAD]]
)
IS_TOKEN = CAPTIONS != PAD


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def scrambled(model: nn.Module, seed: int = 0) -> nn.Module:
    """Biases and norms, too, but so that what is read stays visible."""
    chance = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=chance)
    return model.double()


torch.manual_seed(0)
MODEL = scrambled(BLIP(CONFIG))
IMAGES = normal(1, 4, 3, 8, 12)


def close(one, other, bound: float = 1e-12) -> None:
    torch.testing.assert_close(one, other, atol=bound, rtol=0)


def reached(value: torch.Tensor) -> set[str]:
    """The parameters that a value depends on."""
    names, parameters = zip(*MODEL.named_parameters())
    gradients = torch.autograd.grad(value.sum(), parameters, allow_unused=True, retain_graph=True)
    return {name for name, gradient in zip(names, gradients) if gradient is not None and gradient.abs().max() > 0}


def test_all_text_parameters_are_shared_but_self_attention():
    """Found by gradients, not by names: what matching and writing both depend on, and what only one of them does."""
    seen = MODEL.look(IMAGES)
    matching = reached(MODEL.matches(seen, CAPTIONS, IS_TOKEN) @ normal(0, 2))
    writing = reached(MODEL.next_words(seen, CAPTIONS, IS_TOKEN).log_softmax(-1)[..., 5])
    contrast = reached(normal(0, 4, 6) * MODEL.text_features(CAPTIONS, IS_TOKEN))
    text = {name for name, _ in MODEL.named_parameters() if name.startswith("text.")}
    own = {name for name in text if ".attention." in name}
    assert matching & writing == (text - own) | {name for name, _ in MODEL.named_parameters() if name[:6] == "image."}
    assert {name for name in own if ".encode." in name} == own & matching == own & contrast
    assert {name for name in own if ".decode." in name} == own & writing
    assert own & matching & writing == set()
    assert contrast == (matching - {n for n in matching if n[:6] in ("image.", "match.") or ".cross." in n}) | {
        "project_text.weight",
        "project_text.bias",
    }


def test_both_halves_are_one_model():
    """The halves together, what they share counted once; and each half's weights are a part of the whole's."""
    whole, retriever, captioner = (dict(kind(CONFIG).named_parameters()) for kind in (BLIP, Retriever, Captioner))
    assert whole.keys() == retriever.keys() | captioner.keys()
    assert len({id(p) for p in whole.values()}) == len(whole)
    shared = retriever.keys() & captioner.keys()
    assert {name.split(".")[0] for name in shared} == {"image", "text"}
    count = {id(part): sum(p.numel() for p in part.values()) for part in (whole, retriever, captioner)}
    again = sum(retriever[name].numel() for name in shared)
    assert count[id(whole)] == count[id(retriever)] + count[id(captioner)] - again


def test_every_layer_reads_the_last_output_of_the_image_tower():
    """Not the corresponding layer's: one and the same tensor, for matching, for writing, and for the caches."""
    read, looked = [], []
    hooks = [
        layer.cross.sublayer.register_forward_pre_hook(lambda _, given: read.append(given[1]))
        for layer in MODEL.text.layers
    ]
    hooks.append(MODEL.image.norm_out.register_forward_hook(lambda _, given, out: looked.append(out)))
    seen = MODEL.look(IMAGES)
    MODEL.matches(seen, CAPTIONS, IS_TOKEN)
    MODEL.next_words(seen, CAPTIONS, IS_TOKEN)
    MODEL.text_features(CAPTIONS, IS_TOKEN)
    for hook in hooks:
        hook.remove()
    assert len(looked) == 1 and looked[0] is seen and seen.shape == (4, 7, 12)
    assert len(read) == 2 * len(MODEL.text.layers) and all(each is seen for each in read)
    reader = CaptionReader(MODEL, IMAGES)
    for layer, image in zip(MODEL.text.layers, reader.images):
        for held, made in zip(image.held(), layer.cross.sublayer.keys_and_values(seen)):
            close(held, made.detach())


@settings(max_examples=15)
@given(st.integers(1, 4), SEEDS)
def test_the_decoder_looks_back_only_and_the_encoder_everywhere(place, seed):
    seen, ids = MODEL.look(IMAGES[:1]), CAPTIONS[:1]
    other = ids.clone()
    other[0, place] = 5 + (int(ids[0, place]) - 4 + seed % 7) % 8
    moved = (MODEL.next_words(seen, other) - MODEL.next_words(seen, ids)).abs().amax(-1)[0] > 1e-9
    if torch.equal(other, ids):
        assert not moved.any()
        return
    assert moved.tolist() == [at >= place for at in range(6)]
    for before, after in (
        (MODEL.text.encode(ids), MODEL.text.encode(other)),
        (MODEL.text.encode(ids, None, seen), MODEL.text.encode(other, None, seen)),
    ):
        assert ((after - before).abs().amax(-1) > 1e-9).all()


def test_only_the_grounded_modes_depend_on_the_image():
    images = IMAGES.clone().requires_grad_()
    seen = MODEL.look(images)
    for value in (MODEL.matches(seen, CAPTIONS, IS_TOKEN)[:, 1], MODEL.next_words(seen, CAPTIONS)[:, 0, 5]):
        (gradient,) = torch.autograd.grad(value.sum(), images, retain_graph=True)
        assert (gradient.flatten(1).abs().amax(1) > 0).all()
    alone = MODEL.text_features(CAPTIONS, IS_TOKEN)
    assert torch.autograd.grad(alone.sum(), images, allow_unused=True) == (None,)


def test_the_first_token_says_what_is_asked():
    """[ENC] and [DEC] take its place; for contrast it stays as it came."""
    seen, ids = MODEL.look(IMAGES), CAPTIONS
    other = torch.cat([torch.full_like(ids[:, :1], 9), ids[:, 1:]], 1)
    assert torch.equal(MODEL.matches(seen, ids, IS_TOKEN), MODEL.matches(seen, other, IS_TOKEN))
    assert torch.equal(MODEL.next_words(seen, ids), MODEL.next_words(seen, other))
    assert (MODEL.text_features(ids, IS_TOKEN) - MODEL.text_features(other, IS_TOKEN)).abs().max() > 1e-3
    close(MODEL.text.encode(torch.cat([torch.full_like(ids[:, :1], ENC), ids[:, 1:]], 1), IS_TOKEN, seen)[:, 0] @
          MODEL.match.weight.mT + MODEL.match.bias, MODEL.matches(seen, ids, IS_TOKEN))  # fmt: skip
    assert torch.equal(ids, CAPTIONS)


def test_padding_changes_nothing():
    """Each text alone, cut to its length, against the padded batch; and whatever stands on the padding."""
    seen = MODEL.look(IMAGES)
    noise = torch.where(IS_TOKEN, CAPTIONS, 9)
    for ids in (CAPTIONS, noise):
        features, matched = MODEL.text_features(ids, IS_TOKEN), MODEL.matches(seen, ids, IS_TOKEN)
        words = MODEL.next_words(seen, ids, IS_TOKEN)
        for i, length in enumerate(IS_TOKEN.sum(1).tolist()):
            alone, image = ids[i : i + 1, :length], seen[i : i + 1]
            close(MODEL.text_features(alone), features[i : i + 1])
            close(MODEL.matches(image, alone), matched[i : i + 1])
            close(MODEL.next_words(image, alone), words[i : i + 1, :length])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_fast_cross_attention_is_the_readable_one(dtype):
    """weights · values, with a context that is padded: value, and gradients of x and context."""
    torch.manual_seed(0)
    cross = CrossAttention(16, 4, 10).double()
    x, context = normal(0, 2, 5, 16).requires_grad_(), normal(1, 2, 7, 10).requires_grad_()
    there = (torch.arange(7) < torch.tensor([[7], [4]]))[:, None, None]
    weights = cross.weights(x, context).masked_fill(~there, 0)
    weights = weights / weights.sum(-1, keepdim=True)
    values = cross.keys_and_values(context)[1]
    expected = cross.to_out((weights @ values).transpose(1, 2).flatten(2))
    out = cross.to(dtype)(x.to(dtype), context.to(dtype), there)
    bound = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.03}[dtype]
    close(out.double(), expected, bound)
    cross.double()
    for mine, readable in zip(
        torch.autograd.grad(out.double().square().sum(), (x, context)),
        torch.autograd.grad(expected.square().sum(), (x, context)),
    ):
        close(mine, readable, bound * max(1, float(readable.abs().max())))
    assert (context.grad is None) and (weights.sum(-1) - 1).abs().max() < 1e-12


@pytest.mark.parametrize("mode", ["encode", "decode"])
def test_maps_are_what_the_images_values_were_mixed_by(mode):
    """Layer by layer, hooked: the map times the values, through to_out, is what cross-attention gives, also in use."""
    given = []
    crosses = [layer.cross.sublayer for layer in MODEL.text.layers]
    hooks = [cross.register_forward_hook(lambda cross, _, out: given.append((cross, out))) for cross in crosses]
    seen = MODEL.look(IMAGES)
    maps = MODEL.text.image_maps(CAPTIONS, seen, IS_TOKEN, mode)
    if mode == "encode":
        MODEL.text.encode(CAPTIONS, IS_TOKEN, seen)
    else:
        MODEL.text.decode(CAPTIONS, seen, IS_TOKEN)
    for hook in hooks:
        hook.remove()
    assert maps.shape == (3, 4, 2, 6, 7) and [cross for cross, _ in given] == 2 * crosses
    for weights, (cross, out), (_, in_use) in zip(maps, given[:3], given[3:], strict=True):
        values = cross.keys_and_values(seen)[1]
        close(cross.to_out((weights @ values).transpose(1, 2).flatten(2)), out)
        assert torch.equal(out, in_use)


@settings(max_examples=30)
@given(st.integers(1, 6), st.booleans(), st.booleans(), SEEDS)
def test_the_mask_says_who_may_read_whom(n, causal, padded, seed):
    ids = torch.ones(2, n, dtype=torch.int64)
    lengths = torch.randint(1, n + 1, (2,), generator=torch.Generator().manual_seed(seed))
    mask = text_mask(ids, (torch.arange(n) < lengths[:, None]) if padded else None, causal=causal)
    full = torch.ones(2, 1, n, n, dtype=torch.bool) if mask is None else mask.expand(2, 1, n, n)
    for b in range(2):
        for t in range(n):
            for s in range(n):
                assert bool(full[b, 0, t, s]) == ((s <= t or not causal) and (s < int(lengths[b]) or not padded))


def test_captions_written_with_caches_are_those_of_the_full_pass():
    """Word after word, and rows that go on in another order; greedy and nucleus write what the full logits say."""
    seen = MODEL.look(IMAGES)
    reader, start = CaptionReader(MODEL, IMAGES), torch.full((4, 1), CLS)
    ids = CAPTIONS.clone()
    full = MODEL.next_words(seen, ids)
    close(reader(ids[:, :2]), full[:, 1])
    for place in range(2, 6):
        close(reader(ids[:, place : place + 1]), full[:, place])
    reader = CaptionReader(MODEL, IMAGES)
    reader(ids[:, :2])
    order = torch.tensor([3, 0, 0])
    reader.reorder(order)
    close(reader(ids[order, 2:3]), MODEL.next_words(seen[order], ids[order])[:, 2])
    said = greedy(CaptionReader(MODEL, IMAGES), start, 5)
    for n in range(5):
        assert torch.equal(said[:, n], MODEL.next_words(seen, torch.cat([start, said[:, :n]], 1))[:, -1].argmax(-1))
    drawn = sample(CaptionReader(MODEL, IMAGES), start, 5, top_p=0.5, generator=torch.Generator().manual_seed(0))
    for n in range(5):
        chances = MODEL.next_words(seen, torch.cat([start, drawn[:, :n]], 1))[:, -1].softmax(-1)
        likelier = [float(row[row > row[word]].sum()) for row, word in zip(chances.detach(), drawn[:, n])]
        assert max(likelier) < 0.5  # each word lies in its nucleus
    with pytest.raises(ValueError, match=r"8 tokens, the context holds 7"):
        greedy(CaptionReader(MODEL, IMAGES), start, 8)


@settings(max_examples=40)
@given(st.integers(0, 6), st.lists(st.integers(0, 9), max_size=6), SEEDS)
def test_the_queue_is_first_in_first_out(capacity, batches, seed):
    """Against a deque: any sizes of batches, also larger than the queue, also none."""
    queue, expected = FeatureQueue(capacity, 3).double(), deque(maxlen=capacity)
    assert queue.rows().shape == (0, 3)
    for i, size in enumerate(batches):
        rows = normal(seed + i, size, 3)
        queue.push(rows)
        expected.extend(rows)
        held = {tuple(row.tolist()) for row in queue.rows()}
        assert held == {tuple(row.tolist()) for row in expected} and len(queue.rows()) == len(expected)
    assert not list(queue.parameters())
    again = FeatureQueue(capacity, 3).double()
    again.load_state_dict(queue.state_dict())
    assert torch.equal(again.rows(), queue.rows())


@settings(max_examples=20)
@given(st.floats(0, 1), st.integers(1, 4), SEEDS)
def test_the_teacher_is_a_moving_average(momentum, steps, seed):
    """After n steps: m^n of itself, and (1 - m) m^k of what the student was k steps ago. The student is untouched."""
    teacher, student = nn.Linear(3, 2).double(), nn.Linear(3, 2).double()
    expected = momentum**steps * teacher.weight.detach().clone()
    for step in range(steps):
        student.weight.data = normal(seed + step, 2, 3)
        follow(teacher, student, momentum)
        assert torch.equal(student.weight, normal(seed + step, 2, 3))
        expected += (1 - momentum) * momentum ** (steps - 1 - step) * normal(seed + step, 2, 3)
    close(teacher.weight.detach(), expected, 1e-14)


@given(PAIRS, st.integers(0, 5), st.floats(0, 1), SEEDS)
def test_soft_targets_lie_between_the_labels_and_the_teacher(n, more, alpha, seed):
    logits, slow = normal(seed, n, n + more), normal(seed + 1, n, n + more)
    targets = soft_targets(slow, alpha)
    close(targets.sum(1), torch.ones(n).double())
    close(soft_targets(slow, 1.0), slow.softmax(1))
    hard = soft_nce(logits, soft_targets(slow, 0.0))
    close(hard, nn.functional.cross_entropy(logits, torch.arange(n)))
    if not more:
        close(hard, info_nce(logits))
    mixed = alpha * soft_nce(logits, soft_targets(slow, 1.0)) + (1 - alpha) * hard
    close(soft_nce(logits, targets), mixed)
    entropy = -(slow.softmax(1) * slow.log_softmax(1)).sum(1).mean()
    close(soft_nce(slow, soft_targets(slow, 1.0)), entropy)
    assert soft_nce(logits, soft_targets(slow, 1.0)) >= entropy - 1e-12


@given(PAIRS, SEEDS)
def test_a_hard_negative_is_never_the_pair_nor_its_like(n, seed):
    """Also where the own pair, or another with the same caption, is by far the most similar."""
    labels = torch.randint(0, n, (n,), generator=torch.Generator().manual_seed(seed))
    labels[0], labels[1] = n, n + 1  # two different ones at least
    same = labels[:, None] == labels
    logits = normal(seed, n, n) + 30 * same
    draw = torch.Generator().manual_seed(seed)
    for _ in range(5):
        assert (hard_negatives(logits, generator=draw) != torch.arange(n)).all()
        assert not same[torch.arange(n), hard_negatives(logits, same, draw)].any()


def test_hard_negatives_come_as_often_as_they_are_similar():
    """4,000 draws of each row against softmax + 1e-4 without the own pair, four standard errors wide."""
    logits = torch.tensor([[9.0, 2, 1, 0], [0, 9, 0, 0], [-20, 0, 9, 1], [3, 3, 0, 9]], dtype=torch.float64)
    weights = logits.softmax(1) + 1e-4
    weights = weights * (1 - torch.eye(4))
    close(negative_weights(logits), weights)
    expected, draw, n = weights / weights.sum(1, keepdim=True), torch.Generator().manual_seed(0), 4_000
    found = torch.stack([hard_negatives(logits, generator=draw) for _ in range(n)])
    share = (found[..., None] == torch.arange(4)).double().mean(0)
    assert ((share - expected).abs() <= 4 * (expected * (1 - expected) / n).sqrt() + 1e-12).all()


def pretraining(**changes) -> Pretraining:
    torch.manual_seed(0)
    made = Pretraining(PretrainConfig(blip=CONFIG, **dict(n_queue=6, momentum=0.9) | changes)).double()
    scrambled(made.blip)
    follow(made.teacher, made.blip, momentum=0)
    return made


def naive_losses(step: Pretraining, queues, images, ids, is_token, same, alpha, draw):
    """The joint step once more: pair by pair, text by text without padding, in plain sums. queues: lists of rows."""
    blip, teacher, n = step.blip, step.teacher, len(ids)
    temperature = step.temperature.clamp(0.001, 0.5)
    temperature = step.temperature + (temperature - step.temperature).detach()
    texts = [ids[i, : int(is_token[i].sum())][None] for i in range(n)]
    first = [text.clone() for text in texts]
    for text in first:
        text[0, 0] = ENC
    momentum = step.config.momentum
    mine = dict(blip.named_parameters())
    for name, parameter in teacher.named_parameters():
        parameter.data = momentum * parameter.data + (1 - momentum) * mine[name].data

    def vectors(model):
        looked = [model.image.features(images[i : i + 1]) for i in range(n)]
        image = [model.project_image(each[0, 0]) for each in looked]
        text = [model.project_text(model.text.encode(each)[0, 0]) for each in texts]
        return looked, *([v / v.square().sum().sqrt() for v in each] for each in (image, text))

    seen, image, text = vectors(blip)
    with torch.no_grad():
        _, slow_image, slow_text = vectors(teacher)
    columns = {"image": slow_image + list(queues[0]), "text": slow_text + list(queues[1])}
    itc, drawn = 0, {}
    for kind, fast, slow, others in (
        ("image", text, slow_text, columns["image"]),
        ("text", image, slow_image, columns["text"]),
    ):
        weights = torch.zeros(n, n, dtype=torch.float64)
        for i in range(n):
            scores = torch.stack([fast[i] @ other / temperature for other in others])
            belief = torch.stack([slow[i] @ other / temperature for other in others]).detach().exp()
            target = alpha * belief / belief.sum()
            target[i] += 1 - alpha
            itc = itc - (target * (scores - scores.exp().sum().log())).sum() / (2 * n)
            for j in range(n):
                excluded = i == j or (same is not None and bool(same[j, i] if kind == "image" else same[i, j]))
                weights[i, j] = 0 if excluded else scores[j].detach().exp() / scores[:n].detach().exp().sum() + 1e-4
        drawn[kind] = torch.multinomial(weights, 1, generator=draw)[:, 0].tolist()
    pairs = [(i, i, 1) for i in range(n)]
    pairs += [(drawn["image"][i], i, 0) for i in range(n)] + [(i, drawn["text"][i], 0) for i in range(n)]
    itm = 0
    for i, j, label in pairs:
        yes = blip.match(blip.text.encode(first[j], None, seen[i])[0, 0])
        itm = itm - (yes[label] - (yes[0].exp() + yes[1].exp()).log()) / len(pairs)
    lm, n_words, smoothing = 0, int(is_token[:, 1:].sum()), step.config.smoothing
    for i in range(n):
        text = texts[i].clone()
        text[0, 0] = DEC
        for place in range(1, text.shape[1]):
            x = blip.text.decode(text[:, :place], seen[i])[0, -1]
            log_probs = blip.head(x[None, None], blip.text.embeddings.words.weight)[0, 0].log_softmax(0)
            target = (1 - smoothing) * log_probs[text[0, place]] + smoothing * log_probs.mean()
            lm = lm - target / n_words
    return (itc, itm, lm), (slow_image, slow_text)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("same", [None, "first and last"])
def test_the_joint_step_is_the_naive_one(alpha, same):
    """Four steps, in which the queues fill and turn around: losses, every gradient, teacher and queues."""
    mine, naive = pretraining(temperature=0.3), pretraining(temperature=0.3)
    equal = None
    if same:
        equal = torch.eye(4, dtype=torch.bool)
        equal[0, 3] = True  # caption 3 fits image 0; caption 0 does not fit image 3
    draws = [torch.Generator().manual_seed(5) for _ in range(2)]
    queues = deque(maxlen=6), deque(maxlen=6)
    for step in range(4):
        images = normal(step, 4, 3, 8, 12)
        ids, is_token = CAPTIONS.roll(step, 0), IS_TOKEN.roll(step, 0)
        losses = mine(images, ids, is_token, same=equal, alpha=alpha, generator=draws[0])
        others, pushed = naive_losses(naive, queues, images, ids, is_token, equal, alpha, draws[1])
        for one, other in zip(losses, others, strict=True):
            close(one, other, 1e-11)
        for queue, rows in zip(queues, pushed):
            queue.extend(rows)
        gradients = []
        for model, (itc, itm, lm) in ((mine, losses), (naive, others)):
            model.zero_grad()
            (itc + 2 * itm + 3 * lm).backward()
            gradients.append({name: p.grad for name, p in model.named_parameters()})
        assert gradients[0].keys() == gradients[1].keys()
        for name, gradient in gradients[0].items():
            if name.startswith("teacher."):
                assert gradient is None and gradients[1][name] is None
            else:
                close(gradient, gradients[1][name], 1e-10)
                assert gradient.abs().max() > 0
        with torch.no_grad():
            for model in (mine, naive):
                for name, p in model.blip.named_parameters():
                    p -= 0.01 * gradients[1]["blip." + name]
        for one, other in zip(mine.teacher.parameters(), naive.teacher.parameters()):
            close(one, other)
        for queue, rows in zip((mine.image_queue, mine.text_queue), queues):
            held, expected = (
                {tuple(round(x, 9) for x in row.tolist()) for row in each} for each in (queue.rows(), rows)
            )
            assert held == expected and len(queue.rows()) == min(6, 4 * (step + 1))


def test_no_gradient_reaches_teacher_or_queues_and_the_teacher_lags():
    step = pretraining(momentum=0.75)
    before = {name: p.clone() for name, p in step.teacher.named_parameters()}
    with torch.no_grad():
        for parameter in step.blip.parameters():
            parameter += 0.1
    losses = step(IMAGES, CAPTIONS, IS_TOKEN, generator=torch.Generator().manual_seed(0))
    sum(losses).backward()
    assert all(p.grad is None and not p.requires_grad for p in step.teacher.parameters())
    assert not step.image_queue.rows().requires_grad and not step.text_queue.rows().requires_grad
    for name, parameter in step.teacher.named_parameters():
        close(parameter - before[name], torch.full_like(parameter, 0.025))
    assert all(p.grad is not None for p in step.blip.parameters())


def test_training_goes_on_from_a_model_that_is_there():
    """As captioner and filter do: the model itself is trained, and its teacher begins as its copy."""
    blip = BLIP(CONFIG)
    step = Pretraining(PretrainConfig(blip=CONFIG), blip)
    assert step.blip is blip
    mine = dict(blip.named_parameters())
    for name, parameter in step.teacher.named_parameters():
        assert torch.equal(parameter, mine[name]) and parameter is not mine[name]


def test_each_loss_trains_its_own_parts():
    """ITC: both towers and projections. ITM: encoder, cross-attention, match. LM: decoder, cross-attention, head."""
    step = pretraining()
    losses = step(IMAGES, CAPTIONS, IS_TOKEN, generator=torch.Generator().manual_seed(0))
    names, parameters = zip(*step.blip.named_parameters())
    parts = {}
    for kind, loss in losses._asdict().items():
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
        parts[kind] = {n for n, g in zip(names, gradients) if g is not None}
    heads = {kind: {n.split(".")[0] for n in found} - {"image", "text"} for kind, found in parts.items()}
    assert heads == {"itc": {"project_image", "project_text"}, "itm": {"match"}, "lm": {"head"}}
    assert all(any(n.startswith("image.") for n in found) for found in parts.values())
    for part, kinds in ((".encode.", {"itc", "itm"}), (".decode.", {"lm"}), (".cross.", {"itm", "lm"})):
        assert {kind for kind, found in parts.items() if any(part in n for n in found)} == kinds
    assert {kind for kind, found in parts.items() if any("feedforward" in n for n in found)} == {"itc", "itm", "lm"}


def test_the_temperature_stays_in_its_bounds():
    step = pretraining()
    for wild, kept in ((7.0, 0.5), (-1.0, 0.001), (0.2, 0.2)):
        step.temperature.data.fill_(wild)
        step(IMAGES, CAPTIONS, IS_TOKEN)
        assert float(step.temperature.detach()) == pytest.approx(kept)


def test_words_that_are_all_alike_cost_the_logarithm_of_the_vocabulary():
    """With smoothing or without; and smoothing asks for (1 - s) + s/V of the right word, not for all of it."""
    captioner = Captioner(CONFIG).double()
    with torch.no_grad():
        for parameter in (*captioner.head.norm.parameters(), captioner.head.bias):
            parameter.zero_()
    seen = captioner.look(IMAGES)
    for smoothing in (0.0, 0.1, 1.0):
        loss = caption_loss(captioner, seen, CAPTIONS, IS_TOKEN, smoothing=smoothing)
        assert float(loss.detach()) == pytest.approx(math.log(V), abs=1e-12)
    words = torch.tensor([[CLS, 5, END]])
    with torch.no_grad():
        captioner.head.bias[END] = 3.0
    log_probs = captioner.next_words(seen[:1], words)[0, 1].log_softmax(-1)
    expected = -(0.9 * log_probs[END] + 0.1 * log_probs.mean())
    close(caption_loss(captioner, seen[:1], words, n_prompt=2, smoothing=0.1), expected)


def test_it_learns_four_pairs_by_heart():
    """With AdamW in 100 steps: each image finds its caption, matches it and no other, and is described by it."""
    torch.manual_seed(0)
    step = Pretraining(PretrainConfig(blip=CONFIG, n_queue=0, momentum=0.9))
    images, draw = IMAGES.float(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW([p for p in step.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(100):
        optimizer.zero_grad()
        losses = step(images, CAPTIONS, IS_TOKEN, generator=draw)
        sum(losses).backward()
        optimizer.step()
    blip = step.blip
    with torch.no_grad():
        seen = blip.look(images)
        scores = similarities(blip.image_features(seen), blip.text_features(CAPTIONS, IS_TOKEN))
        assert scores.argmax(1).tolist() == scores.argmax(0).tolist() == [0, 1, 2, 3]
        i, j = torch.arange(16) // 4, torch.arange(16) % 4
        matched = blip.matches(seen[i], CAPTIONS[j], IS_TOKEN[j]).argmax(1)
        assert torch.equal(matched.bool(), i == j)
    said = greedy(CaptionReader(blip, images), CAPTIONS[:, :1], 5, end=END)
    assert torch.equal(said[IS_TOKEN[:, 1:]], CAPTIONS[:, 1:][IS_TOKEN[:, 1:]])

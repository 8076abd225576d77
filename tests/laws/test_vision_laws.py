import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.foundations.attention import MultiHeadAttention, causal_mask
from course_lib.foundations.contrastive import clip_loss, info_nce, sigmoid_loss, similarities, soft_clip_loss
from course_lib.foundations.encoder import SelfAttention
from course_lib.foundations.patches import patchify, unpatchify
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig
from course_lib.models.siglip import SigLIP, SigLIPConfig
from course_lib.models.vit import ViT, ViTConfig, n_parameters

V, CONTEXT = 11, 6
torch.manual_seed(0)
VIT = ViT(ViTConfig(height=8, width=12, patch=4, n_classes=3, d_model=16)).double().requires_grad_(False)
IMAGE = ImageConfig(height=8, width=12, patch=4, d_model=16)
TEXT = TextConfig(n_vocab=V, context=CONTEXT, d_model=12, n_heads=3)
PAIRED = CLIP(CLIPConfig(image=IMAGE, text=TEXT, d_shared=7)).double().requires_grad_(False)
SIGMOID = SigLIP(SigLIPConfig(image=IMAGE, text=TEXT)).double().requires_grad_(False)
SMALL = st.integers(1, 4)
SEEDS = st.integers(0, 2**32)
PAIRS = st.integers(2, 9)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def shuffle(seed: int, n: int) -> torch.Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


@given(SMALL, SMALL, SMALL, SMALL, SMALL, SEEDS)
def test_patches_put_together_are_the_image(B, C, h, w, P, seed):
    """To the bit, in both orders: cutting moves numbers and changes none."""
    image = normal(seed, B, C, h * P, w * P)
    patches = patchify(image, P)
    assert patches.shape == (B, h * w, C * P * P)
    assert torch.equal(unpatchify(patches, P, h * P, w * P), image)
    other = normal(seed, B, h * w, C * P * P)
    assert torch.equal(patchify(unpatchify(other, P, h * P, w * P), P), other)


@given(SMALL, SMALL, SMALL, st.data())
def test_a_pixel_stands_in_the_patch_of_its_row_and_column(h, w, P, data):
    y, x = data.draw(st.integers(0, h * P - 1)), data.draw(st.integers(0, w * P - 1))
    image = torch.zeros(1, 2, h * P, w * P)
    image[0, 1, y, x] = 1
    place = patchify(image, P)[0].nonzero().tolist()
    assert place == [[(y // P) * w + x // P, P * P + (y % P) * P + x % P]]


def with_positions(model, positions: torch.Tensor):
    """The model with other positions, as a function of images."""
    return lambda images: torch.func.functional_call(model, {"positions": positions}, images)


def shuffled(images: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return unpatchify(patchify(images, 4)[:, order], 4, 8, 12)


@settings(max_examples=20)
@given(SEEDS)
def test_patches_moved_with_their_positions_change_nothing(seed):
    """Where a patch stands is known from its position alone; moved without it, the answer is another."""
    images, order = normal(seed, 2, 3, 8, 12), shuffle(seed, 6)
    moved = torch.cat([VIT.positions[:1], VIT.positions[1:][order]])
    before = VIT(images)
    torch.testing.assert_close(with_positions(VIT, moved)(shuffled(images, order)), before, atol=1e-12, rtol=0)
    if order.tolist() != list(range(6)):
        assert (VIT(shuffled(images, order)) - before).abs().max() > 1e-6


@settings(max_examples=20)
@given(SEEDS)
def test_without_positions_an_image_is_a_bag_of_patches(seed):
    images, order = normal(seed, 2, 3, 8, 12), shuffle(seed, 6)
    for model in (VIT, PAIRED.image, SIGMOID.image):
        blind = with_positions(model, torch.zeros_like(model.positions))
        torch.testing.assert_close(blind(shuffled(images, order)), blind(images), atol=1e-12, rtol=0)


@settings(max_examples=20)
@given(SEEDS)
def test_images_of_a_batch_do_not_see_each_other(seed):
    images = normal(seed, 3, 3, 8, 12)
    for model in (VIT, PAIRED.image, SIGMOID.image):
        torch.testing.assert_close(model(images)[1:2], model(images[1:2]), atol=1e-12, rtol=0)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_fast_attention_is_the_readable_one(dtype, masked):
    """Value and gradients, with and without them asked for: bf16 on a CPU takes another path in training."""
    torch.manual_seed(0)
    fast, readable = SelfAttention(16, 4).double(), MultiHeadAttention(16, 4).double()
    for part, name in zip(range(3), ("to_q", "to_k", "to_v")):
        for each in ("weight", "bias"):
            taken = getattr(fast.to_qkv, each).detach().chunk(3)[part]
            getattr(getattr(readable, name), each).data.copy_(taken)
    readable.to_out.load_state_dict(fast.to_out.state_dict())
    may_attend = causal_mask(7) if masked else None
    x = torch.randn(2, 7, 16, dtype=torch.float64)
    expected = readable(x, may_attend=may_attend)
    bound = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.02}[dtype]
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            out = fast.to(dtype)(x.to(dtype), may_attend)
        assert (out.double() - expected).abs().max() < bound
    out = fast(x.to(dtype), may_attend)
    out.backward(torch.ones_like(out))
    expected.backward(torch.ones_like(expected))
    theirs = torch.cat([readable.to_q.weight.grad, readable.to_k.weight.grad, readable.to_v.weight.grad])
    assert (fast.to_qkv.weight.grad.double() - theirs).abs().max() < bound * max(1, float(theirs.abs().max()))
    torch.testing.assert_close(
        fast.weights(x.to(dtype)).double().sum(-1), torch.ones(2, 4, 7).double(), atol=0.02, rtol=0
    )


def test_maps_are_what_the_values_were_mixed_by():
    """Layer by layer: the map times the values, through to_out, is the attention's own output."""
    images = normal(1, 2, 3, 8, 12)
    maps, x = VIT.attention_maps(images), VIT.embed(images)
    assert maps.shape == (2, 2, 4, 7, 7)
    for layer, block in zip(maps, VIT.encoder.blocks):
        inner = block.norm_attention(x)
        values = block.attention.heads(inner)[2]
        mixed = block.attention.to_out((layer @ values).transpose(1, 2).flatten(2))
        torch.testing.assert_close(mixed, block.attention(inner), atol=1e-12, rtol=0)
        x = block(x)


@pytest.mark.parametrize("config", [VIT.config, ViTConfig(patch=8, channels=1, d_hidden=7, n_layers=3)])
def test_parameters_by_formula(config):
    assert n_parameters(config) == sum(p.numel() for p in ViT(config).parameters())


@given(PAIRS, SEEDS)
def test_equal_logits_cost_the_logarithm_of_the_number_of_pairs(n, seed):
    level = float(normal(seed, 1))
    logits = torch.full((n, n), level, dtype=torch.float64)
    for loss in (clip_loss, info_nce):
        assert float(loss(logits)) == pytest.approx(math.log(n), abs=1e-12)


@given(PAIRS, SEEDS)
def test_the_loss_is_the_same_for_images_and_texts_and_in_any_order(n, seed):
    logits, order = normal(seed, n, n), shuffle(seed, n)
    for loss in (clip_loss, sigmoid_loss):
        expected = float(loss(logits))
        assert float(loss(logits.mT)) == pytest.approx(expected, abs=1e-12)
        assert float(loss(logits[order][:, order])) == pytest.approx(expected, abs=1e-12)
    assert float(info_nce(logits)) != pytest.approx(float(info_nce(logits.mT)), abs=1e-9)
    assert float(clip_loss(logits + 3)) == pytest.approx(float(clip_loss(logits)), abs=1e-12)
    assert float(sigmoid_loss(logits + 3)) != pytest.approx(float(sigmoid_loss(logits)), abs=1e-3)


@given(PAIRS, SEEDS)
def test_the_gradient_is_softmax_minus_one_hot(n, seed):
    logits = normal(seed, n, n).requires_grad_()
    pairs = torch.eye(n, dtype=torch.float64)
    (of_rows,) = torch.autograd.grad(info_nce(logits), logits)
    torch.testing.assert_close(of_rows, (logits.softmax(1) - pairs) / n, atol=1e-12, rtol=0)
    (both,) = torch.autograd.grad(clip_loss(logits), logits)
    expected = ((logits.softmax(1) - pairs) + (logits.softmax(0) - pairs)) / (2 * n)
    torch.testing.assert_close(both, expected, atol=1e-12, rtol=0)
    (alone,) = torch.autograd.grad(sigmoid_loss(logits), logits)
    torch.testing.assert_close(alone, (logits.sigmoid() - pairs) / n, atol=1e-12, rtol=0)


@given(PAIRS, SEEDS)
def test_the_soft_loss_of_the_identity_is_the_loss_and_repeated_captions_cost_nothing_more(n, seed):
    """Two images with one caption: the best that the soft loss can do is ln 2 for them; the hard one asks for more."""
    logits = normal(seed, n, n)
    assert float(soft_clip_loss(logits, torch.eye(n).double())) == pytest.approx(float(clip_loss(logits)), abs=1e-12)
    labels = torch.arange(n) // 2
    same = (labels[:, None] == labels).double()
    sure = 50 * same
    least = float((same.sum(1).log()).mean())
    assert float(soft_clip_loss(sure, same)) == pytest.approx(least, abs=1e-9)
    assert float(soft_clip_loss(logits, same)) >= least - 1e-12


@given(PAIRS, SEEDS)
def test_the_sigmoid_asks_about_each_pair_alone(n, seed):
    """The loss of a batch is the sum of its parts: a pair's term does not know the others, as softmax does."""
    logits = normal(seed, n, n)
    terms = [
        math.log1p(math.exp(-float(logits[i, j]) if i == j else float(logits[i, j])))
        for i in range(n)
        for j in range(n)
    ]
    assert float(sigmoid_loss(logits)) == pytest.approx(sum(terms) / n, abs=1e-9)


def test_the_sigmoid_starts_at_the_prior_of_its_bias():
    """With bias -10 and cosines of 0 all are answered no, right for nearly all pairs: a row of N costs about 10 for its
    own pair and (N - 1) e⁻¹⁰ for the others. With bias 0 it would cost N ln 2."""
    n = 64
    assert float(SIGMOID.logit_bias) == -10 and float(SIGMOID.logit_scale.exp()) == pytest.approx(10)
    start = float(sigmoid_loss(torch.full((n, n), -10.0, dtype=torch.float64)))
    assert start == pytest.approx(10 + n * math.exp(-10), abs=1e-4)
    assert float(sigmoid_loss(torch.zeros(n, n))) == pytest.approx(n * math.log(2), rel=1e-6)


@given(PAIRS, SEEDS, st.floats(1e-3, 1e3))
def test_the_length_of_features_does_not_matter(n, seed, length):
    image, text = normal(seed, n, 5), normal(seed + 1, n, 5)
    cosines = similarities(image, text)
    torch.testing.assert_close(similarities(length * image, text / length), cosines, atol=1e-12, rtol=0)
    assert cosines.abs().max() <= 1 + 1e-12
    torch.testing.assert_close(similarities(image, image).diagonal(), torch.ones(n).double(), atol=1e-12, rtol=0)


def test_the_scale_is_at_most_100_and_one_over_the_temperature():
    images, ids = normal(0, 2, 3, 8, 12), torch.tensor([[1, 2, V - 1], [4, V - 1, 0]])
    cosines = similarities(PAIRED.image_features(images), PAIRED.text_features(ids))
    torch.testing.assert_close(PAIRED(images, ids), cosines / 0.07, atol=1e-5, rtol=0)
    warm = CLIP(CLIPConfig(image=IMAGE, text=TEXT, d_shared=7, temperature=1e-4))
    assert float(warm.scale().detach()) == pytest.approx(100, rel=1e-6)


@settings(max_examples=25)
@given(st.lists(st.integers(0, V - 2), max_size=CONTEXT - 1), st.data())
def test_a_text_is_what_stands_before_its_end(words, data):
    """The empty text, too: it is its end alone. What comes after the end does nothing, what stands before it does."""
    ids = torch.tensor([[*words, V - 1]])
    room = CONTEXT - ids.shape[1]
    after = data.draw(st.lists(st.integers(0, V - 1), min_size=room, max_size=room))
    longer = torch.tensor([[*words, V - 1, *after]])
    read = PAIRED.text(ids)
    torch.testing.assert_close(PAIRED.text(longer), read, atol=1e-12, rtol=0)
    if words:
        changed = ids.clone()
        changed[0, 0] = (ids[0, 0] + 1) % (V - 1)
        assert (PAIRED.text(changed) - read).abs().max() > 1e-9

"""What readers and authors plausibly hand in by mistake: each is refused in the room's own words."""

import pytest
import torch

from course_lib.foundations import (
    attention,
    bpe,
    causal_attention,
    checks,
    contrastive,
    embedding,
    encoder,
    gpt2_bpe,
    gqa,
    kv_cache,
    mla,
    norm,
    patches,
    positions,
    rope,
    rope_scaling,
    rotation,
    sparse,
    tokenizer,
)

R, T = torch.randn, torch.tensor
INTS = torch.arange(1, 9).view(1, 8)
ANGLES = rope.angles(T([3]), rope.frequencies(8))


def held(n_tokens: int, n_rows: int = 1) -> kv_cache.KVCache:
    cache = kv_cache.KVCache(4)
    cache.append(R(n_rows, 1, n_tokens, 4))
    return cache


CASES = [
    (lambda: attention.attend(None, R(3, 4), R(3, 4)), TypeError, "q is of type NoneType"),
    (lambda: attention.attend(R(3, 4), [[1.0]], R(3, 4)), TypeError, "k is of type list"),
    (lambda: attention.attend(R(3, 4), R(3, 4), R(3, 4).numpy()), TypeError, "v is of type ndarray"),
    (lambda: attention.attend(INTS, INTS, INTS), TypeError, "v is torch.int64"),
    (lambda: attention.causal_mask(2.5), TypeError, "T is 2.5"),
    (lambda: attention.MultiHeadAttention(8, 2.0), TypeError, "n_heads is 2.0"),
    (lambda: attention.MultiHeadAttention(8.0, 2), TypeError, "d_model is 8.0"),
    (lambda: attention.MultiHeadAttention(8, 2)(R(3, 8)), ValueError, r"x \(3, 8\).*\[B T D\]"),
    (
        lambda: attention.MultiHeadAttention(8, 2)(R(2, 3, 8), R(3, 3, 8)),
        ValueError,
        r"context \(3, 3, 8\).*as many rows",
    ),
    (lambda: bpe.ByteBPE().decode([1.7]), TypeError, r"whole numbers, got \[1.7\]"),
    (lambda: bpe.ByteBPE().decode(T([1.7])), TypeError, "whole numbers, got .*1.7"),
    (lambda: bpe.ByteBPE().decode(5), TypeError, "list of whole numbers, got 5"),
    (lambda: bpe.ByteBPE.train(b"abc", 300), TypeError, "text is of type bytes"),
    (lambda: bpe.ByteBPE.train("abc", 300.0), TypeError, "n_vocab is 300.0"),
    (lambda: bpe.ByteBPE().encode(None), TypeError, "text is of type NoneType"),
    (lambda: bpe.ByteBPE([(b"ab", b"c")]), ValueError, "glues b'ab'"),
    (lambda: gpt2_bpe.GPT2Tokenizer([]).decode([1.9]), TypeError, r"whole numbers, got \[1.9\]"),
    (lambda: gpt2_bpe.GPT2Tokenizer([]).encode(3), TypeError, "text is of type int"),
    (lambda: tokenizer.CharTokenizer("ab").encode(3), TypeError, "text is of type int"),
    (lambda: tokenizer.CharTokenizer("ab").decode([0.5]), TypeError, r"whole numbers, got \[0.5\]"),
    (lambda: checks.json_object("[" * 200_000, "vocab.json"), ValueError, "vocab.json is nested too deeply"),
    (lambda: embedding.one_hot([1], 5), TypeError, "ids is of type list"),
    (lambda: embedding.one_hot(T([1, 0], dtype=torch.uint8), 5), TypeError, r"torch.uint8; try ids.long\(\)"),
    (lambda: embedding.Embedding(2, 4)(T([1, 0], dtype=torch.uint8)), TypeError, r"torch.uint8; try ids.long\(\)"),
    (lambda: embedding.Embedding(2.0, 4), TypeError, "n_vocab is 2.0"),
    (lambda: norm.RMSNorm(4.0), TypeError, "d_model is 4.0"),
    (lambda: positions.sinusoidal(4, 4, dtype=torch.int64), TypeError, "dtype is torch.int64"),
    (lambda: positions.sinusoidal(2.5, 4), TypeError, "n_positions is 2.5"),
    (lambda: positions.sinusoidal(4, 4.0), TypeError, "d_model is 4.0"),
    (lambda: positions.LearnedPositions(4, 8).at(T([0, -1]), R(1, 2, 8)), ValueError, "-1 tokens"),
    (lambda: positions.alibi_slopes(2.0), TypeError, "n_heads is 2.0"),
    (lambda: positions.alibi_bias(2, -1, 3), ValueError, r"n_queries \(-1\)"),
    (lambda: rope.rotate_half_split(INTS, ANGLES), TypeError, "x is torch.int64"),
    (lambda: rope.rotate_interleaved(INTS, ANGLES), TypeError, "x is torch.int64"),
    (lambda: rope.rotate_complex(INTS, ANGLES), TypeError, "x is torch.int64"),
    (lambda: rope.angles(T([0.5, 1.5]), T([1, 1])), TypeError, "freqs is torch.int64"),
    (lambda: rope.rotation_matrix(1.0, None), TypeError, "freqs is of type NoneType"),
    (lambda: rope.rotate_half_split(R(2, 2, 3, 8), R(2, 3, 4)), ValueError, r"x \(2, 2, 3, 8\) and angles \(2, 3, 4\)"),
    (
        lambda: rope_scaling.yarn(8, 4, trained_length=64, beta_fast=float("inf")),
        ValueError,
        "beta_fast .inf. must exceed",
    ),
    (lambda: rotation.HalfSplitRotation(T([1]), T([1]), torch.float32), TypeError, "freqs is torch.int64"),
    (lambda: kv_cache.KVCache(2.5), TypeError, "capacity is 2.5"),
    (lambda: held(2).crop(1.5), TypeError, "length is 1.5"),
    (lambda: held(1, 2).reorder([0]), TypeError, "rows is of type list"),
    (lambda: kv_cache.one_each([held(1)], 2), ValueError, "1 caches for 2 layers"),
    (lambda: causal_attention.attend_causally(R(1, 2, 5, 4), *R(2, 1, 2, 3, 4)), ValueError, "5 queries .* 3 keys"),
    (
        lambda: causal_attention.read_from(R(1, 3, 4), 0, torch.ones(2, 3).bool()),
        ValueError,
        r"\(2, 3\) must be \(1, 3\)",
    ),
    (lambda: causal_attention.read_from(R(1, 3, 4), 0, torch.ones(1, 3)), ValueError, "not torch.float32"),
    (lambda: gqa.GroupedQueryAttention(8, 2, 1)(R(3, 8)), ValueError, r"x \(3, 8\) .*as \[B T D\]"),
    (lambda: causal_attention.CausalSelfAttention(8, 2)(R(3, 8)), ValueError, r"x \(3, 8\) .*as \[B T D\]"),
    (lambda: mla.MultiHeadLatentAttention(8, 2, d_latent=4, d_head=4, d_rope=2)(R(3, 8)), ValueError, r"x \(3, 8\)"),
    (lambda: mla.MultiHeadLatentAttention(8, 2, d_latent=4, d_head=4, d_rope=2.0), TypeError, "d_rope is 2.0"),
    (lambda: sparse.banded_mask(3, 3, 2.5), TypeError, "window is 2.5"),
    (
        lambda: patches.patchify(R(3, 8, 8), 4),
        ValueError,
        r"images \(3, 8, 8\) .* write images\[None\]",
    ),
    (lambda: patches.patchify(R(1, 3, 8, 10), 4), ValueError, "a patch of 4 does not divide 8×10; .* to 8×8"),
    (lambda: patches.patchify(R(1, 3, 2, 4), 4), ValueError, "a patch of 4 does not divide 2×4; .* to 4×4"),
    (lambda: patches.patchify(R(1, 3, 0, 8), 4), ValueError, r"height \(0\) must be at least 1"),
    (lambda: patches.patchify(R(1, 3, 8, 8), 0), ValueError, r"patch \(0\) must be at least 1"),
    (lambda: patches.patchify(R(1, 3, 8, 8), 2.0), TypeError, "patch is 2.0"),
    (
        lambda: patches.patchify(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 4),
        TypeError,
        "images is torch.uint8",
    ),
    (lambda: patches.patchify(None, 4), TypeError, "images is of type NoneType"),
    (
        lambda: patches.unpatchify(R(1, 3, 48), 4, 8, 8),
        ValueError,
        r"\(1, 3, 48\) must be .* N = 2·2 = 4",
    ),
    (lambda: patches.unpatchify(R(1, 4, 47), 4, 8, 8), ValueError, r"\(1, 4, 47\) must be .* P² = 16"),
    (lambda: patches.PatchEmbedding(4, 8)(R(1, 1, 8, 8)), ValueError, r"1 channels, the model reads 3; .*grey.*expand"),
    (lambda: patches.PatchEmbedding(4, 8)(R(1, 4, 8, 8)), ValueError, r"4 channels, .* for RGBA images\[:, :3\]"),
    (lambda: patches.PatchEmbedding(4, 8)(R(1, 8, 8, 3)), ValueError, r"colours first.* images.permute\(0, 3, 1, 2\)"),
    (lambda: encoder.SelfAttention(8, 3), ValueError, r"n_heads \(3\) must divide d_model \(8\)"),
    (lambda: encoder.SelfAttention(8, 2)(R(3, 8)), ValueError, r"x \(3, 8\) .*as \[B T D\]"),
    (lambda: encoder.SelfAttention(8, 2)(R(1, 3, 8), torch.ones(4, 4) > 0), ValueError, r"\(4, 4\) does not broadcast"),
    (lambda: encoder.SelfAttention(8, 2)(R(1, 3, 8), torch.ones(3, 3)), TypeError, "may_attend must be boolean"),
    (
        lambda: contrastive.clip_loss(R(1, 1)),
        ValueError,
        "one pair has nothing .* give at least 2",
    ),
    (lambda: contrastive.info_nce(R(1, 1)), ValueError, "a batch of one pair"),
    (lambda: contrastive.clip_loss(R(3, 4)), ValueError, r"logits \(3, 4\) must be square"),
    (lambda: contrastive.sigmoid_loss(R(3, 4)), ValueError, r"logits \(3, 4\) must be square"),
    (lambda: contrastive.sigmoid_loss(R(0, 0)), ValueError, r"logits \(0, 0\) must be square, at least 1×1"),
    (lambda: contrastive.soft_clip_loss(R(2, 2), T([[1.0, 0], [1, 0]])), ValueError, "with a 1 in each row and column"),
    (
        lambda: contrastive.similarities(R(2, 3), R(2, 4)),
        ValueError,
        r"image \(2, 3\) and text \(2, 4\) .*one D",
    ),
    (lambda: contrastive.similarities(R(2, 3), [1.0]), TypeError, "text is of type list"),
    (lambda: contrastive.similarities(INTS, INTS), TypeError, "image is torch.int64"),
]


@pytest.mark.parametrize(("call", "error", "says"), CASES)
def test_is_refused_by_the_room(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()


def test_a_tensor_of_whole_numbers_is_welcome_as_ids(as_readers_have_it):
    assert bpe.ByteBPE().decode(T([1, 2])) == bpe.ByteBPE().decode([1, 2])
    assert checks.token_ids(iter([T(0), 1]), 2) == [0, 1]

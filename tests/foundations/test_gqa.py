import pytest
import torch

from course_lib.foundations.attention import MultiHeadAttention, causal_mask
from course_lib.foundations.gqa import (
    GroupedQueryAttention,
    attend_in_groups,
    attend_in_groups_fast,
    check_groups,
)
from course_lib.foundations.kv_cache import KVCache
from course_lib.foundations.rope import angles, frequencies, rotate_half_split, rotate_interleaved
from course_lib.foundations.rotation import HalfSplitRotation, InterleavedRotation, Rotation


@pytest.mark.parametrize("kind", ["none", "causal", "padded", "a row that sees nothing"])
@pytest.mark.parametrize(("H", "G", "T", "S"), [(4, 2, 5, 5), (6, 1, 1, 7), (6, 6, 3, 8), (8, 2, 1, 4)])
def test_the_fast_path_is_the_readable_path(kind, H, G, T, S):
    """Values and gradients."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, n, t, 6, dtype=torch.float64, requires_grad=True) for n, t in ((H, T), (G, S), (G, S)))
    may_attend = None if kind == "none" else causal_mask(T, S)
    if kind in ("padded", "a row that sees nothing"):
        is_token = torch.ones(2, 1, 1, S, dtype=torch.bool)
        is_token[1, ..., : S if kind != "padded" else S - 1] = False
        may_attend = may_attend & is_token
    readable = attend_in_groups(q, k, v, may_attend, scale=0.3)
    fast = attend_in_groups_fast(q, k, v, may_attend, scale=0.3)
    torch.testing.assert_close(fast, readable, atol=1e-12, rtol=0)
    judge = torch.randn_like(readable)
    for one, other in zip(torch.autograd.grad(fast, (q, k, v), judge), torch.autograd.grad(readable, (q, k, v), judge)):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_each_group_reads_its_own_keys_and_no_other():
    """Heads 0 and 1 belong to group 0, heads 2 and 3 to group 1."""
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 8)
    before = attend_in_groups_fast(q, k, v)
    changed = k.clone()
    changed[:, 1] += torch.randn(5, 8)
    after = attend_in_groups_fast(q, changed, v)
    assert torch.equal(before[:, :2], after[:, :2])
    assert (before[:, 2:] - after[:, 2:]).abs().amax((0, 2, 3)).min() > 1e-3


def copied(grouped: GroupedQueryAttention) -> MultiHeadAttention:
    """Multi-head attention in which the heads of a group have the same weights for keys and values."""
    D, H, G = grouped.to_q.in_features, grouped.n_heads, grouped.n_kv_heads
    multi = MultiHeadAttention(D, H, bias=False).double()
    multi.to_q.weight.data, multi.to_out.weight.data = grouped.to_q.weight.data, grouped.to_out.weight.data
    for mine, theirs in ((multi.to_k, grouped.to_k), (multi.to_v, grouped.to_v)):
        mine.weight.data = theirs.weight.data.unflatten(0, (G, -1)).repeat_interleave(H // G, dim=0).flatten(0, 1)
    return multi


@pytest.mark.parametrize("G", [6, 3, 2, 1])
def test_grouped_is_multi_head_with_shared_keys(G):
    """G = H is multi-head attention itself, G = 1 multi-query: one key and one value for all."""
    torch.manual_seed(0)
    grouped = GroupedQueryAttention(24, 6, G).double()
    x = torch.randn(2, 5, 24, dtype=torch.float64)
    for may_attend in (None, causal_mask(5)):
        ours, multi = grouped(x, may_attend), copied(grouped)(x, may_attend=may_attend)
        torch.testing.assert_close(ours, multi, atol=1e-12, rtol=0)


def test_one_group_is_multi_query_attention_written_out():
    torch.manual_seed(0)
    layer = GroupedQueryAttention(12, 3, 1).double()
    x = torch.randn(1, 4, 12, dtype=torch.float64)
    k, v = x @ layer.to_k.weight.T, x @ layer.to_v.weight.T
    heads = [((x @ w.T) @ k.mT / 2).softmax(-1) @ v for w in layer.to_q.weight.chunk(3)]
    torch.testing.assert_close(layer(x), torch.cat(heads, -1) @ layer.to_out.weight.T, atol=1e-12, rtol=0)


@pytest.mark.parametrize("G", [4, 2, 1])
@pytest.mark.parametrize("pieces", [[1] * 6, [4, 1, 1], [2, 4]])
def test_cached_is_full(G, pieces):
    torch.manual_seed(0)
    layer = GroupedQueryAttention(32, 4, G, bias=True).double().requires_grad_(False)
    x, freqs = torch.randn(2, 6, 32, dtype=torch.float64), frequencies(8)
    full = layer(x, causal_mask(6), rotation=HalfSplitRotation(torch.arange(6), freqs, x.dtype))
    cache, parts = KVCache(6), []
    for part in x.split(pieces, dim=1):
        first, last = cache.length, cache.length + part.shape[1]
        rotation = HalfSplitRotation(torch.arange(first, last), freqs, x.dtype)
        parts.append(layer(part, causal_mask(last - first, last), rotation=rotation, cache=cache))
    torch.testing.assert_close(torch.cat(parts, dim=1), full, atol=1e-12, rtol=0)
    assert cache.bytes_per_token == 2 * G * 8 * 8


@pytest.mark.parametrize("G", [4, 2, 1])
def test_number_of_weights(G):
    count = sum(p.numel() for p in GroupedQueryAttention(32, 4, G).parameters())
    assert count == (2 * 4 + 2 * G) * 8 * 32
    assert sum(p.numel() for p in GroupedQueryAttention(32, 4, G, bias=True).parameters()) == count + (4 + 2 * G) * 8
    assert GroupedQueryAttention(32, 3, 1, d_head=16)(torch.randn(1, 2, 32)).shape == (1, 2, 32)


@pytest.mark.parametrize(("G", "nearest"), [(3, 2), (0, 1), (-2, 1), (9, 4)])
def test_groups_that_do_not_divide_are_refused(G, nearest):
    with pytest.raises(ValueError, match=rf"n_kv_heads \({G}\) must divide n_heads \(4\); try n_kv_heads={nearest}"):
        GroupedQueryAttention(32, 4, G)
    assert check_groups(8, 2) == 4
    with pytest.raises(ValueError, match=r"n_heads \(0\)"):
        check_groups(0, 1)


def test_shapes_that_do_not_fit_are_refused(as_readers_have_it):
    layer = GroupedQueryAttention(32, 4, 2)
    with pytest.raises(ValueError, match=r"x \(1, 2, 16\) must end in d_model = 32"):
        layer(torch.randn(1, 2, 16))
    with pytest.raises(ValueError, match=r"may_attend \(3, 3\) does not broadcast"):
        layer(torch.randn(1, 2, 32), torch.ones(3, 3, dtype=torch.bool))
    with pytest.raises(TypeError, match="must be boolean"):
        layer(torch.randn(1, 2, 32), torch.ones(2, 2))
    with pytest.raises(ValueError, match="head width 8, so 4 pairs, but angles holds 3"):
        layer(torch.randn(1, 2, 32), rotation=HalfSplitRotation(torch.arange(2), frequencies(6), torch.float32))
    with pytest.raises(ValueError, match="must divide d_model"):
        GroupedQueryAttention(32, 5, 1)


@pytest.mark.parametrize("shape", [(5,), (2, 5)])
@pytest.mark.parametrize(
    ("rotation", "rotate"), [(HalfSplitRotation, rotate_half_split), (InterleavedRotation, rotate_interleaved)]
)
def test_rotations_made_once_are_those_of_rope(rotation, rotate, shape):
    """For one row of positions, and for rows that differ."""
    positions = torch.randint(5000, shape)
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64, requires_grad=True)
    at = angles(positions, frequencies(8))
    reference = rotate(x, at if at.ndim == 2 else at[:, None])
    ours = rotation(positions, frequencies(8), x.dtype)(x)
    torch.testing.assert_close(ours, reference, atol=1e-12, rtol=0)
    judge = torch.randn_like(ours)
    torch.testing.assert_close(*(torch.autograd.grad(y, x, judge)[0] for y in (ours, reference)), atol=1e-12, rtol=0)
    torch.testing.assert_close(
        rotation(positions, frequencies(8), torch.float32)(x.float()), reference.float(), atol=1e-5, rtol=0
    )


class Identity:
    """A rotation of its own, which turns nothing."""

    def __call__(self, x):
        return x


def test_any_callable_of_heads_is_a_rotation():
    torch.manual_seed(0)
    layer, x = GroupedQueryAttention(16, 4, 2), torch.randn(2, 5, 16)
    assert isinstance(Identity(), Rotation) and not isinstance(frequencies(4), Rotation)
    assert torch.equal(layer(x, causal_mask(5), rotation=Identity()), layer(x, causal_mask(5)))


@pytest.mark.parametrize(
    "shape",
    [(1, 5), (3, 5), (3, 1), (4, 3, 5), (1, 1, 5), (2, 1, 1, 5), (2, 1, 3, 5), (2, 4, 3, 5), (1, 4, 1, 5)],
)
@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
def test_the_fast_path_takes_every_mask_of_the_readable_one(shape, n_kv_heads):
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 3, 8), torch.randn(2, n_kv_heads, 5, 8), torch.randn(2, n_kv_heads, 5, 8)
    mask = torch.rand(shape) < 0.6
    wanted = attend_in_groups(q, k, v, mask)
    torch.testing.assert_close(attend_in_groups_fast(q, k, v, mask), wanted, atol=1e-5, rtol=1e-4)

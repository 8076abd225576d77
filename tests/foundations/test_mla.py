import pytest
import torch

from course_lib.foundations.attention import attend, causal_mask
from course_lib.foundations.kv_cache import KVCache
from course_lib.foundations.mla import MultiHeadLatentAttention
from course_lib.foundations.rope import frequencies
from course_lib.foundations.rotation import InterleavedRotation


def build(d_query_latent: int | None = None, **sizes) -> MultiHeadLatentAttention:
    torch.manual_seed(0)
    sizes = {"d_latent": 10, "d_head": 6, "d_rope": 4, "d_value": 5} | sizes
    layer = MultiHeadLatentAttention(24, 3, d_query_latent=d_query_latent, **sizes).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return layer


def rotation(first: int, last: int) -> InterleavedRotation:
    return InterleavedRotation(torch.arange(first, last), frequencies(4), torch.float64)


@pytest.mark.parametrize("d_query_latent", [None, 7])
@pytest.mark.parametrize("turned", [True, False])
def test_absorbed_is_naive(d_query_latent, turned):
    """Values, and gradients of every weight."""
    layer, x = build(d_query_latent), torch.randn(2, 5, 24, dtype=torch.float64, requires_grad=True)
    turn = rotation(0, 5) if turned else None
    naive = layer.naive(x, causal_mask(5), rotation=turn)
    absorbed = layer.absorbed(x, causal_mask(5), rotation=turn)
    torch.testing.assert_close(absorbed, naive, atol=1e-11, rtol=0)
    judge, inputs = torch.randn_like(naive), [x, *layer.parameters()]
    for one, other in zip(torch.autograd.grad(absorbed, inputs, judge), torch.autograd.grad(naive, inputs, judge)):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@pytest.mark.parametrize("way", ["naive", "absorbed", "forward"])
@pytest.mark.parametrize("pieces", [[1] * 6, [4, 1, 1], [2, 4]])
def test_cached_is_full(way, pieces):
    layer = build().requires_grad_(False)
    x = torch.randn(2, 6, 24, dtype=torch.float64)
    full = layer.naive(x, causal_mask(6), rotation=rotation(0, 6))
    cache, parts = KVCache(6), []
    for part in x.split(pieces, dim=1):
        first, last = cache.length, cache.length + part.shape[1]
        out = getattr(layer, way)(part, causal_mask(last - first, last), rotation=rotation(first, last), cache=cache)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, dim=1), full, atol=1e-11, rtol=0)
    assert cache.bytes_per_token == (10 + 4) * 8  # one latent and one turned key, whatever the heads


def test_padding_is_not_read_on_either_way():
    layer = build().requires_grad_(False)
    x = torch.randn(2, 5, 24, dtype=torch.float64)
    is_token = torch.tensor([[True] * 5, [False, True, True, True, True]])[:, None, None]
    alone = layer.naive(x[1:, 1:], causal_mask(4))
    for way in (layer.naive, layer.absorbed):
        torch.testing.assert_close(way(x, causal_mask(5) & is_token)[1:, 1:], alone, atol=1e-11, rtol=0)


def test_heads_make_their_keys_from_the_latent():
    """Written out for one head, without rotation."""
    layer, x = build().requires_grad_(False), torch.randn(1, 4, 24, dtype=torch.float64)
    latent, k_rope = layer.kept(x, None, None).split([10, 4], dim=-1)
    q = (x @ layer.to_q.weight.T)[..., 10:20]  # the second of three heads, 6 + 4 wide
    k = torch.cat([latent @ layer.to_k.weight[6:12].T, k_rope], dim=-1)
    head = attend(q, k, latent @ layer.to_v.weight[5:10].T)
    others = layer.to_out.weight.clone()
    layer.to_out.weight.data[:, [*range(5), *range(10, 15)]] = 0
    torch.testing.assert_close(layer.naive(x), head @ others[:, 5:10].T, atol=1e-12, rtol=0)


def test_turning_the_content_key_would_break_absorption():
    """One matrix W_uqᵀ W_uk serves all distances; with a rotation between, each distance asks for another matrix."""
    layer = build(d_head=4)
    to_q, to_k = layer.to_q.weight[:4], layer.to_k.weight[:4]

    def merged(distance: int) -> torch.Tensor:
        turned = InterleavedRotation(torch.tensor([distance]), frequencies(4), torch.float64)
        return to_q.T @ turned(to_k.T[None, :, None])[0, :, 0].T

    torch.testing.assert_close(merged(0), to_q.T @ to_k)
    assert (merged(1) - merged(0)).abs().max() > 0.1


def test_scores_see_distance_only():
    """All positions moved on by 100: the same, since only the rope part knows positions, and only differences."""
    layer, x = build().requires_grad_(False), torch.randn(1, 5, 24, dtype=torch.float64)
    here, there = (layer.naive(x, causal_mask(5), rotation=rotation(at, at + 5)) for at in (0, 100))
    torch.testing.assert_close(here, there, atol=1e-10, rtol=0)
    assert (here - layer.naive(x, causal_mask(5))).abs().max() > 1e-3


@pytest.mark.parametrize("d_query_latent", [None, 7])
def test_number_of_weights(d_query_latent):
    count = sum(p.numel() for p in build(d_query_latent).parameters())
    queries = 24 * 3 * 10 if d_query_latent is None else 7 * (24 + 3 * 10) + 7
    assert count == queries + 24 * (10 + 4) + 10 + 10 * 3 * 6 + 10 * 3 * 5 + 3 * 5 * 24


def test_bad_sizes_are_refused(as_readers_have_it):
    with pytest.raises(ValueError, match=r"d_rope \(3\) must be even and at least 2.*pairs; try d_rope=4"):
        build(d_rope=3)
    with pytest.raises(ValueError, match=r"d_latent \(0\) must be at least 1"):
        build(d_latent=0)
    with pytest.raises(ValueError, match=r"d_query_latent \(0\) must be at least 1"):
        build(0)
    for way in (build().naive, build().absorbed):
        with pytest.raises(ValueError, match=r"x \(1, 2, 8\) must end in d_model = 24"):
            way(torch.randn(1, 2, 8).double())

import pytest
import torch

from course_lib.foundations.attention import attend, causal_mask
from course_lib.foundations.causal_attention import CausalSelfAttention, attend_causally, read_from
from course_lib.foundations.sparse import banded_mask


def heads(T: int, S: int, dtype=torch.float64, B: int = 2) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(B, 3, length, 8, dtype=dtype) for length in (T, S, S)]


@pytest.mark.parametrize(("T", "S"), [(1, 1), (1, 6), (6, 6), (3, 7)])
def test_fast_is_the_readable_path(T, S):
    q, k, v = heads(T, S)
    torch.testing.assert_close(attend_causally(q, k, v), attend(q, k, v, causal_mask(T, S)), atol=1e-12, rtol=0)
    is_token = torch.ones(2, 1, T, S, dtype=torch.bool)
    is_token[1, ..., 0] = S == 1
    for mask in (banded_mask(T, S, 2), is_token & causal_mask(T, S)):
        torch.testing.assert_close(attend_causally(q, k, v, mask), attend(q, k, v, mask), atol=1e-12, rtol=0)


def test_bfloat16_on_the_cpu_takes_the_same_values_and_gradients():
    """The three products that train in bfloat16, against the readable path in float64 on the same rounded numbers."""
    q, k, v = (x.bfloat16().requires_grad_() for x in heads(5, 5))
    exact = [x.detach().double().requires_grad_() for x in (q, k, v)]
    is_token = (torch.arange(5) < torch.tensor([5, 3])[:, None])[:, None, None]
    for mask in (None, banded_mask(5, 5, 2), is_token & causal_mask(5)):
        out = attend_causally(q, k, v, mask)
        reference = attend(*exact, causal_mask(5) if mask is None else mask)
        torch.testing.assert_close(out.double(), reference, atol=0.03, rtol=0)
        grads = torch.autograd.grad(out.float().square().sum(), (q, k, v))
        references = torch.autograd.grad(reference.square().sum(), exact)
        for ours, theirs in zip(grads, references):
            torch.testing.assert_close(ours.double(), theirs, atol=0.15, rtol=0)


def test_bfloat16_rows_that_may_see_nothing_are_finite():
    q, k, v = (x.bfloat16().requires_grad_() for x in heads(4, 4))
    nothing = causal_mask(4).clone()
    nothing[1] = False
    attend_causally(q, k, v, nothing).sum().backward()
    assert q.grad.isfinite().all()


def test_dropout_drops_weights():
    q, k, v = heads(6, 6)
    torch.manual_seed(0)
    assert not torch.equal(attend_causally(q, k, v, dropout=0.5), attend_causally(q, k, v, dropout=0.5))


def test_positions_count_tokens():
    mask, positions = read_from(torch.zeros(2, 3, 1), 2, None)
    assert mask is None and positions.tolist() == [2, 3, 4]
    is_token = torch.tensor([[False, True, True, True, True], [True, True, True, False, False]])
    mask, positions = read_from(torch.zeros(2, 3, 1), 2, is_token)
    assert positions.tolist() == [[1, 2, 3], [2, 2, 2]]
    assert mask[0, 0].int().tolist() == [[0, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 1]]
    assert mask[1, 0].int().tolist() == [[1, 1, 1, 0, 0]] * 3


def test_weights_are_counted_and_bad_widths_refused(as_readers_have_it):
    layer = CausalSelfAttention(12, 3, d_head=5)
    assert sum(p.numel() for p in layer.parameters()) == 4 * 12 * 15 + 3 * 15 + 12
    with pytest.raises(ValueError, match="must end in d_model = 12"):
        layer(torch.zeros(1, 2, 11))
    with pytest.raises(ValueError, match="must divide d_model"):
        CausalSelfAttention(12, 5)
    with pytest.raises(ValueError, match="does not broadcast"):
        attend_causally(*heads(4, 4), torch.ones(3, 4, dtype=torch.bool))
    with pytest.raises(TypeError, match="True = may attend"):
        attend_causally(*heads(4, 4), torch.ones(4, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("with_gradients", [False, True])
def test_a_query_that_sees_nothing_gets_zeros(dtype, with_gradients):
    q, k, v = (x.to(dtype).requires_grad_(with_gradients) for x in heads(4, 4))
    may_attend = causal_mask(4)
    may_attend[2] = False
    out = attend_causally(q, k, v, may_attend)
    assert not out[:, :, 2].any() and out[:, :, [0, 1, 3]].all()
    if with_gradients:
        out.sum().backward()
        assert not q.grad[:, :, 2].any() and q.grad.isfinite().all() and v.grad[:, :, 0].all()

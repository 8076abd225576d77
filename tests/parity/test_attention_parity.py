"""attend and MultiHeadAttention against torch's own, values and gradients."""

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.foundations.attention import MultiHeadAttention, attend, causal_mask

DTYPES = [torch.float32, torch.float64]
MASKS = ["none", "causal", "random", "per batch", "per head"]


def make_mask(kind: str, B: int, H: int, T: int, S: int) -> torch.Tensor | None:
    if kind == "none":
        return None
    if kind == "causal":
        return causal_mask(T, S)
    shape = {"random": (T, S), "per batch": (B, 1, T, S), "per head": (B, H, T, S)}[kind]
    may_attend = torch.rand(shape) < 0.5
    may_attend[..., 0] = True
    return may_attend


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(
    ("B", "H", "T", "S", "Dh", "Dv"), [(2, 3, 5, 5, 8, 8), (1, 1, 1, 7, 3, 5), (3, 2, 6, 9, 16, 4)]
)
def test_attend_is_scaled_dot_product_attention(dtype, kind, B, H, T, S, Dh, Dv, agree):
    torch.manual_seed(0)
    q, k, v = (torch.randn(B, H, n, d, dtype=dtype, requires_grad=True) for n, d in ((T, Dh), (S, Dh), (S, Dv)))
    may_attend = make_mask(kind, B, H, T, S)
    for scale in (None, 0.7):
        ours = attend(q, k, v, may_attend, scale=scale)
        reference = scaled_dot_product_attention(q, k, v, attn_mask=may_attend, scale=scale)
        agree(ours, reference)
        judge = torch.randn_like(reference)
        for mine, theirs in zip(
            torch.autograd.grad(ours, (q, k, v), judge), torch.autograd.grad(reference, (q, k, v), judge)
        ):
            agree(mine, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fully_masked_row_is_zeros_here_and_in_scaled_dot_product_attention(dtype, agree):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 6, 8, dtype=dtype)
    may_attend = torch.rand(6, 6) < 0.5
    may_attend[2] = False
    reference = scaled_dot_product_attention(q, k, v, attn_mask=may_attend)
    assert not reference[..., 2, :].any()
    agree(attend(q, k, v, may_attend), reference)


def pair(d_model: int, n_heads: int, bias: bool, dtype: torch.dtype, dropout: float = 0.0):
    """torch's module with every parameter scrambled, and ours with the same weights."""
    reference = nn.MultiheadAttention(d_model, n_heads, dropout, bias=bias, batch_first=True, dtype=dtype)
    ours = MultiHeadAttention(d_model, n_heads, bias=bias, dropout=dropout).to(dtype)
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.4)
    weights = [*reference.in_proj_weight.chunk(3), reference.out_proj.weight]
    biases = [*reference.in_proj_bias.chunk(3), reference.out_proj.bias] if bias else []
    for to, weight in zip((ours.to_q, ours.to_k, ours.to_v, ours.to_out), weights):
        to.weight.data.copy_(weight)
    for to, b in zip((ours.to_q, ours.to_k, ours.to_v, ours.to_out), biases):
        to.bias.data.copy_(b)
    return ours, reference


def theirs_of(may_attend: torch.Tensor | None, B: int, H: int) -> torch.Tensor | None:
    """torch's module wants True = may not, and [B·H T S]."""
    if may_attend is None or may_attend.ndim == 2:
        return None if may_attend is None else ~may_attend
    return ~may_attend.expand(B, H, -1, -1).flatten(0, 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(("d_model", "n_heads", "T", "S"), [(12, 3, 5, 5), (8, 1, 4, 7), (16, 16, 3, 3), (20, 4, 6, 9)])
def test_multi_head_attention_is_torchs(dtype, bias, kind, d_model, n_heads, T, S, agree):
    torch.manual_seed(1)
    ours, reference = pair(d_model, n_heads, bias, dtype)
    x, context = (torch.randn(2, n, d_model, dtype=dtype, requires_grad=True) for n in (T, S))
    may_attend = make_mask(kind, 2, n_heads, T, S)
    out, weights = ours(x, context, may_attend, return_weights=True)
    their_out, their_weights = reference(
        x, context, context, attn_mask=theirs_of(may_attend, 2, n_heads), average_attn_weights=False
    )
    agree(out, their_out)
    agree(weights, their_weights)
    judge = torch.randn_like(out)
    mine = torch.autograd.grad(
        out, [x, context, *(to.weight for to in (ours.to_q, ours.to_k, ours.to_v, ours.to_out))], judge
    )
    theirs = torch.autograd.grad(their_out, [x, context, reference.in_proj_weight, reference.out_proj.weight], judge)
    for one, other in zip((mine[0], mine[1], torch.cat(mine[2:5]), mine[5]), theirs):
        agree(one, other)


def test_dropout_is_torchs_under_the_same_chance(agree):
    ours, reference = pair(12, 3, True, torch.float64, dropout=0.3)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    torch.manual_seed(7)
    out = ours(x)
    torch.manual_seed(7)
    their_out, _ = reference(x, x, x, need_weights=True)
    agree(out, their_out)
    assert not torch.allclose(out, ours.eval()(x))


def test_a_fully_masked_row_is_the_bias_here_and_nan_in_torchs_module(agree):
    """torch's module with weights wanted gives NaN for the row; without, it gives what ours gives."""
    ours, reference = pair(12, 3, True, torch.float64)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    may_attend = causal_mask(5)
    may_attend[2] = False
    out = ours(x, may_attend=may_attend)
    agree(out[:, 2], ours.to_out.bias.expand(2, 12))
    agree(out, reference(x, x, x, attn_mask=~may_attend, need_weights=False)[0])
    with_weights = reference(x, x, x, attn_mask=~may_attend, need_weights=True)[0]
    assert with_weights[:, 2].isnan().all()
    agree(out[:, [0, 1, 3, 4]], with_weights[:, [0, 1, 3, 4]])

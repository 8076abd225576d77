import pytest
import torch

from course_lib.foundations.attention import (
    MultiHeadAttention,
    attend,
    attention_scores,
    attention_weights,
    causal_mask,
)


def test_two_tokens_by_hand():
    q = torch.tensor([[1.0, 0.0]])
    k = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    v = torch.tensor([[1.0], [0.0]])
    share = torch.tensor(2**0.5).sigmoid()  # scores 2/sqrt(2) and 0
    torch.testing.assert_close(attend(q, k, v), share.reshape(1, 1))


def test_scores_of_random_vectors_keep_variance_one_at_any_width():
    torch.manual_seed(0)
    for d_head in (16, 256, 1024):
        q, k = torch.randn(2, 500, d_head)
        assert attention_scores(q, k).var().item() == pytest.approx(1, abs=0.1)
        assert attention_scores(q, k, scale=1.0).var().item() == pytest.approx(d_head, rel=0.1)


def test_a_query_that_may_attend_to_nothing_gets_zeros_and_sends_no_gradient():
    q, k, v = torch.randn(3, 4, 8, requires_grad=True)
    may_attend = causal_mask(4)
    may_attend[2] = False
    out = attend(q, k, v, may_attend)
    assert torch.equal(out[2], torch.zeros(8)) and torch.isfinite(out).all()
    grads = torch.autograd.grad(out.sum(), (q, k, v))
    assert all(torch.isfinite(grad).all() for grad in grads) and torch.equal(grads[0][2], torch.zeros(8))


def test_all_masked_gives_zeros_everywhere():
    q, k, v = torch.randn(3, 2, 4, 8)
    assert not attend(q, k, v, torch.zeros(4, 4, dtype=torch.bool)).any()


def test_no_keys_and_no_queries():
    q = torch.randn(3, 8)
    assert torch.equal(attend(q, q[:0], q[:0]), torch.zeros(3, 8))
    assert attend(q[:0], q, q).shape == (0, 8)


def test_causal_mask_lets_the_past_through():
    assert causal_mask(3).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert causal_mask(2, 4).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert causal_mask(0).shape == (0, 0)
    with pytest.raises(ValueError, match="T=4, S=3"):
        causal_mask(4, 3)


def test_each_head_sees_its_own_slice_of_every_token():
    """Not a slice of the tokens, which is what a view without a transpose gives."""
    attention = MultiHeadAttention(6, 3, bias=False)
    for linear in (attention.to_q, attention.to_k, attention.to_v, attention.to_out):
        linear.weight.data = torch.eye(6)
    x = torch.randn(1, 4, 6)
    slices = [attend(part, part, part) for part in x.split(2, dim=-1)]
    torch.testing.assert_close(attention(x), torch.cat(slices, dim=-1))


def test_context_gives_keys_and_values():
    attention = MultiHeadAttention(8, 2)
    x, context = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    out, weights = attention(x, context, return_weights=True)
    assert out.shape == (2, 3, 8) and weights.shape == (2, 2, 3, 5)
    torch.testing.assert_close(attention(x, x), attention(x))


@pytest.mark.parametrize("n_heads", [1, 2, 4, 8])
def test_number_of_parameters_does_not_depend_on_the_heads(n_heads):
    count = sum(p.numel() for p in MultiHeadAttention(16, n_heads).parameters())
    assert count == 4 * 16**2 + 4 * 16
    assert sum(p.numel() for p in MultiHeadAttention(16, n_heads, bias=False).parameters()) == 4 * 16**2


def test_dropout_acts_in_training_only():
    attention = MultiHeadAttention(8, 2, dropout=0.5)
    x = torch.randn(1, 6, 8)
    assert not torch.equal(attention(x), attention(x))
    attention.eval()
    assert torch.equal(attention(x), attention(x))


@pytest.mark.parametrize(("n_heads", "nearest"), [(5, 4), (7, 6), (0, 1), (-3, 1), (100, 48)])
def test_heads_that_do_not_divide_are_refused_with_the_nearest_that_do(n_heads, nearest):
    with pytest.raises(ValueError, match=rf"n_heads \({n_heads}\) must divide d_model \(48\); try n_heads={nearest}"):
        MultiHeadAttention(48, n_heads)


def test_a_width_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"d_model \(0\)"):
        MultiHeadAttention(0, 1)
    with pytest.raises(ValueError, match="head width, at least 1"):
        attention_weights(torch.randn(2, 0), torch.randn(3, 0))


def test_shapes_that_do_not_fit_are_refused(as_readers_have_it):
    q, k, v = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    with pytest.raises(ValueError, match=r"q \(2, 3, 8\) and k \(2, 5, 6\) must end in one and the same head width"):
        attend(q, k[..., :6], v)
    with pytest.raises(ValueError, match="k has 5 keys but v has 4 values"):
        attend(q, k, v[:, :4])
    with pytest.raises(ValueError, match=r"may_attend \(5, 3\) does not broadcast to the scores \(2, 3, 5\)"):
        attend(q, k, v, torch.ones(5, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"may_attend \(7, 2, 3, 5\) does not broadcast"):
        attend(q, k, v, torch.ones(7, 2, 3, 5, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"must be boolean, True = may attend; got torch\.float32"):
        attend(q, k, v, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="must end in d_model = 4"):
        MultiHeadAttention(4, 2)(q)
    with pytest.raises(ValueError, match=r"for \[B T S\] write may_attend\[:, None\]"):
        MultiHeadAttention(8, 2)(q, may_attend=torch.ones(2, 3, 3, dtype=torch.bool))

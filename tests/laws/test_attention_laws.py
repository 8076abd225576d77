import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.foundations.attention import MultiHeadAttention, attend, attention_weights, causal_mask

SIZES = st.integers(1, 7)
SEEDS = st.integers(0, 999)


def random_attention(seed: int, d_model: int = 8, n_heads: int = 2) -> MultiHeadAttention:
    torch.manual_seed(seed)
    return MultiHeadAttention(d_model, n_heads).double()


def random_mask(T: int, S: int) -> torch.Tensor:
    return torch.rand(T, S) < 0.6


@given(SIZES, SIZES, SEEDS)
def test_rows_sum_to_one_or_to_zero_where_nothing_may_be_attended(T, S, seed):
    torch.manual_seed(seed)
    may_attend = random_mask(T, S)
    weights = attention_weights(torch.randn(3, T, 4).double(), torch.randn(3, S, 4).double(), may_attend)
    torch.testing.assert_close(weights.sum(-1), may_attend.any(-1).double().expand(3, T), atol=1e-12, rtol=0)
    assert (weights >= 0).all() and not weights[..., ~may_attend].any()


@given(st.integers(2, 7), SEEDS)
def test_without_positions_attention_is_permutation_equivariant(T, seed):
    attention = random_attention(seed)
    x, order = torch.randn(2, T, 8).double(), torch.randperm(T)
    torch.testing.assert_close(attention(x[:, order]), attention(x)[:, order], atol=1e-12, rtol=0)
    torch.testing.assert_close(attention(x[:, order]).mean(1), attention(x).mean(1), atol=1e-12, rtol=0)


@given(SIZES, SIZES, SEEDS)
def test_the_order_of_keys_does_not_matter_when_values_and_mask_move_along(T, S, seed):
    torch.manual_seed(seed)
    q, (k, v) = torch.randn(T, 4).double(), torch.randn(2, S, 4).double()
    may_attend, order = random_mask(T, S), torch.randperm(S)
    torch.testing.assert_close(
        attend(q, k[order], v[order], may_attend[:, order]), attend(q, k, v, may_attend), atol=1e-12, rtol=0
    )


@given(st.integers(2, 7), SEEDS, st.data())
def test_future_tokens_cannot_change_the_past(T, seed, data):
    attention = random_attention(seed)
    changed = data.draw(st.integers(1, T - 1))
    x = torch.randn(1, T, 8).double()
    y = x.clone()
    y[:, changed:] = torch.randn(1, T - changed, 8)
    before, after = attention(x, may_attend=causal_mask(T)), attention(y, may_attend=causal_mask(T))
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.equal(before[:, changed], after[:, changed])


@given(SIZES, SIZES, SEEDS)
def test_a_masked_key_may_as_well_not_be_there(T, S, seed):
    torch.manual_seed(seed)
    q, (k, v) = torch.randn(T, 4).double(), torch.randn(2, S + 1, 4).double()
    may_attend = torch.ones(T, S + 1, dtype=torch.bool)
    may_attend[:, -1] = False
    torch.testing.assert_close(attend(q, k, v, may_attend), attend(q, k[:-1], v[:-1]), atol=1e-12, rtol=0)


@given(SIZES, SIZES, SEEDS)
def test_the_output_lies_between_the_smallest_and_the_largest_value(T, S, seed):
    torch.manual_seed(seed)
    q, (k, v) = torch.randn(T, 4), torch.randn(2, S, 4)
    out = attend(q, k, v)
    assert (out <= v.amax(0) + 1e-6).all() and (out >= v.amin(0) - 1e-6).all()


@given(SIZES, SIZES, SEEDS)
def test_adding_one_vector_to_every_key_changes_nothing(T, S, seed):
    torch.manual_seed(seed)
    q, (k, v), same = torch.randn(T, 4).double(), torch.randn(2, S, 4).double(), torch.randn(4).double()
    torch.testing.assert_close(attend(q, k + same, v), attend(q, k, v), atol=1e-12, rtol=0)


@given(SIZES, st.integers(0, 5), SEEDS)
def test_the_last_queries_see_what_they_saw_in_the_full_pass(T, earlier, seed):
    attention = random_attention(seed)
    x = torch.randn(1, earlier + T, 8).double()
    full = attention(x, may_attend=causal_mask(earlier + T))
    last = attention(x[:, earlier:], x, may_attend=causal_mask(T, earlier + T))
    torch.testing.assert_close(last, full[:, earlier:], atol=1e-12, rtol=0)

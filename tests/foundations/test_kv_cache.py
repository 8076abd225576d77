import pytest
import torch
from einops import rearrange

from course_lib.foundations.attention import MultiHeadAttention, causal_mask
from course_lib.foundations.kv_cache import KVCache, attend_to, cached_self_attention, keys_and_values


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return MultiHeadAttention(12, 3).double().requires_grad_(False)


@pytest.mark.parametrize("pieces", [[1] * 7, [7], [3, 1, 1, 2], [4, 3]])
def test_reading_in_pieces_is_reading_at_once(attention, pieces):
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    full = attention(x, may_attend=causal_mask(7))
    cache = KVCache(7)
    parts = [cached_self_attention(attention, part, cache) for part in x.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), full, atol=1e-12, rtol=0)


def test_padding_in_the_cache_is_not_read(attention):
    x = torch.randn(2, 6, 12, dtype=torch.float64)
    is_token = torch.tensor([[True] * 6, [False, False, True, True, True, True]])
    cache = KVCache(6)
    cached_self_attention(attention, x[:, :5], cache, is_token[:, :5])
    last = cached_self_attention(attention, x[:, 5:], cache, is_token)
    alone = attention(x[1:, 2:], may_attend=causal_mask(4))
    torch.testing.assert_close(last[1, 0], alone[0, -1], atol=1e-12, rtol=0)


def test_cross_attention_keys_are_made_once(attention):
    x, context = torch.randn(2, 3, 12, dtype=torch.float64), torch.randn(2, 5, 12, dtype=torch.float64)
    source = KVCache(5)
    source.append(*keys_and_values(attention, context))
    parts = [attend_to(attention, token, *source.held()) for token in x.split(1, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), attention(x, context), atol=1e-12, rtol=0)


def test_appending_writes_in_place_and_never_moves_what_is_held():
    cache = KVCache(9)
    cache.append(torch.randn(2, 3, 4, 8), torch.randn(2, 3, 4, 8))
    addresses = [buffer.data_ptr() for buffer in cache.buffers]
    first = cache.held()[0].clone()
    for _ in range(5):
        k, _ = cache.append(torch.randn(2, 3, 1, 8), torch.randn(2, 3, 1, 8))
        assert k.data_ptr() == addresses[0]
    assert [buffer.data_ptr() for buffer in cache.buffers] == addresses
    assert torch.equal(cache.held()[0][:, :, :4], first) and cache.length == 9


def test_bytes_are_those_of_the_tensors():
    cache = KVCache(10)
    assert cache.n_bytes == cache.bytes_per_token == cache.n_rows == 0
    k, v = torch.zeros(2, 2, 3, 4, 16, dtype=torch.bfloat16)
    cache.append(k, v)
    assert cache.bytes_per_token == 2 * 3 * 16 * 2
    assert cache.n_bytes == 2 * 10 * cache.bytes_per_token
    assert cache.n_bytes == sum(buffer.untyped_storage().nbytes() for buffer in cache.buffers)


def test_overflow_is_a_clear_error_and_leaves_the_cache_as_it_was():
    cache = KVCache(4)
    cache.append(torch.ones(1, 3, 2))
    with pytest.raises(ValueError, match=r"holds 3 of 4 tokens and 2 more do not fit; build it with capacity >= 5"):
        cache.append(torch.zeros(1, 2, 2))
    assert cache.length == 3 and torch.equal(cache.held()[0], torch.ones(1, 3, 2))
    with pytest.raises(ValueError, match=r"capacity \(0\) must be at least 1"):
        KVCache(0)


def test_crop_forgets_the_end(attention):
    x = torch.randn(1, 6, 12, dtype=torch.float64)
    cache = KVCache(6)
    cached_self_attention(attention, torch.cat([x[:, :4], torch.randn(1, 2, 12).double()], dim=1), cache)
    cache.crop(4)
    again = cached_self_attention(attention, x[:, 4:], cache)
    torch.testing.assert_close(again, attention(x, may_attend=causal_mask(6))[:, 4:], atol=1e-12, rtol=0)
    for length in (-1, 7):
        with pytest.raises(ValueError, match=rf"cannot crop to {length} tokens; the cache holds 6, give 0 to 6"):
            cache.crop(length)


@pytest.mark.parametrize("rows", [[2, 0, 0], [1], [0, 1, 2, 2, 1], [0, 1, 2], []])
def test_reordered_rows_go_on_as_if_they_had_always_been_there(attention, rows):
    """Swapped, dropped, multiplied; and rows that were copied do not share memory."""
    x, following = torch.randn(3, 4, 12, dtype=torch.float64), torch.randn(len(rows), 2, 12, dtype=torch.float64)
    cache = KVCache(6)
    cached_self_attention(attention, x, cache)
    cache.reorder(torch.tensor(rows, dtype=torch.long))
    assert cache.n_rows == len(rows)
    out = cached_self_attention(attention, following, cache)
    full = attention(torch.cat([x[rows], following], dim=1), may_attend=causal_mask(6))
    torch.testing.assert_close(out, full[:, 4:], atol=1e-12, rtol=0)


def test_what_does_not_continue_the_cache_is_refused(as_readers_have_it):
    cache = KVCache(8)
    cache.append(torch.zeros(2, 3, 4, 8), torch.zeros(2, 3, 4, 8))
    for wrong in (torch.zeros(1, 3, 1, 8), torch.zeros(2, 3, 1, 9), torch.zeros(2, 3, 1, 8).double()):
        with pytest.raises(ValueError, match="do not continue the cache, which takes"):
            cache.append(wrong, wrong)
    with pytest.raises(ValueError, match="holds 2 tensors a token, got 1"):
        cache.append(torch.zeros(2, 3, 1, 8))
    for row in (-1, 2):
        with pytest.raises(ValueError, match=f"row {row} does not exist; the cache holds rows 0 to 1"):
            cache.reorder(torch.tensor([0, row]))
    assert cache.length == 4


def test_keys_are_those_of_the_layer(attention):
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    k, v = keys_and_values(attention, x)
    torch.testing.assert_close(rearrange(k, "B H S Dh -> B S (H Dh)"), attention.to_k(x))
    torch.testing.assert_close(rearrange(v, "B H S Dh -> B S (H Dh)"), attention.to_v(x))


def test_a_first_append_that_failed_leaves_the_cache_empty(as_readers_have_it):
    cache = KVCache(4)
    with pytest.raises(ValueError, match="do not continue the cache"):
        cache.append(torch.ones(1, 3, 2), torch.ones(1, 2, 2))
    assert cache.length == cache.n_bytes == cache.n_rows == 0
    cache.append(torch.ones(2, 1, 5))
    assert cache.held()[0].shape == (2, 1, 5)

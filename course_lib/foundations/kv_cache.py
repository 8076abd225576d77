"""The KV cache: what a decoder keeps of the tokens that it has read, so that it need not read them again.

B batch · T new tokens · S tokens held · D width · H heads · Dh head width
Keys and values of a token depend on nothing that comes later, so under a causal mask they never change. Queries are not
kept: each is used once. With the cache a new token passes through the projections alone, but it still reads S keys:
O(S) a token, O(N²) for a text of N tokens.
Read first: attention.py.  Chapter 05.
"""

from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.foundations.attention import MultiHeadAttention, attend, causal_mask
from course_lib.foundations.checks import check_count, check_rows


class KVCache:
    """Room for `capacity` tokens of one layer, reserved at the first append and written in place: nothing is copied
    as it fills.

    It holds whatever tensors [B … T width] the layer hands in: keys and values [B H T Dh], or MLA's one latent [B T R].
    Use it under torch.no_grad or torch.inference_mode: what is written in place cannot be differentiated twice.
    """

    def __init__(self, capacity: int):
        check_count("capacity", capacity, 1)
        self.capacity = capacity
        self.length = 0
        self.buffers: tuple[Tensor, ...] = ()

    def append(self, *new: Float[Tensor, "B ... T _"]) -> tuple[Tensor, ...]:
        """Write what T new tokens leave behind; return what all S tokens have left, as views [B … S width].

        Raises ValueError if the tokens do not fit, or their shapes or types are not those of the tokens held.
        """
        n_new = new[0].shape[-2]
        if self.length + n_new > self.capacity:
            raise ValueError(
                f"the cache holds {self.length} of {self.capacity} tokens and {n_new} more do not fit; "
                f"build it with capacity >= {self.length + n_new}, or crop it first"
            )
        buffers = self.buffers or tuple(x.new_empty(*x.shape[:-2], self.capacity, x.shape[-1]) for x in new)
        self._check(buffers, new, n_new)
        self.buffers = buffers
        for buffer, x in zip(self.buffers, new):
            buffer.narrow(-2, self.length, n_new).copy_(x)
        self.length += n_new
        return self.held()

    def held(self) -> tuple[Tensor, ...]:
        """What the S tokens have left, as views [B … S width]; empty before the first append."""
        return tuple(buffer.narrow(-2, 0, self.length) for buffer in self.buffers)

    def crop(self, length: int) -> None:
        """Forget all tokens but the first `length`. Raises ValueError if fewer are held."""
        check_count("length", length, None)
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot crop to {length} tokens; the cache holds {self.length}, give 0 to {self.length}")
        self.length = length

    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Row i becomes a copy of the old row rows[i]: beams that go on, branch or end. Changes B to len(rows)."""
        check_rows(rows, self.n_rows)
        kept = [view[rows] for view in self.held()]
        if len(rows) != self.n_rows:
            self.buffers = tuple(buffer.new_empty(len(rows), *buffer.shape[1:]) for buffer in self.buffers)
        for view, rows_kept in zip(self.held(), kept):
            view.copy_(rows_kept)

    @property
    def n_rows(self) -> int:
        """B; 0 before the first append."""
        return self.buffers[0].shape[0] if self.buffers else 0

    @property
    def n_bytes(self) -> int:
        """Bytes reserved, for all rows and the whole capacity."""
        return sum(buffer.numel() * buffer.element_size() for buffer in self.buffers)

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one token of one row takes in this layer; 0 before the first append."""
        return self.n_bytes // (self.n_rows * self.capacity) if self.n_rows else 0

    def _check(self, buffers: tuple[Tensor, ...], new: tuple[Tensor, ...], n_new: int) -> None:
        if len(new) != len(buffers):
            raise ValueError(f"the cache holds {len(buffers)} tensors a token, got {len(new)}")
        for buffer, x in zip(buffers, new):
            wanted = (*buffer.shape[:-2], n_new, buffer.shape[-1])
            if x.shape != wanted or x.dtype != buffer.dtype:
                raise ValueError(
                    f"new tokens {tuple(x.shape)} {x.dtype} do not continue the cache, which takes {wanted} "
                    f"{buffer.dtype}; one cache serves one layer and one batch, so build another with KVCache(capacity)"
                )


def one_each(caches: list[KVCache] | None, n_layers: int) -> list[KVCache] | list[None]:
    """The caches, or as many times None where nothing is kept. Raises ValueError for another number than of layers."""
    if caches and len(caches) != n_layers:
        raise ValueError(f"{len(caches)} caches for {n_layers} layers; make them by model.new_caches(capacity)")
    return caches or [None] * n_layers


def cached_self_attention(
    attention: MultiHeadAttention,
    x: Float[Tensor, "B T D"],
    cache: KVCache,
    is_token: Bool[Tensor, "B S"] | None = None,
) -> Float[Tensor, "B T D"]:
    """Causal self-attention of T new tokens over themselves and all tokens in the cache, which then holds them too.

    Equal to the last T rows of the full pass. is_token: False where one of the S slots is padding.
    """
    k, v = cache.append(*keys_and_values(attention, x))
    may_attend = causal_mask(x.shape[1], cache.length).to(x.device)
    if is_token is not None:
        may_attend = may_attend & rearrange(is_token, "B S -> B 1 1 S")
    return attend_to(attention, x, k, v, may_attend)


def keys_and_values(
    attention: MultiHeadAttention, context: Float[Tensor, "B S D"]
) -> tuple[Float[Tensor, "B H S Dh"], Float[Tensor, "B H S Dh"]]:
    """What a layer needs of its context. In cross-attention they are made once and serve every token."""
    k = rearrange(attention.to_k(context), "B S (H Dh) -> B H S Dh", H=attention.n_heads)
    v = rearrange(attention.to_v(context), "B S (H Dh) -> B H S Dh", H=attention.n_heads)
    return k, v


def attend_to(
    attention: MultiHeadAttention,
    x: Float[Tensor, "B T D"],
    k: Float[Tensor, "B H S Dh"],
    v: Float[Tensor, "B H S Dh"],
    may_attend: Bool[Tensor, "..."] | None = None,
) -> Float[Tensor, "B T D"]:
    """The layer's output for queries from x over keys and values that are already there."""
    q = rearrange(attention.to_q(x), "B T (H Dh) -> B H T Dh", H=attention.n_heads)
    return attention.to_out(rearrange(attend(q, k, v, may_attend), "B H T Dh -> B T (H Dh)"))

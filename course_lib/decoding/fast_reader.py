"""Decoding at speed: what LlamaReader reads, in a third of the time or less. A test binds the two.

B batch · T new tokens · S tokens with those in the cache · C capacity · N layers · D width · d width of a kept head
H heads · G kv heads · P heads of a group · R latent width (MLA; 0 in GQA) · Dr width that is turned (all of d in GQA)
One token through a small model is all bookkeeping: a product of 128 × 384 numbers takes 4 µs, calling a module 1 µs.
So a layer is made into few products on flat tensors, by rewritings that are exact:

    norm(x) W = x/‖x‖ (√D diag(w) W)      the norm's weight moves into the matrix after it, once
    [q k v] = x [W_q W_k W_v]             one product where there were three; gate and up likewise
    (s q)·k = s (q·k)                     the scale of the scores moves into W_q
    pairs side by side                    in q and k alike, so that no score changes; a rotation is a complex product
    W_o (W_uv c), (W_uq x)·(W_uk c)       MLA: absorption done beforehand, once

Weights are copied when the reader is built: build another after an optimiser's step.
Read first: llama.py, foundations/mla.py.  Chapter 05.
"""

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor
from torch.nn.functional import silu

from course_lib.foundations.gqa import GroupedQueryAttention, attend_in_groups_fast
from course_lib.foundations.mla import MultiHeadLatentAttention
from course_lib.foundations.norm import RMSNorm
from course_lib.foundations.rope import angles, frequencies, interleaved_to_half_split
from course_lib.models.llama import Block, Llama, check_left_padding


class FastReader:
    """A Llama or DeepSeek in the middle of a text, as LlamaReader is: `reader(ids)` gives the next token's logits.

    capacity, is_token: as LlamaReader has them.  Raises TypeError for 16-bit weights, which have no complex numbers.
    """

    @torch.inference_mode()
    def __init__(self, model: Llama, capacity: int, is_token: Bool[Tensor, "B T"] | None = None):
        if capacity < 1:
            raise ValueError(f"capacity ({capacity}) must be at least 1 token")
        weight = model.embedding.weight
        if weight.dtype not in (torch.float32, torch.float64):
            raise TypeError(
                f"FastReader takes float32 or float64, got {weight.dtype}; call model.float(), or LlamaReader"
            )
        self.embedding, self.capacity, self.length = model.embedding, capacity, 0
        self.layers = [Layer(block) for block in model.blocks]
        self.norm_out, self.to_vocab = unit_norm(model.norm_out), after_norm(model.norm_out, model.to_vocab.weight)
        freqs = frequencies(self.layers[0].attention.d_turned, model.config.rope_base)
        turned = angles(torch.arange(capacity), freqs)
        self.turns = torch.polar(torch.ones_like(turned), turned).to(weight.device, weight.dtype.to_complex())
        self.memory = weight.new_empty(0)
        self._hide_padding(is_token)

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """Raises ValueError where the cache is full."""
        B, T = ids.shape
        start, end = self.length, self.length + T
        self._reserve(B, T)
        turn, seen = self._turn(start, end), self._seen(start, end)
        x = self.embedding(ids).flatten(0, 1)
        new, held = self.slots.narrow(-2, start, T).unbind(0), self.memory.narrow(-2, 0, end).unbind(0)
        for layer, slot, kept in zip(self.layers, new, held):
            x = layer(x, B, turn, seen, slot, kept)
        self.length = end
        return self.norm_out(x if T == 1 else x[T - 1 :: T]).mm(self.to_vocab)

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        if self.length:
            n_rows = self.slots.shape[1]
            for row in rows.tolist():
                if not 0 <= row < n_rows:
                    raise ValueError(f"row {row} does not exist; the cache holds rows 0 to {n_rows - 1}")
            self._hold(rearrange(self.slots[:, rows], "N B parts G C d -> N parts (B G) C d"), len(rows))
        if self.n_padding is not None:
            self.n_padding, self.blocked = self.n_padding[rows], self.blocked[rows]

    def _hide_padding(self, is_token: Bool[Tensor, "B T"] | None) -> None:
        """How much padding each row begins with [B 1], what to add to its scores [B 1 C]; None where there is none."""
        self.n_padding = self.blocked = None
        if is_token is not None:
            check_left_padding(is_token)
            self.n_padding = (~is_token).sum(dim=1, keepdim=True)
            is_padding = torch.arange(self.capacity, device=is_token.device) < self.n_padding
            self.blocked = self.memory.new_zeros(is_padding.shape).masked_fill(is_padding, -torch.inf)[:, None]

    def _reserve(self, B: int, T: int) -> None:
        """Room for all at the first call; afterwards only the question whether T more tokens of B rows fit."""
        if self.length + T > self.capacity:
            raise ValueError(
                f"the cache holds {self.length} of {self.capacity} tokens and {T} more do not fit; "
                f"build the reader with capacity >= {self.length + T}"
            )
        if not self.length:
            parts, G, d = self.layers[0].attention.kept_shape
            self._hold(self.memory.new_empty(len(self.layers), parts, B * G, self.capacity, d), B)
        if self.slots.shape[1] != B or (self.blocked is not None and len(self.blocked) != B):
            rows = self.slots.shape[1] if self.blocked is None else len(self.blocked)
            raise ValueError(f"ids have {B} rows and the reader {rows}; one reader serves one batch")

    def _hold(self, memory: Float[Tensor, "N parts BG C d"], B: int) -> None:
        """memory as attention reads it, slots as new tokens are written: two views of the same numbers."""
        self.memory = memory
        self.slots = rearrange(memory, "N parts (B G) C d -> N B parts G C d", B=B)

    def _turn(self, start: int, end: int) -> Complex[Tensor, "..."]:
        """e^(i angle) of the new tokens' positions, which count tokens and not padding: [T 1 P] or [B T 1 P]."""
        if self.n_padding is None:
            return self.turns[start:end, None]
        slots = torch.arange(start, end, device=self.turns.device)
        return self.turns[(slots - self.n_padding).clamp(min=0)][:, :, None]

    def _seen(self, start: int, end: int) -> Tensor | None:
        """For one new token what to add to its scores [B 1 S]; for several a mask [T S] or [B 1 T S]."""
        blocked = None if self.blocked is None else self.blocked[..., :end]
        if end - start == 1:
            return blocked
        may_attend = torch.ones(end - start, end, dtype=torch.bool, device=self.memory.device).tril(start)
        return may_attend if blocked is None else may_attend & (blocked == 0)[:, None]


class Layer:
    """llama.Block on flat tensors [B·T D]."""

    def __init__(self, block: Block):
        kind = {GroupedQueryAttention: Grouped, MultiHeadLatentAttention: Latent}[type(block.attention)]
        self.attention = kind(block.norm_attention, block.attention)
        self.norm_attention, self.norm_feedforward = unit_norm(block.norm_attention), unit_norm(block.norm_feedforward)
        self.gate = after_norm(block.norm_feedforward, block.feedforward.gate.weight)
        self.up = after_norm(block.norm_feedforward, block.feedforward.up.weight)
        self.down = block.feedforward.down.weight.mT.contiguous()

    def __call__(self, x: Float[Tensor, "BT D"], B: int, turn, seen, slot, kept) -> Float[Tensor, "BT D"]:
        attention = self.attention
        q = attention.write(self.norm_attention(x), B, turn, slot)
        x = torch.addmm(x, attention.read(q, kept, seen), attention.to_out)
        unit = self.norm_feedforward(x)
        return torch.addmm(x, silu(unit.mm(self.gate)).mul_(unit.mm(self.up)), self.down)


class Grouped:
    """Grouped-query attention: q, k and v from one product; keys and values are kept as two parts."""

    def __init__(self, norm: RMSNorm, attention: GroupedQueryAttention):
        self.H, self.G = attention.n_heads, attention.n_kv_heads
        self.d_turned = self.d = attention.to_q.out_features // self.H
        self.kept_shape = (2, self.G, self.d)
        q, k, v = attention.to_q, attention.to_k, attention.to_v
        order = interleaved_to_half_split(self.d).argsort()
        rows = [side_by_side(q.weight, order) * self.d**-0.5, side_by_side(k.weight, order), v.weight]
        self.to_qkv, self.bias = after_norm(norm, torch.cat(rows)), None
        if q.bias is not None:
            self.bias = torch.cat([side_by_side(q.bias, order) * self.d**-0.5, side_by_side(k.bias, order), v.bias])
        self.to_out = attention.to_out.weight.mT.contiguous()

    def write(self, unit: Float[Tensor, "BT D"], B: int, turn, slot: Float[Tensor, "B two G T d"]) -> Tensor:
        """Puts keys and values into their slots; gives the queries [B T H d]."""
        qkv = unit.mm(self.to_qkv) if self.bias is None else torch.addmm(self.bias, unit, self.to_qkv)
        qkv = qkv.view(B, -1, self.H + 2 * self.G, self.d)
        turn_(qkv.narrow(2, 0, self.H + self.G), turn)
        slot.copy_(qkv.narrow(2, self.H, 2 * self.G).unflatten(2, (2, self.G)).permute(0, 2, 3, 1, 4))
        return qkv.narrow(2, 0, self.H)

    def read(self, q: Float[Tensor, "B T H d"], kept: Float[Tensor, "two BG S d"], seen) -> Float[Tensor, "BT Hd"]:
        k, v = kept.unbind(0)
        return attend(q, k, v, self.G, seen)


class Latent:
    """Multi-head latent attention, absorbed on both sides: one kept head [turned key ‖ latent] for all, and its values
    are its latents."""

    def __init__(self, norm: RMSNorm, attention: MultiHeadLatentAttention):
        H, R, Dr = self.H, self.R, self.d_turned = attention.n_heads, attention.d_latent, attention.d_rope
        if R % 2:
            raise ValueError(f"d_latent ({R}) must be even for FastReader, which reads pairs; use LlamaReader")
        self.kept_shape = (1, 1, Dr + R)
        norm_latent = attention.norm_latent
        self.norm_latent, stretch = unit_norm(norm_latent), norm_latent.weight * R**0.5
        to_k = rearrange(attention.to_k.weight * stretch, "(H Dh) R -> H Dh R", H=H)
        to_v = rearrange(attention.to_v.weight * stretch, "(H Dv) R -> H Dv R", H=H)
        direct = isinstance(attention.to_q, torch.nn.Linear)
        to_q = rearrange((attention.to_q if direct else attention.to_q[2]).weight, "(H d) D -> H d D", H=H)
        content, turned = to_q.split([attention.d_head, Dr], dim=1)
        content = einsum(to_k, content, "H Dh R, H Dh D -> H R D")
        queries = torch.cat([turned, content], dim=1).flatten(0, 1) * attention.scale
        latent, key = attention.to_latent.weight.split([R, Dr])
        self.norm_query = None if direct else unit_norm(attention.to_q[1])
        self.to_q = after_norm(norm if direct else attention.to_q[1], queries)
        self.to_query_latent = None if direct else after_norm(norm, attention.to_q[0].weight)
        self.to_kept = after_norm(norm, torch.cat([key, latent]))
        to_out = rearrange(attention.to_out.weight, "D (H Dv) -> H Dv D", H=H)
        self.to_out = einsum(to_v, to_out, "H Dv R, H Dv D -> H R D").flatten(0, 1).contiguous()

    def write(self, unit: Float[Tensor, "BT D"], B: int, turn, slot: Float[Tensor, "B 1 1 T d"]) -> Tensor:
        """Puts [turned key ‖ latent] into its slot; gives the queries [B T H d]."""
        kept = unit.mm(self.to_kept)
        key, latent = kept.split([self.d_turned, self.R], dim=-1)
        turn_(key.view(B, -1, 1, self.d_turned), turn)
        slot = slot[:, 0, 0]
        slot[..., : self.d_turned] = key.view(B, -1, self.d_turned)
        slot[..., self.d_turned :] = self.norm_latent(latent).view(B, -1, self.R)
        if self.norm_query is not None:
            unit = self.norm_query(unit.mm(self.to_query_latent))
        q = unit.mm(self.to_q).view(B, -1, self.H, self.d_turned + self.R)
        turn_(q.narrow(-1, 0, self.d_turned), turn)
        return q

    def read(self, q: Float[Tensor, "B T H d"], kept: Float[Tensor, "one B S d"], seen) -> Float[Tensor, "BT HR"]:
        k = kept[0]
        return attend(q, k, k.narrow(-1, self.d_turned, self.R), 1, seen)


def attend(q, k, v, G: int, seen: Tensor | None) -> Float[Tensor, "BT HDv"]:
    """Attention of q [B T H d], scaled already, to k [B·G S d] and v [B·G S Dv]."""
    B, T, H, d = q.shape
    if T > 1:
        k, v = k.unflatten(0, (B, G)), v.unflatten(0, (B, G))
        heads = attend_in_groups_fast(q.transpose(1, 2), k, v, seen, scale=1.0)
        return heads.transpose(1, 2).reshape(B * T, -1)
    scores = q.reshape(B * G, H // G, d).bmm(k.mT)
    if seen is not None:
        scores.view(B, H, -1).add_(seen)
    return scores.softmax(dim=-1).bmm(v).view(B, -1)


def turn_(x: Float[Tensor, "B T heads Dr"], turn: Complex[Tensor, "..."]) -> None:
    """Turn every pair (x0, x1), (x2, x3), … in place."""
    torch.view_as_complex(x.unflatten(-1, (-1, 2))).mul_(turn)


def side_by_side(x: Float[Tensor, "heads_d ..."], order: Int[Tensor, " d"]) -> Float[Tensor, "heads_d ..."]:
    """The rows of half-split pairs (x0, xP), (x1, xP+1), … in each head, reordered to (x0, x1), (x2, x3), …"""
    return x.unflatten(0, (-1, len(order)))[:, order].flatten(0, 1)


def unit_norm(norm: RMSNorm):
    """x -> x / sqrt(‖x‖² + D eps), which is norm(x) / (√D weight)."""
    floor = norm.weight.new_tensor((len(norm.weight) * norm.eps) ** 0.5)
    return lambda x: x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot_(floor)


def after_norm(norm: RMSNorm, weight: Float[Tensor, "out D"]) -> Float[Tensor, "D out"]:
    """The matrix for which unit_norm(x) @ matrix == norm(x) @ weight.T."""
    return (weight * (norm.weight * len(norm.weight) ** 0.5)).mT.contiguous()

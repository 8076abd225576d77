"""Several texts in one row, so that little is padded, and no text sees another (Krell et al. 2021, arXiv:2107.02027).

B rows · T tokens
Two things keep a text to itself: a mask, for it may attend to its own earlier tokens only, and positions, which begin
at 0 with it. Then loss and gradients are those of the texts in rows of their own, only with fewer rows.
    text_of [B T]: which text of its row a token belongs to: 0, 1, 2 …; what fills the row up is one more text.
    update = Update(model, settings, loss=packed_loss, weigh=n_targets)
Read first: sft.py.  Chapter 19.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.attention import causal_mask
from course_lib.foundations.checks import check_count, check_tensor
from course_lib.models.gpt2 import GPT2
from course_lib.models.llama import Llama
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.log_probs import is_target, masked_mean, token_log_probs


def best_fit(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Which texts share a row of `room` tokens: longest first, each into the fullest row that still holds it.

    Raises ValueError for an empty text and for one that is longer than room.
    """
    check_count("room", room, 1)
    rows, spaces = [], []  # spaces: what each row has left and its number, the least left first
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not 1 <= lengths[i] <= room:
            raise ValueError(f"text {i} has {lengths[i]} tokens; 1 to {room} fit a row; shorten it or leave it out")
        fits = bisect_left(spaces, (lengths[i], 0))
        if fits == len(spaces):
            spaces.append((room, len(rows)))
            rows.append([])
        left, row = spaces.pop(fits)
        rows[row].append(i)
        insort(spaces, (left - lengths[i], row))
    return rows


def packed(texts: Sequence[Rendered], room: int, pad: int) -> dict[str, Tensor]:
    """ids, text_of and is_answer, each [B T], T at most room. A first token is not learned: what stands before it
    belongs to another text. Raises ValueError as best_fit does, for no text, and where no word of an answer is left."""
    rows = best_fit([len(text.ids) for text in texts], room)
    if not any(any(text.is_answer[1:]) for text in texts):
        raise ValueError(f"none of {len(texts)} texts has a word of an answer to learn; give some that have")
    T = max(sum(len(texts[i].ids) for i in row) for row in rows)
    ids = torch.full((len(rows), T), pad)
    text_of, is_answer = torch.zeros(len(rows), T, dtype=torch.long), torch.zeros(len(rows), T, dtype=torch.bool)
    for b, row in enumerate(rows):
        first = 0
        for n, i in enumerate(row):
            end = first + len(texts[i].ids)
            ids[b, first:end] = torch.tensor(texts[i].ids)
            text_of[b, first:end] = n
            is_answer[b, first + 1 : end] = torch.tensor(texts[i].is_answer[1:], dtype=torch.bool)
            first = end
        text_of[b, first:] = len(row)
    return {"ids": ids, "text_of": text_of, "is_answer": is_answer}


def own_text(text_of: Int[Tensor, "B T"]) -> Bool[Tensor, "B 1 T T"]:
    """True where a token may attend: to tokens of its own text, up to itself."""
    check_text_of(text_of)
    same = text_of[:, None, :, None] == text_of[:, None, None, :]
    return same & causal_mask(text_of.shape[1]).to(text_of.device)


def places(text_of: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Where each token stands in its own text: 0, 1, 2 …"""
    check_text_of(text_of)
    place = torch.arange(text_of.shape[1], device=text_of.device).expand_as(text_of)
    begins = torch.ones_like(text_of, dtype=torch.bool)
    begins[:, 1:] = text_of[:, 1:] != text_of[:, :-1]
    return place - place.masked_fill(~begins, 0).cummax(1).values


def packed_logits(model: nn.Module, ids: Int[Tensor, "B T"], text_of: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
    """What the model says of each text as if it stood alone. Raises as `hidden_at` does."""
    return model.to_vocab(hidden_at(model, ids, places(text_of), own_text(text_of)))


def hidden_at(
    model: nn.Module, ids: Int[Tensor, "B T"], where: Int[Tensor, "B T"], may_attend: Bool[Tensor, "B 1 T T"]
) -> Float[Tensor, "B T D"]:
    """What to_vocab reads, each token at the place and with the mask that it is told. Raises TypeError unless the model
    is a GPT2 or a Llama, whose blocks take a mask for each row."""
    x = model.embed(ids)
    if isinstance(model, GPT2):
        x, also = model.drop(x + model.positions.at(where, x)), {}
    elif isinstance(model, Llama):
        also = {"rotation": model.config.rotation(where, x.dtype)}
    else:
        raise TypeError(f"texts can be packed for GPT2 and Llama, not for {type(model).__name__}; use sft.padded")
    for block in model.blocks:
        x = block(x, may_attend, **also)
    return model.norm_out(x)


def packed_loss(model: nn.Module, batch: dict[str, Tensor]) -> Float[Tensor, ""]:
    """In nats a word, mean over all words of all answers: sft_loss of the same texts. batch: as from `packed`."""
    logits = packed_logits(model, batch["ids"], batch["text_of"])
    return masked_mean(-token_log_probs(logits, batch["ids"]), is_target(batch["is_answer"]))


def check_text_of(text_of: Tensor) -> None:
    """Raise ValueError unless it is [B T] of whole numbers that never fall along a row: a text lies in one piece."""
    check_tensor("text_of", text_of)
    if text_of.ndim != 2 or text_of.is_floating_point() or text_of.dtype == torch.bool:
        raise ValueError(f"text_of {tuple(text_of.shape)} of {text_of.dtype} must be whole numbers [B T]")
    if (falls := (text_of.diff(dim=1) < 0).any(1)).any():
        row = int(falls.nonzero()[0])
        raise ValueError(
            f"row {row} of text_of is {text_of[row].tolist()}; a text must lie in one piece: 0, 0, 1, 1, 2"
        )

"""Making text from a model that gives the logits of the next token: greedily, or with several candidates at once.

B prompts · T tokens · K beams · V vocabulary
A reader, such as models.llama.LlamaReader or models.transformer.Translator, is a model in the middle of a text:
    reader(ids [B T]) -> logits [B V]     reads new tokens, remembers them
    reader.reorder(rows)                  goes on with copies of these rows
Chapter 06.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_count


@runtime_checkable
class Reader(Protocol):
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]: ...

    def reorder(self, rows: Int[Tensor, " rows"]) -> None: ...


@torch.inference_mode()
def greedy(
    reader: Reader, prompt: Int[Tensor, "B T"], n_new: int, *, end: int | None = None
) -> Int[Tensor, "B {n_new}"]:
    """The most likely token each time, n_new times; fewer columns if every row has said `end` before.

    A row that has said `end` is filled up with `end`. Raises ValueError for logits without a largest (NaN, all -inf).
    """

    def likeliest(logits: Float[Tensor, "B V"], ids: Int[Tensor, "B T"]) -> Int[Tensor, " B"]:
        largest, token = logits.max(dim=-1)
        check_largest(largest)
        return token

    return written(reader, prompt, n_new, likeliest, end)


def written(
    reader: Reader,
    prompt: Int[Tensor, "B T"],
    n_new: int,
    choose: Callable[[Float[Tensor, "B V"], Int[Tensor, "B T"]], Int[Tensor, " B"]],
    end: int | None,
) -> Int[Tensor, "B {n_new}"]:
    """Token after token, each chosen from the logits after the ids just read: first the prompt, then one at a time."""
    check_request(prompt, n_new, end)
    ids, said = prompt, []
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    for _ in range(n_new):
        token = choose(reader(ids), ids)
        if end is not None:
            token = token.masked_fill(ended, end)
            ended |= token == end
        said.append(token)
        if end is not None and ended.all():
            break
        ids = token[:, None]
    return torch.stack(said, dim=1)


@torch.inference_mode()
def beam_search(
    reader: Reader, prompt: Int[Tensor, "B T"], n_new: int, *, n_beams: int = 4, end: int, alpha: float = 0.6
) -> tuple[list[list[int]], Float[Tensor, " B"]]:
    """The best answer found to each prompt and its score, the n_beams most likely beginnings being followed.

    One that says `end` is an answer and keeps its place among the n_beams, so one beam is greedy. An answer includes
    its `end`; one that has not ended after n_new tokens counts too. Score: log-probability / length_penalty(length,
    alpha). The search stops when no living beam can overtake the best answer found.
    """
    check_request(prompt, n_new, end)
    check_count("n_beams", n_beams, 1)
    if not 0 <= alpha < float("inf"):
        raise ValueError(f"alpha ({alpha}) must be a number, not negative; 0 means no penalty, the paper used 0.6")
    B, K = len(prompt), n_beams
    log_probs = scored(reader(prompt))
    V = log_probs.shape[-1]
    if end >= V:
        raise ValueError(f"end ({end}) must be below the vocabulary's {V}")
    reader.reorder(torch.arange(B).repeat_interleave(K))
    log_probs = log_probs.repeat_interleave(K, dim=0)
    # all beams of a prompt are still alike: let only the first one branch
    totals = torch.full((B, K), -torch.inf, dtype=log_probs.dtype, device=prompt.device)
    totals[:, 0] = 0
    places = torch.full((B, 1), K, device=prompt.device)  # that answers have not taken
    words = prompt.new_empty(B * K, 0)
    best: list[tuple[float, list[int]]] = [(-torch.inf, [])] * B
    for length in range(1, n_new + 1):
        grown = totals[..., None] + rearrange(log_probs, "(B K) V -> B K V", K=K)
        totals, chosen = rearrange(grown, "B K V -> B (K V)").topk(K, dim=-1)
        rows = rearrange(torch.arange(B, device=prompt.device)[:, None] * K + chosen // V, "B K -> (B K)")
        token = rearrange(chosen % V, "B K -> (B K)")
        words = torch.cat([words[rows], token[:, None]], dim=1)
        totals = totals.masked_fill(torch.arange(K, device=prompt.device) >= places, -torch.inf)
        ended = (chosen % V == end) & totals.isfinite()
        for b, k in ended.nonzero().tolist():
            score = float(totals[b, k]) / length_penalty(length, alpha)
            if score > best[b][0]:
                best[b] = (score, words[b * K + k].tolist())
        places -= ended.sum(dim=1, keepdim=True)
        totals = totals.masked_fill(ended, -torch.inf)
        hope = totals.amax(dim=1) / length_penalty(n_new if alpha > 0 else length, alpha)
        if length == n_new or all(score >= bound for (score, _), bound in zip(best, hope.tolist())):
            break
        reader.reorder(rows)
        log_probs = scored(reader(token[:, None]))
    for b, k in enumerate(totals.argmax(dim=1).tolist()):
        score = float(totals[b, k]) / length_penalty(length, alpha)
        if length == n_new and score > best[b][0]:
            best[b] = (score, words[b * K + k].tolist())
    scores = torch.tensor([score for score, _ in best], dtype=totals.dtype)
    return [answer for _, answer in best], scores


def scored(logits: Float[Tensor, "B V"]) -> Float[Tensor, "B V"]:
    """Log-probabilities. Raises ValueError for logits without a largest."""
    check_largest(logits.amax(dim=-1))
    return logits.log_softmax(dim=-1)


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^alpha: without it beams prefer to stop early (Wu et al. 2016, arXiv:1609.08144, eq. 14)."""
    return ((5 + length) / 6) ** alpha


def check_request(prompt: Tensor, n_new: int, end: int | None = None) -> None:
    """Raise ValueError for an empty prompt, nothing to be made, or an `end` that no token can be."""
    check_count("n_new", n_new, 1)
    if end is not None:
        check_count("end", end)
    if prompt.ndim != 2 or 0 in prompt.shape:
        raise ValueError(
            f"prompt {tuple(prompt.shape)} must be [B T], one token a row or more; begin with a start token"
        )


def check_largest(largest: Float[Tensor, " B"]) -> None:
    """Raise ValueError for rows of logits whose largest is no finite number: NaN, inf, or all of them -inf."""
    if not largest.isfinite().all():
        row = int((~largest.isfinite()).nonzero()[0])
        raise ValueError(
            f"row {row} of the logits has {float(largest[row])} as its largest; there is nothing to choose"
        )

"""Making text from a model that gives the logits of the next token: greedily, or with several candidates at once.

B prompts · T tokens · K beams · V vocabulary
A reader, such as models.llama.LlamaReader or models.transformer.Translator, is a model in the middle of a text:
    reader(ids [B T]) -> logits [B V]     reads new tokens, remembers them
    reader.reorder(rows)                  goes on with copies of these rows
Chapter 06.
"""

from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor


@runtime_checkable
class Reader(Protocol):
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]: ...

    def reorder(self, rows: Int[Tensor, " rows"]) -> None: ...


@torch.inference_mode()
def greedy(
    reader: Reader, prompt: Int[Tensor, "B T"], n_new: int, *, end: int | None = None
) -> Int[Tensor, "B {n_new}"]:
    """The most likely token each time, n_new times; fewer columns if every row has said `end` before.

    A row that has said `end` is filled up with `end`.
    """
    check_request(prompt, n_new)
    ids, said = prompt, []
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    for _ in range(n_new):
        token = reader(ids).argmax(dim=-1)
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

    Score: log-probability / length_penalty(length, alpha). An answer includes its `end`; one that has not ended after
    n_new tokens counts too. The search stops when no living beam can overtake the best answer found.
    """
    check_request(prompt, n_new)
    if n_beams < 1:
        raise ValueError(f"n_beams ({n_beams}) must be at least 1; 1 is greedy, the paper used 4")
    if alpha < 0:
        raise ValueError(f"alpha ({alpha}) must not be negative; 0 means no penalty, the paper used 0.6")
    B, K = len(prompt), n_beams
    log_probs = reader(prompt).log_softmax(dim=-1)
    V = log_probs.shape[-1]
    reader.reorder(torch.arange(B).repeat_interleave(K))
    log_probs = log_probs.repeat_interleave(K, dim=0)
    # all beams of a prompt are still alike: let only the first one branch
    totals = torch.full((B, K), -torch.inf, dtype=log_probs.dtype, device=prompt.device)
    totals[:, 0] = 0
    words = prompt.new_empty(B * K, 0)
    best: list[tuple[float, list[int]]] = [(-torch.inf, [])] * B
    for length in range(1, n_new + 1):
        grown = totals[..., None] + rearrange(log_probs, "(B K) V -> B K V", K=K)
        answers = grown[..., end] / length_penalty(length, alpha)
        for b in range(B):
            k = int(answers[b].argmax())
            if answers[b, k] > best[b][0]:
                best[b] = (float(answers[b, k]), [*words[b * K + k].tolist(), end])
        grown[..., end] = -torch.inf
        totals, chosen = rearrange(grown, "B K V -> B (K V)").topk(K, dim=-1)
        rows = rearrange(torch.arange(B, device=prompt.device)[:, None] * K + chosen // V, "B K -> (B K)")
        token = rearrange(chosen % V, "B K -> (B K)")
        words = torch.cat([words[rows], token[:, None]], dim=1)
        hope = totals[:, 0] / length_penalty(n_new if alpha > 0 else length, alpha)
        if length == n_new or all(score >= bound for (score, _), bound in zip(best, hope.tolist())):
            break
        reader.reorder(rows)
        log_probs = reader(token[:, None]).log_softmax(dim=-1)
    for b in range(B):
        score = float(totals[b, 0]) / length_penalty(length, alpha)
        if length == n_new and score > best[b][0]:
            best[b] = (score, words[b * K].tolist())
    scores = torch.tensor([score for score, _ in best], dtype=totals.dtype)
    return [answer for _, answer in best], scores


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^alpha: without it beams prefer to stop early (Wu et al. 2016, arXiv:1609.08144, eq. 14)."""
    return ((5 + length) / 6) ** alpha


def check_request(prompt: Tensor, n_new: int) -> None:
    """Raise ValueError for an empty prompt, or nothing to be made."""
    if n_new < 1:
        raise ValueError(f"n_new ({n_new}) must be at least 1")
    if prompt.ndim != 2 or 0 in prompt.shape:
        raise ValueError(
            f"prompt {tuple(prompt.shape)} must be [B T], one token a row or more; begin with a start token"
        )

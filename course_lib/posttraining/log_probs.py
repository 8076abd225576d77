"""How likely a model holds the words of an answer: what SFT raises, and what PPO, DPO and GRPO compare.

B rows · T tokens · V vocabulary · N = T - 1 predictions
logits[:, t] are about ids[:, t + 1]: everything here that has N columns belongs to ids[:, 1:]. A mask is made for ids,
[B T], True on what the policy wrote (neither prompt nor padding), and `is_target` alone cuts it to N.
A mean says what over: `masked_mean` over all tokens of the batch, where long answers weigh more; `row_means(…).mean()`
over the tokens of each answer, then over answers.
Read first: nothing.  Chapters 19 to 23.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_floating, check_tensor


def token_log_probs(logits: Float[Tensor, "B T V"], ids: Int[Tensor, "B T"]) -> Float[Tensor, "B N"]:
    """log p(ids[:, t + 1] | ids[:, : t + 1]), at most 0. Raises ValueError for shapes that differ, fewer than two
    tokens, and an id outside the vocabulary."""
    check_floating("logits", logits)
    if logits.ndim != 3 or logits.shape[:2] != ids.shape or ids.shape[1] < 2:
        raise ValueError(f"logits {tuple(logits.shape)} and ids {tuple(ids.shape)} must be [B T V] and [B T], T >= 2")
    least, most = int(ids.min()), int(ids.max())
    if least < 0 or most >= logits.shape[2]:
        raise ValueError(f"ids run from {least} to {most}, but the logits know 0 to {logits.shape[2] - 1}")
    return logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]


def is_target(is_answer: Bool[Tensor, "B T"]) -> Bool[Tensor, "B N"]:
    """Which predictions are of a word of the answer: the mask of ids without its first column, which nothing predicts.

    Raises TypeError unless it is boolean, ValueError unless [B T].
    """
    check_mask("is_answer", is_answer)
    return is_answer[:, 1:]


def answer_log_probs(log_probs: Float[Tensor, "B N"], is_answer: Bool[Tensor, "B T"]) -> Float[Tensor, " B"]:
    """log p(answer | prompt) of each row: the sum over its words, so longer answers are less likely."""
    return row_sums(log_probs, is_target(is_answer))


def entropies(logits: Float[Tensor, "*rows V"]) -> Float[Tensor, "*rows"]:
    """-Σ p ln p of every distribution, in nats, 0 … ln V. A word ruled out by a logit of -inf adds nothing."""
    check_floating("logits", logits)
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(logits.dtype).min)).sum(-1)


def masked_mean(values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, ""]:
    """Mean over every True of the batch: each token weighs the same. Raises ValueError where there is none."""
    check_masked(values, mask)
    if not mask.any():
        raise ValueError(f"none of the {mask.numel()} places is True; there is nothing to take the mean of")
    return values.masked_fill(~mask, 0).sum() / mask.sum()


def row_sums(values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
    """Sum over each row's True places. Raises ValueError where a row has none."""
    check_masked(values, mask)
    check_answered(mask)
    return values.masked_fill(~mask, 0).sum(1)


def row_means(values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, " B"]:
    """Mean over each row's True places: each answer weighs the same in the mean of these. Raises as row_sums does."""
    return row_sums(values, mask) / mask.sum(1)


def is_last(mask: Bool[Tensor, "B N"]) -> Bool[Tensor, "B N"]:
    """True at each row's last True."""
    return mask & (mask.flip(1).cumsum(1).flip(1) == 1)


def check_answered(mask: Bool[Tensor, "B N"], use: str = "") -> None:
    """Raise ValueError where a row has no True. use: what it was wanted for."""
    if not (found := mask.any(1)).all():
        rows = (~found).nonzero()[:, 0].tolist()
        raise ValueError(
            f"rows {rows} have no token of an answer{use}; leave them out, or look where the texts were cut"
        )


def check_mask(name: str, mask: Tensor) -> None:
    """Raise TypeError unless the mask is a boolean tensor, ValueError unless it is [B T]."""
    check_tensor(name, mask)
    if mask.dtype != torch.bool:
        raise TypeError(f"{name} must be boolean, True = counts; got {mask.dtype}; try {name} > 0")
    if mask.ndim != 2:
        raise ValueError(f"{name} {tuple(mask.shape)} must be [B T]; for one text alone write {name}[None]")


def check_masked(values: Tensor, mask: Tensor) -> None:
    """Raise unless the mask is boolean and of the values' shape."""
    check_mask("mask", mask)
    check_floating("values", values)
    if values.shape != mask.shape:
        raise ValueError(
            f"values {tuple(values.shape)} and mask {tuple(mask.shape)} must be of one shape; "
            "a mask of ids [B T] is cut to predictions [B T-1] by is_target"
        )

"""A slow copy of a model as its teacher, and a queue of what the teacher has said: contrast beyond the batch.

The slow copy and the queue: MoCo (He et al. 2019, arXiv:1911.05722). Soft targets from the copy: ALBEF (Li et al. 2021,
arXiv:2107.07651, section 3.3), and BLIP (Li et al. 2022, arXiv:2201.12086), which keeps them.
N pairs in a batch · K rows in the queue · M = N + K columns · E width
Read first: contrastive.py.  Chapter 12.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.foundations.checks import check_count, check_within


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Every parameter of the teacher becomes momentum · itself + (1 - momentum) · the student's of the same name.

    The student may have more of them. Raises ValueError where it lacks one, and for a momentum outside 0 … 1.
    """
    check_within("momentum", momentum, 0, 1)
    theirs = dict(student.named_parameters())
    for name, parameter in teacher.named_parameters():
        if name not in theirs or theirs[name].shape != parameter.shape:
            raise ValueError(f"the student has no {name} of shape {tuple(parameter.shape)}; the teacher is its copy")
        parameter.mul_(momentum).add_(theirs[name], alpha=1 - momentum)


class FeatureQueue(nn.Module):
    """The last `capacity` rows that were pushed: first in, first out. Empty at the start, where the paper's code begins
    with random rows. A capacity of 0 keeps nothing."""

    def __init__(self, capacity: int, d_model: int):
        super().__init__()
        check_count("capacity", capacity)
        self.capacity = capacity
        self.register_buffer("slots", torch.zeros(capacity, d_model))
        self.register_buffer("n_pushed", torch.zeros((), dtype=torch.int64))

    def rows(self) -> Float[Tensor, "K E"]:
        """What is held, K at most `capacity`; in no order that matters."""
        return self.slots[: min(int(self.n_pushed), self.capacity)]

    @torch.no_grad()
    def push(self, features: Float[Tensor, "N E"]) -> None:
        """The oldest rows make room. Of more rows than there is room for, the last ones stay."""
        n_new = len(features)
        places = (int(self.n_pushed) + torch.arange(n_new, device=features.device))[-self.capacity :]
        if self.capacity:
            self.slots[places % self.capacity] = features[-self.capacity :].to(self.slots)
        self.n_pushed += n_new


def soft_targets(logits: Float[Tensor, "N M"], alpha: float) -> Float[Tensor, "N M"]:
    """alpha · what the teacher thinks, softmax(logits), + (1 - alpha) · the labels: row i belongs to column i.

    The teacher may know what the labels do not: that another caption fits, too. alpha 0: the labels alone.
    """
    check_within("alpha", alpha, 0, 1)
    labels = torch.eye(*logits.shape, device=logits.device, dtype=logits.dtype)
    return alpha * logits.softmax(dim=-1) + (1 - alpha) * labels


def soft_nce(logits: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
    """Mean over rows of -Σ target · log softmax(logits). With one-hot targets it is info_nce with M columns."""
    if logits.shape != targets.shape or logits.shape[0] > logits.shape[1]:
        raise ValueError(f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} must be [N M], M ≥ N, alike")
    return cross_entropy(logits, targets)

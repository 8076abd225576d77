"""A reward model: a language model whose last word is a number, learned from which of two answers people prefer.

B pairs · T tokens · D width
    p(chosen preferred to rejected) = σ(r(chosen) - r(rejected))       Bradley and Terry 1952
    loss = -mean of log σ(r(chosen) - r(rejected) - margin)            Ouyang et al. 2022, arXiv:2203.02155, eq. 1
           + centring · mean of (r(chosen) + r(rejected))²             Eisenstein et al. 2023, arXiv:2312.09244, eq. 2
Only differences between answers to one prompt are learned; a score by itself says nothing. Centring draws them to 0.
margin: how clearly people preferred it, in units of the score (Touvron et al. 2023, arXiv:2307.09288, eq. 2).
    loss = partial(reward_loss, centring=0.01); update = Update(RewardModel(model), settings, loss=loss)
Read first: sft.py.  Chapter 20.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from course_lib.posttraining.log_probs import check_answered, check_mask, is_last


class RewardModel(nn.Module):
    """body: a GPT2, Llama or any with its `hidden` and `config.d_model`; it is trained on, not copied."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body
        self.head = nn.Linear(body.config.d_model, 1, bias=False)
        nn.init.normal_(self.head.weight, std=body.config.d_model**-0.5)

    def forward(
        self, ids: Int[Tensor, "B T"], is_answer: Bool[Tensor, "B T"], is_token: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, " B"]:
        """The score of each row's last answer, read at its last token, which has seen all before it.

        is_token: False on padding, on either side. Raises as last_places does.
        """
        hidden = self.body.hidden(ids, is_token=is_token)
        rows = torch.arange(len(ids), device=ids.device)
        return self.head(hidden[rows, last_places(is_answer)])[:, 0]


def last_places(mask: Bool[Tensor, "B T"]) -> Int[Tensor, " B"]:
    """Where each row's last True stands. Raises TypeError unless it is boolean, ValueError where a row has none."""
    check_mask("is_answer", mask)
    check_answered(mask, " to read the score at")
    return is_last(mask).byte().argmax(1)


def bradley_terry(
    chosen: Float[Tensor, " B"], rejected: Float[Tensor, " B"], margin: Float[Tensor, " B"] | None = None
) -> Float[Tensor, ""]:
    """Mean of -log σ(chosen - rejected - margin): ln 2 where scores are equal, and 0 when they are sure and right.

    Raises ValueError for scores or margins that are no numbers, for shapes that differ, and for a margin below 0.
    """
    check_scores(chosen=chosen, rejected=rejected, **({} if margin is None else {"margin": margin}))
    if margin is None:
        return -logsigmoid(chosen - rejected).mean()
    if (margin < 0).any():
        raise ValueError(f"a margin of {float(margin.min())} asks for the rejected answer to win; swap that pair")
    return -logsigmoid(chosen - rejected - margin).mean()


def off_centre(chosen: Float[Tensor, " B"], rejected: Float[Tensor, " B"]) -> Float[Tensor, ""]:
    """Mean of (chosen + rejected)²: 0 where the two scores of every pair lie around 0."""
    check_scores(chosen=chosen, rejected=rejected)
    return (chosen + rejected).square().mean()


def accuracy(chosen: Float[Tensor, " B"], rejected: Float[Tensor, " B"]) -> Float[Tensor, ""]:
    """Share of pairs in which the chosen answer scores higher; equal scores are wrong."""
    check_scores(chosen=chosen, rejected=rejected)
    return (chosen > rejected).double().mean()


def reward_loss(
    model: RewardModel, batch: dict, *, centring: float = 0.0
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """The loss of a batch of pairs, and what to watch: accuracy, mean gap between the scores, mean score.

    batch: "chosen" and "rejected", each as from sft.padded of Chat.answered, row i of both being one pair; "margin" [B]
    if there is one.
    Raises ValueError for a negative centring.
    """
    if not centring >= 0:
        raise ValueError(f"centring ({centring}) must be at least 0; 0.01 is usual")
    chosen, rejected = (
        model(part["ids"], part["is_answer"], part["is_token"]) for part in (batch["chosen"], batch["rejected"])
    )
    loss = bradley_terry(chosen, rejected, batch.get("margin")) + centring * off_centre(chosen, rejected)
    chosen, rejected = chosen.detach(), rejected.detach()
    gap, mean = (chosen - rejected).mean(), (chosen + rejected).mean() / 2
    return loss, {"accuracy": accuracy(chosen, rejected), "gap": gap, "mean": mean}


def check_scores(**scores: Tensor) -> None:
    """Raise ValueError unless all are [B] of one length, at least 1, without NaN and infinity."""
    shapes = {name: tuple(each.shape) for name, each in scores.items()}
    if len(set(shapes.values())) > 1 or scores["chosen"].ndim != 1 or not len(scores["chosen"]):
        raise ValueError(f"{shapes} must all be [B], one number a pair, at least one pair")
    for name, each in scores.items():
        if not each.isfinite().all():
            rows = (~each.isfinite()).nonzero()[:, 0].tolist()
            raise ValueError(f"{name} of pairs {rows} is {each[rows].tolist()}; every score must be a finite number")

"""DPO: preferences as classification (Rafailov et al. 2023, arXiv:2305.18290).

N pairs of answers, one preferred ("chosen") to the other ("rejected")
    d = log π(answer) - log ref(answer), of a whole answer: kl.log_ratio of log_probs.answer_log_probs
    loss = - mean of log σ(β (d_chosen - d_rejected))                                         equation 7
The policy is its own reward model: β d is the reward that it would be the best policy for, up to a constant that a pair
does not see (equation 5). At the start d = 0, and the loss is log 2. It asks for a difference: both answers may fall.
Siblings with the same (chosen, rejected, beta): ipo.py, hinge.py, label_noise.py.
Read first: log_probs.py, kl.py.  Chapter 22.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from course_lib.posttraining.checks import check_alike, check_positive
from course_lib.posttraining.kl import log_ratio
from course_lib.posttraining.log_probs import is_target, row_means, row_sums, token_log_probs


def margins(chosen: Float[Tensor, " N"], rejected: Float[Tensor, " N"], beta: float) -> Float[Tensor, " N"]:
    """β (d_chosen - d_rejected): by how much the implicit reward of the one is above the other's.

    Raises ValueError for shapes that differ, for no pair, and unless β is above 0.
    """
    check_positive("beta", beta)
    check_alike(chosen=chosen, rejected=rejected)
    if chosen.ndim != 1 or not len(chosen):
        raise ValueError(f"chosen {tuple(chosen.shape)} must be [N], one log-ratio for each answer, N at least 1")
    return beta * (chosen - rejected)


def dpo_loss(chosen: Float[Tensor, " N"], rejected: Float[Tensor, " N"], *, beta: float = 0.1) -> Float[Tensor, ""]:
    """chosen, rejected: the answers' d. The gradient by d_chosen is -β σ(-margin)/N: a wrong order pulls most."""
    return -logsigmoid(margins(chosen, rejected, beta)).mean()


def implicit_rewards(d: Float[Tensor, " N"], *, beta: float = 0.1) -> Float[Tensor, " N"]:
    """β d. The loss multiplies by β itself: give it d."""
    check_positive("beta", beta)
    return beta * d


def on_pairs(
    model: nn.Module,
    batch: Mapping[str, Any],
    *,
    loss: Callable[..., Tensor],
    per_token: bool = False,
    **settings: Any,
) -> tuple[Tensor, dict[str, float]]:
    """For Update: loss=partial(on_pairs, loss=dpo_loss, beta=0.1), and so for its siblings.

    batch: {"chosen": {ids, is_token, is_answer [N T], reference [N]}, "rejected": the same, with a T of its own};
    reference: `answer_scores` of the frozen model, once before training, with the same per_token. per_token: means
    instead of sums over an answer's tokens, for ipo. Both answers of a pair begin with the same prompt.
    """
    d = {
        side: log_ratio(answer_scores(model, batch[side], per_token=per_token), batch[side]["reference"])
        for side in ("chosen", "rejected")
    }
    means = {side: each.mean().item() for side, each in d.items()}
    right = (d["chosen"] > d["rejected"]).float().mean().item()
    return loss(d["chosen"], d["rejected"], **settings), {**means, "accuracy": right}


def answer_scores(model: nn.Module, batch: Mapping[str, Tensor], *, per_token: bool = False) -> Float[Tensor, " N"]:
    """log π(answer | prompt) of each row; per_token: divided by the answer's length. Under torch.no_grad() for a
    reference, and in eval mode: dropout would move d away from 0 before any training."""
    log_probs = token_log_probs(model(batch["ids"], is_token=batch["is_token"]), batch["ids"])
    return (row_means if per_token else row_sums)(log_probs, is_target(batch["is_answer"]))

"""GRPO: the group is the baseline (DeepSeekMath, Shao et al. 2024, arXiv:2402.03300, section 4.1).

G answers to each of P prompts, B = P G rows, a prompt's answers next to each other · N = T - 1 predictions, as in
log_probs.py; mask: is_target(is_answer)
    A_i = (r_i - mean of the group) / (std of the group + 1e-4)           one number for all tokens of answer i
    L = - 1/B Σ_i 1/|o_i| Σ_t [min(ratio · A_i, clip(ratio) · A_i) - β k3]          equation 3, ratio = π / π_old
The answers are π_old's. 1/|o_i| makes each answer weigh the same, so a token of a long one weighs less: dr_grpo.py and
dapo.py divide by something else. At the first update on fresh answers the ratio is 1: the loss is 0, its gradient not.
The paper has β = 0.04, TRL 0. Its std divides by G - 1, as TRL's; the paper does not say.
Read first: kl.py, ppo.py.  Chapter 23.
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_within
from course_lib.posttraining.checks import check_alike, check_numbers, check_positive
from course_lib.posttraining.kl import k3, log_ratio, reweighed
from course_lib.posttraining.log_probs import check_masked, is_target, row_means, token_log_probs
from course_lib.posttraining.ppo import surrogate

LEAST_STD = 1e-4


def group_advantages(rewards: Float[Tensor, "P G"]) -> Float[Tensor, " P*G"]:
    """(r - mean) / (std + 1e-4) within each group; exactly 0 where all of a group are equal. `.view(-1, G)` of the
    rewards of B rows gives the groups. Raises ValueError for NaN, and for groups of one."""
    centred = centred_rewards(rewards)
    return (centred / (rewards.std(1, keepdim=True) + LEAST_STD)).flatten()


def centred_rewards(rewards: Float[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """r - mean of the group; exactly 0, not a rounding error over 1e-4, where all are equal."""
    check_numbers("rewards", rewards)
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards {tuple(rewards.shape)} must be [P G] with G >= 2: one answer has nothing to beat")
    return (rewards - rewards.mean(1, keepdim=True)).masked_fill(~teaches(rewards)[:, None], 0)


def teaches(rewards: Float[Tensor, "P G"]) -> Bool[Tensor, " P"]:
    """Whether a group's rewards differ. Those that do not have advantages of 0: they pull only towards the reference,
    and DAPO leaves them out (arXiv:2503.14476, section 3.2)."""
    return (rewards != rewards[:, :1]).any(1)


def kl_penalty(
    log_probs: Float[Tensor, "B N"],
    reference: Float[Tensor, "B N"],
    *,
    beta: float,
    old: Float[Tensor, "B N"] | None = None,
) -> Float[Tensor, "B N"]:
    """β k3 of every token. old: with it k3 is reweighed by π / π_old (DeepSeek-V3.2), which changes the gradient even
    where the ratio is 1; TRL does so since 1.10. Raises ValueError unless β is above 0."""
    if not beta > 0:
        raise ValueError(f"beta ({beta}) must be above 0; without a penalty leave it out")
    kl = k3(log_ratio(log_probs, reference))
    return beta * (kl if old is None else reweighed(kl, log_probs, old))


def token_losses(
    log_probs: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    advantages: Float[Tensor, " B"],
    mask: Bool[Tensor, "B N"],
    low: float,
    high: float,
    penalty: Float[Tensor, "B N"] | None,
) -> Float[Tensor, "B N"]:
    """- the surrogate of every token, each with its answer's advantage, + the penalty. Raises as `surrogate` does."""
    check_masked(log_probs, mask)
    check_rows(advantages, log_probs)
    losses = -surrogate(log_ratio(log_probs, old, "old"), advantages[:, None].expand_as(log_probs), low, high)
    if penalty is None:
        return losses
    check_alike(losses=losses, penalty=penalty)
    return losses + penalty


def grpo_loss(
    log_probs: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    advantages: Float[Tensor, " B"],
    mask: Bool[Tensor, "B N"],
    *,
    clip: float = 0.2,
    penalty: Float[Tensor, "B N"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over the tokens of each answer, then over answers. penalty: kl_penalty(…)."""
    return row_means(token_losses(log_probs, old, advantages, mask, clip, clip, penalty), mask).mean()


def on_answers(
    model: nn.Module,
    batch: dict[str, Tensor],
    *,
    loss: Callable[..., Tensor],
    beta: float = 0.0,
    reweigh: bool = False,
    temperature: float = 1.0,
    **settings: Any,
) -> tuple[Tensor, dict[str, float]]:
    """For Update: loss=partial(on_answers, loss=grpo_loss, beta=0.04), and so for dr_grpo, dapo and gspo.

    batch: as rollout.RollOut gives it: ids, is_token, is_answer [B T], old [B N]; and advantages [B]; with β above 0
    also reference [B N]. reweigh: the penalty by π / π_old. temperature: the roll-out's, else no ratio would start at
    1. A loss that is a mean over tokens (dapo) needs weigh=sft.n_targets. The figure kl is k3, averaged as the loss
    averages, so that pieces of a batch add up to it as to the loss.
    """
    check_within("beta", beta, 0, float("inf"))
    if beta and "reference" not in batch:
        raise ValueError(f"beta is {beta}, but the batch has no reference; add the frozen model's log-probabilities")
    ids, old, mask = batch["ids"], batch["old"], is_target(batch["is_answer"])
    check_positive("temperature", temperature)
    log_probs = token_log_probs(model(ids, is_token=batch["is_token"]) / temperature, ids)
    if not beta:
        return loss(log_probs, old, batch["advantages"], mask, **settings), {}
    penalty = kl_penalty(log_probs, batch["reference"], beta=beta, old=old if reweigh else None)
    value = loss(log_probs, old, batch["advantages"], mask, penalty=penalty, **settings)
    held = loss(log_probs.detach(), old, 0 * batch["advantages"], mask, penalty=penalty.detach(), **settings)
    return value, {"kl": held.item() / beta}


def check_rows(advantages: Tensor, log_probs: Tensor) -> None:
    """Raise ValueError unless there is one advantage for each row."""
    if advantages.shape != log_probs.shape[:1]:
        raise ValueError(
            f"advantages {tuple(advantages.shape)} must be [B], one for each of the {len(log_probs)} answers"
        )

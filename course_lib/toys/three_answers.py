"""A world of so few answers that all of it can be written down: what a policy earns, and what it should become.

N answers (three make a triangle: a policy is a point in it)
A policy π and its reference are given as log-probabilities [N]; r is the reward of each answer.
    J(π) = Σ π r - β KL(π ‖ π_ref)                         what RLHF maximises
    π* = π_ref exp(r / β) / Z,   J(π*) = β log Z           its maximum (Rafailov et al. 2023, arXiv:2305.18290, eq. 4)
    J(π*) - J(π) = β KL(π ‖ π*)                            what any policy lacks (appendix A.1)
Everything is exact and differentiable; where a method samples, token_mdp.py and drawn_preferences.py draw from here.
Read first: bandit.py, posttraining/kl.py.  Chapters 20 to 24.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.foundations.checks import check_floating
from course_lib.posttraining.kl import exact_kl


@dataclass(frozen=True, eq=False)
class World:
    """reference: log π_ref of each answer. reward: r of each. beta: how much a nat of KL costs, above 0."""

    reference: Float[Tensor, " N"]
    reward: Float[Tensor, " N"]
    beta: float

    def __post_init__(self):
        check_floating("reward", self.reward)
        if not self.reward.isfinite().all():
            raise ValueError(f"reward {self.reward.tolist()} must be finite numbers")
        if abs(float(self.reference.logsumexp(0))) > 1e-5:
            total = float(self.reference.exp().sum())
            raise ValueError(f"the reference's probabilities add up to {total:.6g}; give log-probabilities of all")
        if not 0 < self.beta < float("inf"):
            raise ValueError(f"beta ({self.beta}) must be above 0: with 0 nothing holds the policy to its reference")

    @property
    def best(self) -> Float[Tensor, " N"]:
        """log π*: the reference, tilted towards what is rewarded."""
        return (self.reference + self.reward / self.beta).log_softmax(0)

    def worth(self, policy: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        """J(π): mean reward less β · KL to the reference."""
        return policy.exp() @ self.reward - self.beta * exact_kl(policy, self.reference)

    def gradient(self, logits: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        """∂J/∂logits of the softmax policy: π (f - Σ π f), f = r - β log(π / π_ref). The policy's own log-probability
        has mean gradient 0 and adds nothing more."""
        policy = logits.log_softmax(0)
        f = self.reward - self.beta * (policy - self.reference)
        return policy.exp() * (f - policy.exp() @ f)

    def lacks(self, policy: Float[Tensor, " N"]) -> Float[Tensor, ""]:
        """J(π*) - J(π), by its closed form β · KL(π ‖ π*): 0 at the best policy alone."""
        return self.beta * exact_kl(policy, self.best)


def three_answers(beta: float = 0.5) -> World:
    """The triangle of chapters 22 to 24: the reference likes the middling answer best and the good one least."""
    probs = torch.tensor([0.15, 0.55, 0.3], dtype=torch.float64)
    return World(probs.log(), torch.tensor([1.0, 0.4, -0.6], dtype=torch.float64), beta)

"""What k1, k2, k3 are worth, exactly: over three answers their means, spreads and mean gradients can be summed.

K answers · a policy that has gone some way from the reference of the triangle, towards the good answer.
Chapter 23.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.posttraining.kl import exact_kl, k1, k2, k3, reweighed
from course_lib.toys.three_answers import three_answers

KINDS = {"k1": k1, "k2": k2, "k3": k3}
WEIGHED = "k3 × 比值"
WAY = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)


def policy_at(distance: float) -> Float[Tensor, " K"]:
    """Logits."""
    return three_answers().reference + distance * WAY


def spread(distance: float) -> dict[str, tuple[float, float, float]]:
    """Of each estimator, of one answer that the policy drew: mean, standard deviation, smallest value."""
    policy = policy_at(distance).log_softmax(0)
    d, found = policy - three_answers().reference, {}
    for name, kind in KINDS.items():
        value = kind(d)
        mean = policy.exp() @ value
        found[name] = (float(mean), float((policy.exp() @ (value - mean) ** 2).sqrt()), float(value.min()))
    return found


def mean_gradients(distance: float) -> dict[str, Float[Tensor, " K"]]:
    """By the logits, of the mean over answers that the policy drew, as a loss has it: the draws stand still."""
    logits = policy_at(distance).requires_grad_()
    policy = logits.log_softmax(0)
    drawn, held = policy.exp().detach(), policy.detach()
    d = policy - three_answers().reference
    losses = {name: drawn @ kind(d) for name, kind in KINDS.items()}
    losses[WEIGHED] = drawn @ reweighed(k3(d), policy, held)
    return {name: torch.autograd.grad(loss, logits, retain_graph=True)[0] for name, loss in losses.items()}


def both_directions(distance: float) -> dict[str, Float[Tensor, " K"]]:
    """The exact gradients of KL(π ‖ ref) and KL(ref ‖ π)."""
    reference, found = three_answers().reference, {}
    for name, way in (("KL(π‖ref)", 1), ("KL(ref‖π)", -1)):
        logits = policy_at(distance).requires_grad_()
        (found[name],) = torch.autograd.grad(exact_kl(*(logits, reference)[::way]), logits)
    return found

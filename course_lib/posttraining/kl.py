"""How far a policy has gone from its reference: exactly, and estimated from the tokens that it wrote.

KL(π ‖ ref) = E_π[d], d = log π(token) - log ref(token) of a token that π drew. Three estimators of one token's share
(Schulman 2020, http://joschu.net/blog/kl-approx.html):
    k1 = d                  its mean is KL; a single one may be negative
    k2 = d²/2               never negative; its mean is KL only to second order
    k3 = exp(-d) - 1 + d    never negative, and its mean is KL; DeepSeekMath's (arXiv:2402.03300, equation 4)
What they are worth as a loss is another matter, since the tokens are not drawn anew while π moves:
    E ∇k1 = 0    E ∇k2 = ∇KL(π ‖ ref)    E ∇k3 = ∇KL(ref ‖ π), the other direction
k1 belongs into the reward, as PPO has it; k3 as a loss is right once weighed by π / π_old: `reweighed`.
V vocabulary
Read first: log_probs.py.  Chapters 21 and 23.
"""

from jaxtyping import Float
from torch import Tensor

from course_lib.posttraining.checks import check_alike, check_frozen


def exact_kl(logits: Float[Tensor, "*rows V"], reference: Float[Tensor, "*rows V"]) -> Float[Tensor, "*rows"]:
    """KL(π ‖ ref) of each pair of distributions over V, in nats. What π rules out (logit -inf) adds nothing; what the
    reference alone rules out makes it infinite. Raises ValueError for shapes that differ."""
    check_alike(logits=logits, reference=reference)
    log_probs = logits.log_softmax(-1)
    difference = log_probs - reference.log_softmax(-1)
    return (log_probs.exp() * difference.masked_fill(log_probs.isneginf(), 0)).sum(-1)


def log_ratio(
    log_probs: Float[Tensor, "*rows"], reference: Float[Tensor, "*rows"], name: str = "reference"
) -> Float[Tensor, "*rows"]:
    """d = log π - log ref of each token, or of each answer. name: what errors call the reference. Raises ValueError for
    shapes that differ, and for a reference that asks for gradients."""
    check_alike(log_probs=log_probs, **{name: reference})
    check_frozen(**{name: reference})
    return log_probs - reference


def k1(d: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    return d


def k2(d: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    return d**2 / 2


def k3(d: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    """expm1, since exp(-d) - 1 in float32 loses d² where d is small: half of what it gives is then below 0."""
    return (-d).expm1() + d


def reweighed(
    kl: Float[Tensor, "*rows"], log_probs: Float[Tensor, "*rows"], old: Float[Tensor, "*rows"]
) -> Float[Tensor, "*rows"]:
    """kl · π / π_old, of tokens that π_old drew: its mean is then π's own, and so is its gradient, ∇KL(π ‖ ref) for k3
    (DeepSeek-V3.2, arXiv:2512.02556, equation 7). That is of one token after its prefix: what the token leads to later
    stays out of the gradient. kl: with its gradient."""
    return kl * log_ratio(log_probs, old, "old").exp()

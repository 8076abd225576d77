"""DPO and its siblings: what they ask for, on worlds of few answers whose best policy is known exactly."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import logsigmoid

from course_lib.posttraining.dpo import dpo_loss, implicit_rewards, margins
from course_lib.posttraining.hinge import hinge_loss
from course_lib.posttraining.ipo import ipo_loss
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.label_noise import cautious_loss, robust_loss

SEEDS, BETAS, SHARES = st.integers(0, 2**32), st.floats(0.05, 2), st.floats(0, 0.45)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(one, other, bound: float = 1e-12) -> None:
    torch.testing.assert_close(one, torch.as_tensor(other, dtype=one.dtype).broadcast_to(one.shape), atol=bound, rtol=0)


def one_pair(loss, m: float, **settings) -> float:
    """One pair of the given margin at β = 1."""
    return float(loss(torch.tensor([m]).double(), torch.zeros(1).double(), beta=1.0, **settings))


@given(SEEDS, BETAS)
def test_at_the_reference_every_loss_is_a_known_number(seed, beta):
    none = torch.zeros(5, dtype=torch.float64)
    close(dpo_loss(none, none, beta=beta), math.log(2))
    close(cautious_loss(none, none, beta=beta, flipped=0.2), math.log(2))
    close(robust_loss(none, none, beta=beta, flipped=0.2), math.log(2))
    close(hinge_loss(none, none, beta=beta), 1)
    close(ipo_loss(none, none, beta=beta), 1 / (4 * beta**2), 1e-9)


@given(SEEDS, BETAS)
def test_only_the_difference_counts_and_a_constant_of_the_prompt_does_not(seed, beta):
    """log Z of a prompt stands in both rewards and falls out; so both answers may become less likely."""
    chosen, rejected, z = normal(seed, 6), normal(seed + 1, 6), normal(seed + 2, 6)
    for loss in (dpo_loss, hinge_loss, ipo_loss):
        close(loss(chosen + z, rejected + z, beta=beta), loss(chosen, rejected, beta=beta), 1e-10)
    close(margins(chosen, rejected, beta), implicit_rewards(chosen, beta=beta) - implicit_rewards(rejected, beta=beta))


@given(SEEDS, BETAS)
def test_a_pair_in_the_wrong_order_pulls_most(seed, beta):
    """∂L/∂d_chosen = -β σ(-margin)/N = -∂L/∂d_rejected; no pair ever pulls with more than β/N."""
    chosen, rejected = (5 * normal(seed, 6)).requires_grad_(), (5 * normal(seed + 9, 6)).requires_grad_()
    up, down = torch.autograd.grad(dpo_loss(chosen, rejected, beta=beta), (chosen, rejected))
    close(up, -beta * torch.sigmoid(-margins(chosen, rejected, beta).detach()) / 6)
    close(up, -down)
    assert (up.abs() <= beta / 6).all()


def best(loss, reference: torch.Tensor, wins: torch.Tensor, steps: int = 60) -> torch.Tensor:
    """Logits of the policy that minimises the mean loss, over all ordered pairs in proportion to wins[a, b], "a was
    preferred to b"."""
    logits = reference.clone().requires_grad_()
    first, second = torch.cartesian_prod(*[torch.arange(len(reference))] * 2).T
    optimizer = torch.optim.LBFGS([logits], max_iter=steps, tolerance_grad=1e-14, tolerance_change=0, history_size=20,
                                  line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        optimizer.zero_grad()
        d = logits.log_softmax(-1) - reference.log_softmax(-1)
        total = sum(
            w * loss(d[a, None], d[b, None]) for a, b, w in zip(first, second, wins.flatten().tolist()) if w > 0
        )
        total.backward()
        return total

    for _ in range(4):
        optimizer.step(closure)
    return logits.detach()


def preferences(rewards: torch.Tensor) -> torch.Tensor:
    """Bradley–Terry: how often a is preferred to b, each pair asked equally often."""
    wins = torch.sigmoid(rewards[:, None] - rewards)
    return wins.fill_diagonal_(0)


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_dpo_ends_at_the_closed_form_whatever_the_reference(beta):
    """π* ∝ π_ref · exp(r/β), from preferences alone; and the implicit reward is r up to a constant."""
    reference, rewards = normal(0, 5), normal(1, 5)
    found = best(lambda c, r: dpo_loss(c, r, beta=beta), reference, preferences(rewards))
    expected = reference + rewards / beta
    assert float(exact_kl(expected, found)) < 1e-12
    d = found.log_softmax(-1) - reference.log_softmax(-1)
    off = implicit_rewards(d, beta=beta) - rewards
    close(off - off[0], 0, 1e-6)


def test_flipped_labels_are_undone_by_rdpo_and_only_softened_by_cdpo():
    reference, rewards, flipped, beta = normal(0, 4), 2 * normal(1, 4), 0.2, 0.5
    clean = preferences(rewards)
    noisy = (1 - flipped) * clean + flipped * clean.T
    expected = reference + rewards / beta
    far = {
        "dpo": best(lambda c, r: dpo_loss(c, r, beta=beta), reference, noisy),
        "cautious": best(lambda c, r: cautious_loss(c, r, beta=beta, flipped=flipped), reference, noisy),
        "robust": best(lambda c, r: robust_loss(c, r, beta=beta, flipped=flipped), reference, noisy),
    }
    far = {name: float(exact_kl(expected, found)) for name, found in far.items()}
    assert far["robust"] < 1e-10
    assert far["cautious"] > 2 * far["dpo"] > 2e-3  # smoothing flattens labels that noise has flattened already


@given(SEEDS, BETAS, SHARES)
def test_the_mean_of_rdpo_over_flips_is_the_clean_loss(seed, beta, flipped):
    chosen, rejected = normal(seed, 6).requires_grad_(), normal(seed + 1, 6)
    mean = (1 - flipped) * robust_loss(chosen, rejected, beta=beta, flipped=flipped) + flipped * robust_loss(
        rejected, chosen, beta=beta, flipped=flipped
    )
    clean = dpo_loss(chosen, rejected, beta=beta)
    close(mean, float(clean.detach()), 1e-11)
    close(*(torch.autograd.grad(x, chosen)[0] for x in (mean, clean)), 1e-11)
    close(cautious_loss(chosen, rejected, beta=beta, flipped=0.0), float(clean.detach()))
    close(robust_loss(chosen, rejected, beta=beta, flipped=0.0), float(clean.detach()))


def test_where_the_margin_stops():
    """IPO at 1/(2 β), hinge at 1/β, cDPO at log((1 - ε)/ε) / β; DPO and rDPO never."""
    for loss, stop, settings in (
        (ipo_loss, 0.5, {}),
        (cautious_loss, math.log(0.9 / 0.1), {"flipped": 0.1}),
    ):
        around = [one_pair(loss, stop + step, **settings) for step in (-1e-3, 0, 1e-3)]
        assert around[1] < min(around[0], around[2])
    assert one_pair(hinge_loss, 1.0) == 0 < one_pair(hinge_loss, 0.999)
    assert one_pair(hinge_loss, 30.0) == 0
    for loss, settings in ((dpo_loss, {}), (robust_loss, {"flipped": 0.1})):
        assert one_pair(loss, 20.0, **settings) > one_pair(loss, 21.0, **settings)


def test_ipo_keeps_the_reference_where_one_answer_always_wins():
    """DPO does not: its policy gives the loser nothing. Two answers, a always preferred; the reference likes b."""
    reference = torch.tensor([-2.0, 0.0], dtype=torch.float64)
    wins = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    by_ipo = best(lambda c, r: ipo_loss(c, r, beta=0.5), reference, wins)
    close((by_ipo[0] - by_ipo[1]) - (reference[0] - reference[1]), 1.0, 1e-9)  # 1/(2 β)
    by_dpo = best(lambda c, r: dpo_loss(c, r, beta=0.5), reference, wins)
    assert by_dpo[0] - by_dpo[1] > 20


def test_a_large_margin_is_as_exact_as_a_small_one():
    """log σ, not the logarithm of σ, which is -inf from -750 on."""
    for m in (-800.0, 800.0):
        assert one_pair(dpo_loss, m) == pytest.approx(max(-m, 0.0))
        assert float(-logsigmoid(torch.tensor(m).double())) == one_pair(dpo_loss, m)

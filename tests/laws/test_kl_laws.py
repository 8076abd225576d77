"""KL and its estimators, every mean by summing over all V tokens: nothing is drawn."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import kl_div

from course_lib.posttraining.kl import exact_kl, k1, k2, k3, log_ratio, reweighed

SEEDS, SIZES = st.integers(0, 2**32), st.integers(2, 9)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(one, other, bound: float = 1e-12) -> None:
    torch.testing.assert_close(one, other, atol=bound, rtol=0)


def mean(of, logits, reference):
    """E_π of an estimator, over all tokens; the probabilities stand still, as those of drawn tokens do."""
    log_probs = logits.log_softmax(-1)
    return (log_probs.exp().detach() * of(log_ratio(log_probs, reference.log_softmax(-1)))).sum()


@given(SEEDS, SIZES)
def test_exact_kl_is_its_definition_and_never_negative(seed, n):
    logits, reference = normal(seed, 3, n), normal(seed + 1, 3, n)
    found = exact_kl(logits, reference)
    close(found, kl_div(reference.log_softmax(-1), logits.log_softmax(-1), reduction="none", log_target=True).sum(-1))
    assert (found >= -1e-12).all()
    close(exact_kl(logits, logits + 5), torch.zeros(3, dtype=torch.float64))


def test_exact_kl_at_the_edge_of_the_support():
    some = torch.tensor([0.0, 0.0, -torch.inf], dtype=torch.float64, requires_grad=True)
    all_three = torch.zeros(3, dtype=torch.float64)
    found = exact_kl(some, all_three)
    close(found, torch.tensor(1.5, dtype=torch.float64).log())
    assert torch.autograd.grad(found, some)[0].isfinite().all()
    assert exact_kl(all_three, some) == torch.inf


@given(SEEDS, SIZES)
def test_k1_and_k3_have_kl_as_their_mean_and_k2_and_k3_are_never_negative(seed, n):
    logits, reference = 2 * normal(seed, n), normal(seed + 1, n)
    kl = exact_kl(logits, reference)
    close(mean(k1, logits, reference), kl)
    close(mean(k3, logits, reference), kl)
    d = 3 * normal(seed + 2, 50)
    assert (k2(d) >= 0).all() and (k3(d) >= 0).all() and (k1(d) < 0).any()
    assert k2(d * 0).eq(0).all() and k3(d * 0).eq(0).all()


@given(SEEDS, SIZES)
def test_k2_is_right_to_second_order_only(seed, n):
    """Ten times nearer, its bias falls a thousandfold, and KL itself a hundredfold."""
    reference, step = normal(seed, n), normal(seed + 1, n)
    near, nearer = (
        abs(float(mean(k2, reference + size * step, reference) - exact_kl(reference + size * step, reference)))
        for size in (1e-2, 1e-3)
    )
    far = float(exact_kl(reference + 1e-2 * step, reference))
    assert nearer < near / 300 + 1e-14 and near < 0.2 * far


@given(SEEDS, SIZES)
def test_what_each_gradient_estimates(seed, n):
    logits, reference = normal(seed, n).requires_grad_(), normal(seed + 1, n)

    def gradient(value):
        return torch.autograd.grad(value, logits)[0]

    close(gradient(mean(k1, logits, reference)), torch.zeros(n, dtype=torch.float64))
    close(gradient(mean(k2, logits, reference)), gradient(exact_kl(logits, reference)))
    close(gradient(mean(k3, logits, reference)), gradient(exact_kl(reference, logits)))


@given(SEEDS, SIZES)
def test_reweighed_k3_is_kl_in_value_and_gradient_whoever_drew(seed, n):
    """And k1 in the reward, with REINFORCE's gradient, too: E[∇log π · k1] = ∇KL."""
    logits, reference, old = normal(seed, n).requires_grad_(), normal(seed + 1, n), normal(seed + 2, n)
    log_probs, log_old = logits.log_softmax(-1), old.log_softmax(-1)
    d = log_ratio(log_probs, reference.log_softmax(-1))
    (expected,) = torch.autograd.grad(exact_kl(logits, reference), logits)
    for kl in (k1, k3):
        value = (log_old.exp() * reweighed(kl(d), log_probs, log_old)).sum()
        close(value, exact_kl(logits, reference))
        close(torch.autograd.grad(value, logits, retain_graph=True)[0], expected)
    reinforce = (log_probs.exp().detach() * log_probs * k1(d).detach()).sum()
    close(torch.autograd.grad(reinforce, logits)[0], expected)


def test_k3_scatters_less_nearby_and_more_far_away():
    reference = normal(0, 6)

    def spread(of, logits):
        d = logits.log_softmax(-1) - reference.log_softmax(-1)
        p = logits.softmax(-1)
        return float((p * of(d) ** 2).sum() - (p * of(d)).sum() ** 2)

    near = reference + 0.05 * normal(1, 6)
    far = reference + torch.tensor([-9.0, 0, 0, 0, 0, 0])
    assert spread(k3, near) < spread(k1, near) / 100
    assert spread(k3, far) > 10 * spread(k1, far)


def test_token_by_token_kl_forgets_what_a_token_leads_to():
    """Two tokens: Σ_t of reweighed k3 has the mean of the answers' KL while π drew, but not its gradient; that of the
    whole answer has both."""
    first, second = normal(0, 3).requires_grad_(), normal(1, 3, 3).requires_grad_()
    a, b = (x.log_softmax(-1) for x in (first, second))
    ra, rb = (x.log_softmax(-1) for x in (normal(2, 3), normal(3, 3, 3)))
    joint, reference = a[:, None] + b, ra[:, None] + rb
    p = joint.exp().detach()
    exact = (joint.exp() * (joint - reference)).sum()
    one = reweighed(k3(log_ratio(a, ra)), a, a.detach())[:, None] + reweighed(k3(log_ratio(b, rb)), b, b.detach())
    whole = reweighed(k3(log_ratio(joint, reference)), joint, joint.detach())
    close((p * one).sum(), exact)
    close((p * whole).sum(), exact)
    wanted = torch.autograd.grad(exact, (first, second), retain_graph=True)
    close(torch.autograd.grad((p * whole).sum(), (first, second), retain_graph=True), wanted)
    got = torch.autograd.grad((p * one).sum(), (first, second), retain_graph=True)
    close(got[1], wanted[1])  # after the last token nothing follows
    assert (got[0] - wanted[0]).abs().max() > 0.03


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
def test_k3_in_float32_is_k3_however_near(size):
    d = (size * normal(0, 1000)).float()
    exact = (d.double() ** 2 / 2 - d.double() ** 3 / 6 + d.double() ** 4 / 24 - d.double() ** 5 / 120).mean()
    assert abs(float(k3(d).double().mean() / exact) - 1) < 1e-3
    assert float(k3(d).min()) > -1e-7 * size


@pytest.mark.parametrize("far", [30.0, 80.0])
def test_k3_stays_exact_where_a_token_became_unlikely(far):
    d = torch.tensor([-far], dtype=torch.float64)
    close(k3(d) / torch.tensor([far], dtype=torch.float64).exp(), torch.ones(1, dtype=torch.float64), 1e-10)

"""Chapter 23 in its two small worlds: where GRPO settles, and what it makes of a model that imitated errors."""

import copy
import math
from functools import partial

import pytest
import torch

from course_lib.chapters.ch23_grpo.learning import (
    compositions,
    follower,
    groups,
    others_advantages,
    past_ceiling,
    reference_pull,
    settles,
    to_best,
)
from course_lib.posttraining.dr_grpo import dr_advantages, dr_grpo_loss
from course_lib.posttraining.grpo import group_advantages
from course_lib.posttraining.kl import exact_kl
from course_lib.toys import sums
from course_lib.toys.sums_answers import LONGEST, accuracy
from course_lib.toys.three_answers import three_answers

WORLD = three_answers()
FAIR = dict(advantages=others_advantages, reweigh=True)


def test_every_composition_comes_once():
    rows = compositions(5, 3).tolist()
    assert len(rows) == math.comb(7, 2) == len({tuple(row) for row in rows})
    assert all(sum(row) == 5 for row in rows)


@pytest.mark.parametrize("reweigh", [False, True])
def test_the_pull_is_the_gradient_of_the_kl_in_its_direction(reweigh):
    logits = torch.tensor([0.3, -1.0, 0.2], dtype=torch.float64, requires_grad=True)
    policy = logits.log_softmax(0)
    kl = exact_kl(policy, WORLD.reference) if reweigh else exact_kl(WORLD.reference, policy)
    (gradient,) = torch.autograd.grad(kl, logits)
    torch.testing.assert_close(reference_pull(policy.detach(), WORLD.reference, reweigh), gradient)


def test_without_the_three_causes_it_settles_at_the_best_and_with_each_elsewhere():
    assert exact_kl(settles(**FAIR), WORLD.best) < 1e-12
    for cause in (
        dict(advantages=group_advantages, reweigh=True),
        dict(advantages=others_advantages, reweigh=False),
        dict(advantages=dr_advantages, reweigh=True),
    ):
        assert exact_kl(settles(**cause), WORLD.best) > 1e-3, cause


def test_a_group_mean_that_includes_the_answer_is_a_higher_beta():
    """The rewards shrink to (G - 1)/G: π ∝ ref · exp(r (G - 1)/(G β))."""
    for G in (2, 8):
        expected = (WORLD.reference + WORLD.reward * (G - 1) / (G * WORLD.beta)).log_softmax(0)
        torch.testing.assert_close(settles(G=G, advantages=dr_advantages, reweigh=True), expected)


def test_k3_settles_where_its_own_direction_says():
    """∇ of E r - β KL(ref ‖ π) is 0 where π = β ref / (λ - r), λ such that it adds up to 1."""
    policy = settles(advantages=others_advantages).exp()
    at = WORLD.beta * WORLD.reference.exp() / policy + WORLD.reward
    torch.testing.assert_close(at, at[:1].expand(3))


@pytest.mark.parametrize("how", [FAIR, dict(advantages=group_advantages), dict(advantages=dr_advantages, epochs=4)])
def test_drawn_answers_end_where_the_mean_gradient_says(how):
    way = to_best(rounds=150, seed=3, **how)
    assert way.kl.shape == (151,) and way.log_probs.shape == (151, 3)
    torch.testing.assert_close(way.log_probs[0], WORLD.reference)
    assert way.kl[0] > 0.5
    there = settles(**{name: each for name, each in how.items() if name != "epochs"})
    assert exact_kl(way.log_probs[-1], there) < 2e-3


def test_one_seed_one_path():
    one, same, other = (to_best(rounds=3, seed=seed).kl for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.fixture(scope="module")
def imitator():
    return follower(steps=60)


def test_the_follower_can_be_asked_and_may_learn(imitator):
    asked = sums.questions("held-out", 60, 5)
    assert 0.2 < accuracy(imitator, asked, sample=True) < 0.8
    assert not imitator.training and all(each.requires_grad for each in imitator.parameters())


def test_grpo_goes_past_what_it_imitated(imitator):
    model, asked = copy.deepcopy(imitator), sums.questions("held-out", 150, 5)
    run = past_ceiling(model, rounds=40)
    assert accuracy(model, asked, sample=True) > accuracy(imitator, asked, sample=True) + 0.15
    rewards = run.figures["reward"]
    assert sum(rewards[-8:]) > sum(rewards[:8]) + 0.8 and set(run.figures) == {"reward", "taught"}


def test_losses_and_penalties_of_the_siblings_run(imitator):
    model = copy.deepcopy(imitator)
    loss = partial(dr_grpo_loss, limit=LONGEST)
    run = past_ceiling(model, rounds=2, epochs=2, advantages=dr_advantages, loss=loss, beta=0.04)
    assert len(run.figures["kl"]) == 4 and run.figures["kl"][0] == pytest.approx(0, abs=1e-6)


def test_where_no_answer_is_right_nothing_is_learned(imitator, monkeypatch):
    monkeypatch.setattr(sums, "reward", lambda answer, target: 0.0)
    model = copy.deepcopy(imitator)
    run = past_ceiling(model, rounds=2)
    assert run.figures["taught"] == [0, 0]
    for before, after in zip(imitator.parameters(), model.parameters()):
        assert torch.equal(before, after)


def test_sizes_of_groups_share_the_number_of_answers(imitator):
    found = groups([2, 8], n=16, make=lambda: copy.deepcopy(imitator), rounds=2)
    assert list(found) == [2, 8] and all(len(run.history) == 2 for _, run in found.values())
    with pytest.raises(ValueError, match="groups of \\[3\\]"):
        groups([2, 3], n=16, make=lambda: imitator)


def test_what_is_asked_is_what_the_demonstrator_was_asked(imitator, monkeypatch):
    asked = []
    monkeypatch.setattr(sums, "right", lambda question: asked.append(question) or "0")
    past_ceiling(copy.deepcopy(imitator), 0.5, "systematic", rounds=2)
    assert asked and all(sums.carries(*sums.numbers(each)) for each in asked)

"""Chapter 21 where every answer is listed: old answers, the clip, and what a critic should say."""

import math

import pytest
import torch

from course_lib.chapters.ch21_ppo import learning
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.toys.three_answers import three_answers


def test_the_first_step_is_the_same_for_all_and_later_ones_part():
    """Where nothing has moved the ratio is 1 and its gradient that of the log-probability."""
    ways = [learning.reuse(loss, seed=3) for loss in learning.LOSSES]
    for way in ways:
        torch.testing.assert_close(way.log_probs[:2], ways[0].log_probs[:2])
        torch.testing.assert_close(way.ratios[0], torch.ones(3, dtype=torch.float64))
        assert way.believed[0] == 0 < way.believed[-1]
        torch.testing.assert_close(way.worth[0], three_answers().worth(three_answers().reference))
    assert all((way.believed.diff() > 0).all() for way in ways[:2]), "a clip makes kinks, the others rise at each step"
    assert not torch.allclose(ways[0].log_probs[2], ways[1].log_probs[2])


def test_without_a_clip_the_same_answers_lead_away_and_with_it_the_policy_stays():
    plain, ratio, clipped = (learning.reuse(loss) for loss in learning.LOSSES)
    for way in (plain, ratio):
        assert way.worth[-1] < way.worth.max() - 0.05 and way.believed[-1] > 4 * way.believed[1]
    assert clipped.worth[-1] > clipped.worth[0] + 0.05
    assert (
        exact_kl(clipped.log_probs[-1], three_answers().reference)
        < 0.1
        < exact_kl(plain.log_probs[-1], three_answers().reference)
    )


def test_unknown_losses_are_refused():
    with pytest.raises(ValueError, match="loss"):
        learning.reuse("TRPO")


def test_on_three_answers_it_comes_near_the_best():
    way = learning.to_best(rounds=150, n=64)
    assert way.log_probs.shape == (151, 3) and way.kl[0] > 0.5 and way.kl[-20:].mean() < 0.05
    world = three_answers()
    torch.testing.assert_close(way.worth, world.worth(world.best) - world.beta * way.kl)
    assert learning.to_best(rounds=3, seed=1).log_probs[-1].tolist() != way.log_probs[3].tolist()


def test_values_are_what_answers_still_bring_penalties_included():
    """By hand, beginning by beginning, from the probabilities of whole answers."""
    strip = learning.strip(5, longest=3)
    with torch.no_grad():
        strip.actor.table += torch.randn(strip.actor.table.shape, generator=torch.Generator().manual_seed(0))
    values = learning.exact_values(strip)
    world, probs = strip.world, strip.actor.listed().exp()
    torch.testing.assert_close(values[0], world.worth(probs.log()).detach(), rtol=1e-9, atol=1e-9)
    ids, is_answer = strip.actor.answers()
    kl = (token_log_probs(strip.actor(ids), ids) - token_log_probs(strip.reference(ids), ids)).detach()
    kl = kl.masked_fill(~is_target(is_answer), 0)
    for first in (1, 2):  # after 平, after 仄: what comes from the second token on
        begun = ids[:, 1] == first
        rest = strip.world.reward[begun] - world.beta * kl[begun, 1:].sum(1)
        torch.testing.assert_close(values[1 + first], (probs[begun] @ rest / probs[begun].sum()).detach())
    assert values[1] == 0, "after 止 nobody writes on"


def test_with_the_exact_critic_the_mean_advantage_is_zero():
    strip = learning.strip(5, longest=3)
    answers = learning.written(strip, 4000, torch.Generator().manual_seed(1))
    batch = learning.judged(strip, answers, whiten=False, exact=True, lam=1.0)
    torch.testing.assert_close(
        batch["advantages"], (batch["returns"] - batch["values"]).masked_fill(~is_target(answers.is_answer), 0)
    )  # not whitened
    first = batch["advantages"][:, 0]
    assert first.mean().abs() < 4 * first.std() / 4000**0.5
    assert learning.judged(strip, answers)["advantages"][is_target(answers.is_answer)].std() == pytest.approx(
        1, abs=1e-3
    )


@pytest.mark.parametrize("exact", [True, False])
def test_on_the_strip_it_comes_nearer_and_the_critic_learns_what_is_true(exact):
    strip = learning.strip(11, longest=3)
    way = learning.taught(strip, rounds=60, exact=exact)
    assert way.kl[-1] < way.kl[0] / 5 and len(way.kl) == 61 and len(way.figures["clipped"]) == 240
    world = strip.world
    torch.testing.assert_close(way.worth, world.worth(world.best) - world.beta * way.kl)
    torch.testing.assert_close(world.reference, way.log_probs[0])
    if not exact:
        visits = way.probs[-1] > 0.02
        rows = strip.actor.rows(strip.actor.answers()[0])[:, :-1][visits]
        rows = rows[is_target(strip.actor.answers()[1])[visits]].unique()
        assert (strip.critic.table - learning.exact_values(strip))[rows].abs().max() < 0.3


def test_a_sweep_is_a_share_of_the_way():
    found = learning.sweep((0.2, math.inf), (0.05,), (0.5,), rounds=10)
    world = learning.strip()
    worth = learning.taught(world, clip=0.2, lr=0.05, rounds=10).worth
    best = world.world.worth(world.world.best)
    assert found.shape == (2, 1, 1) and found[0, 0, 0] == pytest.approx(
        float((worth[-1] - worth[0]) / (best - worth[0]))
    )
    assert found[1, 0, 0] != found[0, 0, 0]

"""Chapter 24's exercises: any correct way passes, and values are what the rooms say."""

import numpy as np
import pytest
import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.posttraining.kl import exact_kl, k1, reweighed
from course_lib.toys.three_answers import World, three_answers


def test_memory_is_four_copies_of_what_learns():
    learns, frozen = 7 * 4 * 4, 7 * 2
    assert get_exercise("24-comparison-1").solution == learns + frozen
    assert get_exercise("24-comparison-1-next").solution == 2 * learns + 2 * frozen


def test_numpys_line_between_looks_passes():
    def by_numpy(kl_a, reward_a, kl_b, reward_b):
        level = min(kl_a[-1], kl_b[-1])
        return np.interp(level, kl_a, reward_a) - np.interp(level, kl_b, reward_b)

    assert judge(get_exercise("24-comparison-2"), by_numpy).passed


def test_a_budget_of_answers_passes_seed_by_seed():
    def by_loops(a, b, n_a, n_b, budget):
        def at(curve, n):
            rounds = [row[: budget // n][-1] for row in curve.tolist()]
            return sum(rounds) / len(rounds)

        return at(a, n_a) - at(b, n_b)

    assert judge(get_exercise("24-comparison-3"), by_loops).passed


def test_reward_and_beta_together_leave_the_best_policy_where_it_is():
    assert judge(get_exercise("24-comparison-4"), lambda s, k, beta, c: c * s - c * beta * k).passed
    world = three_answers()
    together = World(world.reference, 10 * world.reward, 10 * world.beta)
    alone = World(world.reference, 10 * world.reward, world.beta)
    torch.testing.assert_close(together.best, world.best)
    assert float(exact_kl(alone.best, world.best)) > 0.1


def test_the_weighed_estimate_is_the_kl_and_the_plain_one_is_not():
    old, policy, reference = (torch.tensor(p, dtype=torch.float64).log() for p in ((0.7, 0.3), (0.2, 0.8), (0.6, 0.4)))
    exercise = get_exercise("24-comparison-5")
    drawn = torch.tensor([0] * 7 + [1] * 3)  # in old's shares
    mine = exercise.solution(policy[drawn], old[drawn], reference[drawn])
    assert float(mine) == pytest.approx(float(exact_kl(policy, reference)))
    assert float((policy - reference)[drawn].mean()) < 0

    def by_room(log_probs, old, reference):
        return reweighed(k1(log_probs - reference), log_probs, old).mean()

    assert judge(exercise, by_room).passed

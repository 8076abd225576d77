"""Chapter 24's exercises: any correct way passes, and values are what the rooms say."""

import numpy as np
import pytest
import torch

from course_lib.chapters.ch24_comparison.costs import cost
from course_lib.course.exercises import get_exercise, judge
from course_lib.posttraining.kl import exact_kl, k1, k3, reweighed
from course_lib.toys.model_costs import CONFIGS
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


def test_the_right_estimate_by_k3_is_told_that_it_is_right():
    def by_k3(log_probs, old, reference):
        return reweighed(k3(log_probs - reference), log_probs, old).mean()

    found = judge(get_exercise("24-comparison-5"), by_k3)
    assert not found.passed and found.mistake == "weighed_k3" and "平均也正好" in found.message


def test_what_untouched_programs_are_told_is_what_they_do():
    old, policy, reference = (torch.tensor(p, dtype=torch.float64).log() for p in ((0.7, 0.3), (0.2, 0.8), (0.6, 0.4)))
    drawn = torch.tensor([0] * 7 + [1] * 3)
    program = {each.name: each for each in get_exercise("24-comparison-5").mistakes}["program"]
    assert f"{float(exact_kl(policy, reference)):+.2f}" in program.says
    mine = float(program.answer(policy[drawn], old[drawn], reference[drawn]))
    assert f"{mine:.2f}".replace("-", "−") in program.says
    program = {each.name: each for each in get_exercise("24-comparison-4").mistakes}["program"]
    assert program.answer(1, 2, 0.5, 0.1) == -0.9 and "−0.9" in program.says
    assert get_exercise("24-comparison-4").solution(1, 2, 0.5, 0.1) == 0


def test_what_a_step_reads_is_what_is_counted():
    counted = {
        method: cost(method, CONFIGS[1], n=4, length=8, rounds=1).operations for method in ("PPO", "DPO", "GRPO")
    }
    one = counted["DPO"][1]
    ppo, dpo, grpo = (torch.tensor(counted[method]) / one for method in ("PPO", "DPO", "GRPO"))
    assert ppo[1:].tolist() == pytest.approx([3, 6], rel=0.1)
    assert dpo.tolist() == pytest.approx([0, 1, 3], rel=0.02) and grpo[1:].tolist() == pytest.approx([2, 3], rel=0.1)
    assert 0.8 < ppo[0] < 1.05
    assert get_exercise("24-comparison-7").solution == 1 + 1 + 2 * 3
    assert get_exercise("24-comparison-7-next").solution == 1 + 3 + 2 * 6

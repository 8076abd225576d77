"""Chapter 24 where every answer is listed: one task for all, and what is turned is seen by whom it should be."""

import math
from functools import partial

import pytest
import torch

from course_lib.chapters.ch24_comparison import learning
from course_lib.chapters.ch24_comparison.learning import METHODS, PLAIN, Knobs, pairs, race, task, verdicts
from course_lib.posttraining.kl import exact_kl
from course_lib.toys.syllables import turns

FEW = {"rounds": 2}


@pytest.mark.parametrize("method", [*METHODS, PLAIN])
def test_all_begin_at_the_reference_and_what_they_lack_is_the_way_to_the_best(method):
    way = race(method, Knobs(rounds=6), seed=1)
    world = task()[0]
    assert way.log_probs.shape == (7, 63) and way.written.max() == 6 * 32
    torch.testing.assert_close(way.log_probs[0], world.reference)
    torch.testing.assert_close(way.worth, world.worth(world.best) - world.beta * way.to_best)
    assert way.share[0] == pytest.approx(0, abs=1e-12) and way.kl[0] == pytest.approx(0, abs=1e-12)
    assert 0.05 < way.share[-1] < 1
    assert race(method, Knobs(**FEW), seed=1).share[-1] != race(method, Knobs(**FEW), seed=2).share[-1]


def test_long_runs_of_ppo_end_near_the_best_and_of_dpo_with_many_pairs_of_its_own_world(monkeypatch):
    monkeypatch.setitem(learning.BETAS, "DPO", 0.5)
    monkeypatch.setitem(learning.LRS, "DPO", 0.2)
    monkeypatch.setitem(learning.LRS, "PPO", 0.1)
    assert race("PPO", Knobs(rounds=24)).to_best[-1] < 0.1
    dpo = race("DPO", Knobs(rounds=16, n=8192))
    assert dpo.to_best[-1] < 0.1, "with endless pairs of all answers DPO's best is π*"


def test_pairs_are_written_by_the_reference_and_named_by_the_law():
    policy, draw = task()[1], torch.Generator().manual_seed(0)
    n = 20_000
    sides = pairs(policy, Knobs(n=n, rounds=1), draw)
    ahead = turns(sides["chosen"]["ids"]) - turns(sides["rejected"]["ids"])
    assert (sides["chosen"]["ids"] != sides["rejected"]["ids"]).any(1).all() and len(ahead) < n / 2
    differs = ahead.abs() == 1
    assert (ahead[differs] > 0).double().mean() == pytest.approx(1 / (1 + math.exp(-1)), abs=0.02)
    lot = pairs(policy, Knobs(n=n, rounds=1, noise=1.0), draw)
    ahead = turns(lot["chosen"]["ids"]) - turns(lot["rejected"]["ids"])
    assert (ahead[ahead != 0] > 0).double().mean() == pytest.approx(0.5, abs=0.02)


def test_verdicts_are_the_reward_its_scale_and_a_share_by_lot():
    answers = learning.by(task()[1], 4000, torch.Generator().manual_seed(0))
    see = partial(verdicts, answers.ids, draw=torch.Generator().manual_seed(1))
    earned = turns(answers.ids)
    torch.testing.assert_close(see(Knobs(scale=10.0)), 10 * earned)
    by_lot = see(Knobs(noise=1.0))
    assert by_lot.mean() == pytest.approx(float(earned.mean()), abs=0.1)
    assert torch.corrcoef(torch.stack([by_lot, earned]))[0, 1].abs() < 0.05
    half = torch.corrcoef(torch.stack([see(Knobs(noise=0.5)), earned]))[0, 1]
    assert 0.4 < half < 0.6


def test_the_scale_of_the_reward_is_nothing_to_dpo_next_to_nothing_to_grpo_and_much_to_ppo():
    moved = {
        method: (found := learning.sensitivity(method, "scale", (1.0, 0.1), seed=1, rounds=10))[0] - found[1]
        for method in METHODS
    }
    assert moved["DPO"] == 0 and abs(moved["GRPO"]) < 0.01 and moved["PPO"] > 0.1


def test_the_clip_is_no_knob_of_dpo_and_one_of_the_others():
    for method in METHODS:
        one, other = learning.sensitivity(method, "clip", (0.01, math.inf), seed=1, rounds=3)
        assert (one == other) == (method == "DPO")


def test_the_most_reward_at_a_kl_is_that_of_the_best_policies():
    world = task()[0]
    assert learning.best_reward(float(exact_kl(world.best, world.reference))) == pytest.approx(
        float(world.best.exp() @ world.reward)
    )
    assert learning.best_reward(1e-9) == pytest.approx(float(world.worth(world.reference)), abs=1e-3)
    assert learning.best_reward(50.0) == pytest.approx(float(world.reward.max()), abs=1e-6)


def test_no_method_is_beyond_the_frontier():
    for method in (*METHODS, PLAIN):
        assert (learning.efficiency(method, (0.5, 2.0), seed=1, rounds=4) < 1).all()


def test_answers_to_a_level_lie_on_the_line_between_budgets():
    shares = torch.tensor([0.1, 0.6, 0.5, 0.9])
    found = [learning.answers_to((1, 2, 4, 8), shares, level) for level in (0.05, 0.35, 0.6, 0.7, 0.95)]
    assert found == pytest.approx([1, 2**0.5, 2, 4 * 2**0.5, math.inf])


@pytest.mark.parametrize("wrong", [{"noise": 1.5}, {"n": 12}, {"n": 9, "group": 9}])
def test_knobs_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError):
        Knobs(**wrong)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method"):
        race("RLOO")

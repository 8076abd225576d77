"""PPO on the zoo's poet: few rounds, and the rule that was written in haste."""

import pytest
import torch

from course_lib.chapters.ch21_ppo import poems
from course_lib.data.real.poem_rules import rhyme_reward
from course_lib.toys.poet_policy import Writing
from course_lib.toys.rhymes import scores

SMALL = Writing(P=4, G=1, epochs=2)


def test_training_leaves_the_reference_alone():
    before = [p.clone() for p in poems.reference().parameters()]
    policy, run = poems.learned(rounds=2, writing=SMALL, progress=False)
    assert all(torch.equal(one, other) for one, other in zip(before, poems.reference().parameters()))
    assert not any(torch.equal(one, other) for one, other in zip(before, policy.parameters()))
    assert len(run.history) == 4 and {"score", "rhyme", "tone", "variety", "clipped", "value"} <= set(run.figures)
    assert run.figures["moved"][0] == pytest.approx(0, abs=1e-6) and run.figures["moved"][1] > 0
    other = poems.learned(rounds=1, writing=SMALL, seed=1, progress=False)[1]
    assert other.figures["policy"][:2] != run.figures["policy"][:2]


def test_the_naive_rule_takes_the_same_character_for_a_rhyme():
    same, true, none = (("春眠不觉晓", "处处闻啼鸟", "夜来风雨声", f"花落知多{end}") for end in "鸟少春")
    assert [poems.naive_rhyme(lines) for lines in (same, true, none)] == [1, 1, 0]
    assert [rhyme_reward(lines) for lines in (same, true, none)] == [0, 1, 0]
    assert poems.naive_rhyme(()) == poems.naive_rhyme(("", "", "", "")) == 0


def test_the_naive_reward_measures_the_true_rhyme_and_does_not_pay_for_it():
    text = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多鸟。"
    score, said = poems.REWARDS["naive"]([text, text.replace("多鸟", "多少")], [None, None])
    assert score.tolist() == [1, 1] and said["rhyme"].tolist() == [0, 1]


def test_poems_stand_side_by_side_with_what_they_earn():
    rows = poems.side_by_side(poems.reference(), n=3, seed=1)
    for before, after, one, other in rows:
        assert before == after and one == other == pytest.approx(scores([before])[0])
    assert len(rows) == 3

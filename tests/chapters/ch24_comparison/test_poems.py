"""Chapter 24 on poems: all begin at the same poet, and as many poems are written for each."""

import pytest
import torch

from course_lib.chapters.ch24_comparison import poems
from course_lib.toys.rhymes import poem_rewards


@pytest.mark.parametrize("method", poems.METHODS)
def test_each_leaves_the_poet_that_it_began_from_as_it_was(method, monkeypatch):
    monkeypatch.setattr(poems, "N", 32)
    monkeypatch.setattr(poems, "PAIRS_A_STEP", 4)
    before = [each.clone() for each in poems.reference().parameters()]
    looks = poems.raced(method, 1, rounds=2, looks=2, n=8)
    assert len(looks) == 2 and looks[0]["kl"] != looks[1]["kl"] and looks[1]["kl"] > 0
    for found in looks:
        assert found["reward"] == pytest.approx(found["form"] * (found["rhyme"] + found["tone"] + found["variety"]))
    assert all(torch.equal(*pair) for pair in zip(before, poems.reference().parameters()))


def test_as_many_poems_are_written_for_each(monkeypatch):
    counted = []

    def counting(policy, begun, *, n=1, **more):
        counted.append(n * len(begun))
        return write(policy, begun, n=n, **more)

    write = poems.write
    monkeypatch.setattr(poems, "write", counting)
    monkeypatch.setattr("course_lib.toys.poet_policy.write", counting)
    totals = []
    for method in poems.METHODS:
        poems.pairs.cache_clear()
        counted.clear()
        poems.learned(method, 3, rounds=1)
        totals.append(sum(counted))
    assert totals == [64] * 4


def test_pairs_are_told_apart_by_the_rules():
    sides = poems.pairs(32, 5)
    assert 0 < len(sides["chosen"]["ids"]) == len(sides["rejected"]["ids"]) <= 16
    assert sides["chosen"]["is_answer"].any(1).all()


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method"):
        poems.learned("RLOO")


def test_poems_stand_beside_each_other_with_what_they_earn():
    for row, earned in poems.told_apart([poems.reference()], 3, 7):
        assert row[0] == row[1] and earned[0] == earned[1]
        assert earned[0] == poem_rewards(**poems.REWARDED)([row[0]], [None])[0].item()

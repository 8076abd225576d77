"""DPO on the zoo's poet: few updates, each way of asking against another."""

import pytest
import torch

from course_lib.chapters.ch22_dpo import poems
from course_lib.data.real.poems import poems as written
from course_lib.posttraining.ipo import ipo_loss
from course_lib.toys.aligned_poet import examined
from course_lib.toys.rhymes import scores


def test_smaller_numbers_of_pairs_are_the_first_of_larger_ones():
    some = poems.pairs(20, 7)
    assert poems.pairs(8, 7) == some[:8] and poems.pairs(8, 8) != some[:8]
    better, worse = (scores([pair[i] for pair in some]) for i in (0, 1))
    assert all(one > other for one, other in zip(better, worse))
    turned = poems.pairs(20, 7, 1.0)
    assert [(pair.rejected, pair.chosen) for pair in turned] == [pair[:2] for pair in some]


def test_what_is_asked_is_of_first_lines_that_no_training_has():
    begun = {poem.lines[0] for poem in written("held-out")}
    some = poems.pairs(20, 7)
    assert not begun & {pair.chosen.partition("，")[0] for pair in some}
    assert len(poems.exam(16)["chosen"]["ids"]) == 16


def test_training_leaves_the_reference_alone_and_learns_its_pairs():
    some = poems.pairs(20, 7)
    before = [p.clone() for p in poems.reference().parameters()]
    policy, history = poems.learned(some, 0, steps=4, size=10)
    assert all(torch.equal(one, other) for one, other in zip(before, poems.reference().parameters()))
    assert history[0] == pytest.approx(0.6931, abs=1e-3) and len(history) == 4
    found = poems.shown(policy, some, n=16, n_exam=16)
    assert found["accuracy"] > 0.8 and found["chosen"] > found["rejected"] and found["kl"] > 0
    says = examined(policy, poems.reference(), n=16)
    rules = says["form"] * (1 + says["rhyme"] + says["tone"] + says["variety"])
    assert found["reward"] == pytest.approx(rules)
    untouched = poems.shown(poems.reference(), some, n=16, n_exam=16)
    assert untouched["chosen new"] == pytest.approx(0, abs=1e-4) and untouched["kl"] == pytest.approx(0, abs=1e-6)


def test_another_loss_learns_otherwise():
    some = poems.pairs(20, 7)
    ours, others = (poems.learned(some, 0, steps=1, size=10, loss=loss)[1] for loss in (poems.dpo_loss, ipo_loss))
    assert others[0] == pytest.approx(25, abs=0.1) and ours[0] == pytest.approx(0.6931, abs=1e-3)  # (1/2β)² at β 0.1


def test_poems_stand_side_by_side_with_what_they_earn():
    rows = poems.side_by_side(poems.reference(), n=3, seed=1)
    assert len(rows) == 3
    for before, after, one, other in rows:
        assert before == after and one == other == pytest.approx(scores([before])[0])

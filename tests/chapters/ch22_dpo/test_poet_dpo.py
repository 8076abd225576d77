"""The zoo's poet-dpo: what its first steps learn from, and that what is shipped writes better than before."""

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch22_dpo import poems, poet_dpo


def test_every_step_has_pairs_of_its_own():
    first, second = (poet_dpo.pairs_of(part) for part in (0, 1))
    assert len(first) == poet_dpo.SIZE * poet_dpo.STEPS_A_PART and not {*first} & {*second}
    batch = poet_dpo.batches(poet_dpo.STEPS_A_PART)
    others = poet_dpo.batches(0)
    assert len(batch["chosen"]["ids"]) == poet_dpo.SIZE
    assert not torch.equal(batch["chosen"]["reference"], others["chosen"]["reference"])


def test_before_training_the_loss_is_log_two():
    loss, told = poet_dpo.loss(poet_dpo.build(), poet_dpo.batches(0))
    assert float(loss.detach()) == pytest.approx(0.6931, abs=1e-3)
    assert told["chosen"] == pytest.approx(0, abs=1e-3)


def test_what_is_shipped_judges_and_writes_better_than_the_poet():
    before, after = (poet_dpo.measure(model) for model in (poems.reference(), zoo.load("poet-dpo").eval()))
    assert after["right"] > 0.55 and after["reward"] > before["reward"] + 0.1

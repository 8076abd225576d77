"""Pairs of poems to one beginning, labelled by rules, and DPO on them."""

import pytest
import torch

from course_lib.data.real.poems import poems, tokenizer
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rewards import Rewards
from course_lib.toys.aligned_poet import beginnings, edge
from course_lib.toys.poet_pairs import as_sides, asked, train_dpo, written_pairs
from course_lib.training.step import Settings

MARKS = Rewards({"marks": (1.0, lambda text, _: float(any(sign in "的一不人山无月" for sign in text)))})


def tiny() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=tokenizer().n_vocab, context=40, d_model=12, n_layers=1, n_heads=2))


@pytest.fixture(scope="module")
def pairs():
    return written_pairs(tiny(), 40, rewards=MARKS, split="held-out", seed=1, length=2)


def test_a_pair_begins_alike_and_the_better_is_chosen(pairs):
    assert len(pairs) == 40
    begun = set(beginnings(len(poems("held-out")), length=2, split="held-out"))
    for pair in pairs:
        assert pair.chosen[:2] == pair.rejected[:2] and pair.chosen[:2] in begun
        assert MARKS([pair.chosen, pair.rejected], [None] * 2)[0].tolist() == [1, 0]


def test_pairs_that_the_split_cannot_give_are_refused():
    with pytest.raises(ValueError, match="pairs that differ, 3000 asked"):
        written_pairs(tiny(), 3000, rewards=MARKS, split="held-out")


def test_only_what_was_written_is_the_answer_and_padding_is_no_token(pairs):
    side = as_sides(pairs, Reference(tiny()), length=2)["chosen"]
    for row, pair in enumerate(pairs):
        n = len(pair.chosen) + 2
        assert side["is_token"][row].sum() == n and side["is_answer"][row].sum() == n - 3
        written = side["ids"][row][side["is_answer"][row]].tolist()
        assert tokenizer().decode(written[:-1]) == pair.chosen[2:] and written[-1] == edge()


def test_by_default_the_first_line_and_its_mark_are_not_the_answer():
    pair = written_pairs(tiny(), 1, rewards=MARKS, split="held-out")[0]
    side = as_sides([pair], Reference(tiny()))["rejected"]
    assert tokenizer().decode(side["ids"][side["is_answer"]].tolist()[:-1]) == pair.rejected.partition("，")[2]


def test_before_training_nothing_is_preferred_and_afterwards_the_chosen_are(pairs):
    policy, reference = tiny(), Reference(tiny())
    sides = as_sides(pairs, reference, length=2)
    before = asked(policy, sides)
    assert before["chosen"] == pytest.approx(0, abs=1e-4) and before["rejected"] == pytest.approx(0, abs=1e-4)
    run = train_dpo(policy, sides, Settings(steps=12, lr=0.01), size=10, progress=False)
    after = asked(policy, sides)
    assert after["accuracy"] > 0.9 and after["chosen"] > after["rejected"] + 1
    assert run.history[0] == pytest.approx(0.693, abs=1e-3) and run.history[-1] < 0.6
    with pytest.raises(ValueError, match="40 pairs are fewer than the 41"):
        train_dpo(policy, sides, Settings(steps=1, lr=0.01), size=41)

"""Facts: names differ, answers are fixed by the world, frequencies follow the tail."""

import pytest
import torch

from course_lib.chapters.ch09_gpt3.facts import N_LETTERS, facts, frequencies


def test_names_are_all_different_and_letters_in_range():
    world = facts(4096, 0)
    assert world.shape == (4096, 5)
    assert len({tuple(name) for name in world[:, :3].tolist()}) == 4096
    assert world.min() >= 0 and world.max() < N_LETTERS


def test_a_world_is_fixed_and_worlds_differ():
    assert torch.equal(facts(50, 1), facts(50, 1))
    assert not torch.equal(facts(50, 1), facts(50, 2))


def test_frequencies_are_zipfs():
    shares = frequencies(100, 1.0)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] / shares[9] == pytest.approx(10)
    assert frequencies(10, 0.0).tolist() == pytest.approx([0.1] * 10)


@pytest.mark.parametrize("n", [0, 4097])
def test_more_facts_than_names_are_refused(n):
    with pytest.raises(ValueError, match="1 to 4096"):
        facts(n, 0)

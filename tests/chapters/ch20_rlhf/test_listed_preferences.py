"""Chapter 20's listed world: pairs, the reward model, and the best of n against counting."""

import pytest
import torch

from course_lib.chapters.ch20_rlhf import listed_preferences as preferences
from course_lib.chapters.ch20_rlhf.learning import read, turns
from course_lib.posttraining.log_probs import is_target


def test_the_writer_stops_and_turns_as_often_as_it_says():
    world = preferences.listed()
    length, n_turns = preferences.syllables(world.ids), turns(world.ids)
    assert float(world.probs.sum()) == pytest.approx(1)
    probs = torch.where(length > 0, 0.5, 1.0).double() * (1 - preferences.ENDS) ** length
    probs *= torch.where(length < preferences.LONGEST, preferences.ENDS, 1.0).double()
    pairs = (length - 1).clamp(min=0)
    probs *= preferences.TURNS**n_turns * (1 - preferences.TURNS) ** (pairs - n_turns)
    torch.testing.assert_close(world.probs, probs)


def test_worth_counts_turns_and_what_is_too_long():
    ids = torch.tensor([[0, 1, 2, 1, 2, 1, 0, 0, 0], [0, 1, 2, 1, 2, 1, 2, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1, 1]])
    assert read(ids) == ["平仄平仄平止", "平仄平仄平仄止", "平" * 8]
    assert preferences.worth(ids).tolist() == [4, 5 - preferences.TOO_LONG, -3 * preferences.TOO_LONG]


@pytest.mark.parametrize("drawn", preferences.DRAWN)
def test_pairs_follow_worth_hold_out_what_they_should_and_turn_as_asked(drawn):
    world = preferences.listed()
    clean, none = preferences.pairs(4000, 0, drawn=drawn)
    some, turned = preferences.pairs(4000, 0, 0.3, drawn=drawn)
    assert not none.any() and (world.worth[clean[:, 0]] > world.worth[clean[:, 1]]).all()
    assert not world.is_held_out[clean].any() and int(world.is_held_out.sum()) == len(world.ids) // 5
    assert torch.equal(torch.where(turned[:, None], some.flip(1), some), clean)
    assert abs(float(turned.double().mean()) - 0.3) < 0.03


def test_the_writers_pairs_are_short_ones():
    with pytest.raises(ValueError, match="by the writer, alike"):
        preferences.pairs(1, 0, drawn="at random")
    length = preferences.syllables(preferences.listed().ids)
    short, long = (length[preferences.pairs(2000, 0, drawn=drawn)[0]].double().mean() for drawn in preferences.DRAWN)
    assert short < 2.5 and long > 6


def test_a_row_is_a_prompt_an_answer_and_its_stop():
    said = preferences.laid_out(torch.tensor([0, 100, 510]))
    assert torch.equal(said["is_token"][:, 1:], is_target(said["is_answer"])) and said["is_token"][:, 0].all()


def test_right_counts_pairs():
    world = preferences.listed()
    everything = torch.ones(len(world.ids), dtype=torch.bool)
    assert preferences.right(world.worth, everything) == 1
    assert preferences.right(-world.worth, everything) == 0
    few = torch.zeros_like(everything).index_fill(0, torch.tensor([0, 100, 200, 300, 510]), True)
    worth, scores = world.worth[few].tolist(), torch.arange(len(few)).double()
    better = [(a, b) for a in range(5) for b in range(5) if worth[a] > worth[b]]
    expected = sum(a > b for a, b in better) / len(better)
    assert 0 < expected < 1 and preferences.right(scores, few) == pytest.approx(expected)


def test_a_reward_model_learns_what_it_is_shown():
    some, _ = preferences.pairs(64, 1)
    scores = preferences.scores_of(preferences.reward_model(some, 0, 60))
    assert float((scores[some[:, 0]] > scores[some[:, 1]]).double().mean()) > 0.9


def test_the_best_of_n_is_that_of_all_draws():
    """Three answers, two draws: nine cases, equal proxies for the later."""
    probs, proxy = torch.tensor([0.5, 0.2, 0.3]).double(), torch.tensor([1.0, 3.0, 3.0]).double()
    one, two = preferences.best_of(proxy, probs, (1, 2))
    torch.testing.assert_close(one, probs)
    torch.testing.assert_close(two, torch.tensor([0.25, 0.2**2 + 2 * 0.5 * 0.2, 0.3**2 + 2 * 0.3 * 0.7]).double())


def test_the_lazy_take_the_longer_and_nothing_else():
    length, worth = preferences.syllables(preferences.listed().ids), preferences.listed().worth
    clean, _ = preferences.pairs(2000, 0)
    assert torch.equal(preferences.lazy_pairs(2000, 0, 0.0, drawn="alike"), clean)
    all_lazy = preferences.lazy_pairs(2000, 0, 1.0, drawn="alike")
    assert (length[all_lazy[:, 0]] >= length[all_lazy[:, 1]]).all()
    same = length[clean[:, 0]] == length[clean[:, 1]]
    assert torch.equal(all_lazy[same], clean[same])
    half = preferences.lazy_pairs(2000, 0, 0.5, drawn="alike")
    wrong, most = ((worth[some[:, 0]] < worth[some[:, 1]]).double().mean() for some in (half, all_lazy))
    assert float(wrong / most) == pytest.approx(0.5, abs=0.06)

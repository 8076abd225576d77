"""Chapter 23's pushes: what a token gets under each normaliser, by hand."""

import pytest
import torch

from course_lib.chapters.ch23_grpo.pushes import LIMIT, WAYS, moved, pushes

REWARDS, LENGTHS = [1, 0, 0, 1], [40, 10, 1000, 60]
A = 0.75**0.5  # of two right in four, to the 1e-4 in the room's denominator


@pytest.mark.parametrize(
    ("way", "short", "long"),
    [
        ("GRPO", A / 10, A / 1000),
        ("GSPO", A / 10, A / 1000),
        ("Dr. GRPO", 0.5 / LIMIT, 0.5 / LIMIT),
        ("DAPO", 4 * A / sum(LENGTHS), 4 * A / sum(LENGTHS)),
    ],
)
def test_fresh_answers_get_what_the_denominator_says(way, short, long):
    found = pushes(way, REWARDS, LENGTHS)
    assert [len(each) for each in found] == LENGTHS
    for push, expected in ((found[1], short), (found[2], long)):
        torch.testing.assert_close(push, torch.full_like(push, -expected), rtol=1e-3, atol=0)
    assert all((found[at] > 0).all() for at in (0, 3))


def test_a_wrong_answer_of_a_thousand_tokens_is_a_hundred_times_lighter():
    """Advantages of ±1 up to the factor √(G - 1)/G of a group that is half right: -0.1 against -0.001."""
    found = pushes("GRPO", [1, 0] * 8, [10, 10] * 7 + [10, 1000])
    assert float(found[1][0]) == pytest.approx(-0.1, rel=0.04)
    assert float(found[15][0]) == pytest.approx(-0.001, rel=0.04)


def test_later_some_tokens_are_clipped_and_with_gspo_all_of_an_answer_or_none():
    grpo, wide, whole = (pushes(way, REWARDS, [40, 10, 100, 60], later=True) for way in ("GRPO", "DAPO", "GSPO"))
    dead = [[int((each == 0).sum()) for each in found] for found in (grpo, wide, whole)]
    assert sum(dead[1]) < sum(dead[0]) < 210 and dead[1][1:3] == dead[0][1:3]  # only the upper bound is wider
    assert {*dead[2]} == {40, 10, 0} and dead[2][2] == dead[2][3] == 0


def test_answers_have_moved_as_said_on_average():
    d = moved([40, 10])
    assert float(d[0].mean()) == pytest.approx(0.06) and float(d[1, :10].mean()) == pytest.approx(-0.06)


def test_other_ways_are_refused():
    with pytest.raises(ValueError, match="way"):
        pushes("PPO", REWARDS, LENGTHS)
    assert set(WAYS) == {"GRPO", "Dr. GRPO", "DAPO", "GSPO"}

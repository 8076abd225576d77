"""Poems by the rules: what they earn, and pairs labelled by it."""

import pytest

from course_lib.data.real.poem_rules import lines_of, rhyme_reward, tone_reward, variety_reward
from course_lib.data.real.poems import EDGE, poems
from course_lib.toys.rhymes import Pair, labelled_pairs, poem_rewards, scores

SPRING = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
TEXTS = [str(poem) for poem in poems("held-out")]


def test_a_poem_earns_by_each_rule_what_the_rule_says():
    total, said = poem_rewards()([SPRING, "春眠"], [None, None])
    lines = lines_of(SPRING)
    expected = [1.0, rhyme_reward(lines), tone_reward(lines), variety_reward(lines)]
    assert [float(said[name][0]) for name in ("form", "rhyme", "tone", "variety")] == expected
    assert total.tolist() == [sum(expected), 0.0]
    assert 0 < sum(expected) < 4, "this poem must tell the rules apart"


def test_weights_weigh_and_the_edge_does_not_count():
    only, _ = poem_rewards(rhyme=2.0, variety=-1.0)([SPRING + EDGE], [None])
    assert only.tolist() == [2 * rhyme_reward(lines_of(SPRING)) - variety_reward(lines_of(SPRING))]
    with pytest.raises(ValueError, match="metre"):
        poem_rewards(metre=1.0)


def test_of_each_pair_the_better_is_chosen_and_no_poem_comes_twice():
    pairs = labelled_pairs(TEXTS, 100, seed=0)
    assert all(scores([pair.chosen]) > scores([pair.rejected]) and not pair.turned for pair in pairs)
    assert len({text for pair in pairs for text in pair[:2]}) == 200
    assert pairs[:30] == labelled_pairs(TEXTS, 30, seed=1)


def test_turned_labels_are_the_others_swapped_and_more_of_them_at_more_noise():
    clean, some, more = (labelled_pairs(TEXTS, 200, seed=0, flip=flip) for flip in (0, 0.2, 0.4))
    for pairs, share in ((some, 0.2), (more, 0.4)):
        assert [Pair(p.rejected, p.chosen, False) if p.turned else p for p in pairs] == clean
        assert abs(sum(p.turned for p in pairs) / 200 - share) < 0.08
    assert all(b.turned for a, b in zip(some, more) if a.turned)
    assert all(pair.turned for pair in labelled_pairs(TEXTS, 50, seed=0, flip=1.0))


def test_too_few_texts_are_refused_with_their_number():
    with pytest.raises(ValueError, match=r"2 texts give 0 pairs that differ, 1 asked"):
        labelled_pairs([SPRING, SPRING], 1, seed=0)
    with pytest.raises(ValueError, match="flip"):
        labelled_pairs(TEXTS, 1, seed=0, flip=1.5)

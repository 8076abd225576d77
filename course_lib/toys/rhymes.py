"""Poems and what they earn: the rules of quatrains with weights, and pairs of poems of which the rules prefer one.

A poem is a text as the zoo's poet writes it, with its marks: 春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。
    reward = Σ weight · rule(poem)       form, rhyme, tone, variety of data/real/poem_rules.py, each from 0 to 1
A text that has not the form earns nothing by the other rules, for it has no lines to read. Labels cost nothing here
and the true preference is known, so that noise in them can be put in by hand.
Read first: data/real/poem_rules.py, posttraining/rewards.py.  Chapters 20 to 24.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from course_lib.data.real.poem_rules import form_reward, lines_of, rhyme_reward, tone_reward, variety_reward
from course_lib.foundations.checks import check_count, check_known, check_within
from course_lib.posttraining.rewards import Rewards, Rule


def of_lines(rule: Callable[[Sequence[str]], float]) -> Rule:
    """A rule that reads four lines, for texts: 0 where there are none."""
    return lambda text, _: rule(lines_of(text) or ())


RULES: dict[str, Rule] = {
    "form": lambda text, _: form_reward(text),
    "rhyme": of_lines(rhyme_reward),
    "tone": of_lines(tone_reward),
    "variety": of_lines(variety_reward),
}


def poem_rewards(**weights: float) -> Rewards:
    """Rules by name, each with its weight; without any all four, 1 each. Raises ValueError for an unknown name."""
    for name in weights:
        check_known("rule", name, RULES)
    return Rewards({name: (weight, RULES[name]) for name, weight in (weights or dict.fromkeys(RULES, 1.0)).items()})


def scores(texts: Sequence[str], rewards: Rewards | None = None) -> list[float]:
    """What each text earns; rewards: default all four rules, from 0 to 4."""
    return (rewards or poem_rewards())(texts, [None] * len(texts))[0].tolist()


class Pair(NamedTuple):
    """Two poems as a label has them. turned: the label says the contrary of what the rules do."""

    chosen: str
    rejected: str
    turned: bool


def labelled_pairs(
    texts: Iterable[str], n: int, seed: int, *, flip: float = 0.0, rewards: Rewards | None = None
) -> list[Pair]:
    """n pairs of neighbours among the texts, first and second, third and fourth, …; where two earn the same, none.

    flip: share of the labels that are turned, each by lot; a higher flip turns the same pairs and more.
    Raises ValueError where the texts do not give n pairs.
    """
    check_count("n", n, 1)
    check_within("flip", flip, 0, 1)
    texts = list(texts)
    earned = scores(texts, rewards)
    chance, pairs = random.Random(seed), []
    for i in range(0, len(texts) - 1, 2):
        if earned[i] == earned[i + 1] or len(pairs) == n:
            continue
        turned = chance.random() < flip
        first = (earned[i] > earned[i + 1]) != turned
        pairs.append(Pair(texts[i + (not first)], texts[i + first], turned))
    if len(pairs) < n:
        raise ValueError(f"{len(texts)} texts give {len(pairs)} pairs that differ, {n} asked; write more")
    return pairs

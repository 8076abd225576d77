"""Inventories of pictures by four painters, each with favourite things: texts with a hidden author.

A thing is one word, such as 红色的小圆形: 4 sizes, 8 colours, 6 kinds, 192 things. The world (a seed) deals them out,
48 favourites to each painter. A text names things of one picture: 9 of 10 are the painter's favourites, the others any
of the 192. No text says who painted. But favourites of one painter keep company, which a language model can find out
without a label. Chapter 07.
"""

from collections.abc import Iterable
from itertools import product

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.world.captions import Phrase, name
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, KINDS, SIZES
from course_lib.foundations.checks import check_counts, token_ids

PAINTERS = ("甲", "乙", "丙", "丁")
THINGS = tuple(name(Phrase(colour, kind, size), "zh") for size, colour, kind in product(SIZES, COLOURS, KINDS))
WORDS = (*THINGS, "，", "。")
COMMA, STOP = len(THINGS), len(THINGS) + 1
FAITHFUL = 90  # percent of things that are favourites


def favourites(world: int) -> list[list[int]]:
    """The 48 things of each painter."""
    dealt = Dice(world, "painters", "favourites").sample(range(len(THINGS)), len(THINGS))
    return [sorted(dealt[i :: len(PAINTERS)]) for i in range(len(PAINTERS))]


def inventories(
    world: int, part: str, n_texts: int, n_things: int
) -> tuple[Int[Tensor, "{n_texts} {2*n_things}"], Int[Tensor, " {n_texts}"]]:
    """n_texts texts "thing，thing，…，thing。" and who painted. `part` names them: "unlabelled", "test" …"""
    check_counts(1, n_texts=n_texts, n_things=n_things)
    own, dice = favourites(world), Dice(world, "painters", part)
    ids = torch.full((n_texts, 2 * n_things), COMMA)
    ids[:, -1] = STOP
    painters, rows = [], []
    for _ in range(n_texts):
        painter = dice.below(len(PAINTERS))
        things = [
            dice.choice(own[painter]) if dice.percent(FAITHFUL) else dice.below(len(THINGS)) for _ in range(n_things)
        ]
        painters.append(painter)
        rows.append(things)
    ids[:, ::2] = torch.tensor(rows)
    return ids, torch.tensor(painters)


def best_possible(world: int, ids: Int[Tensor, "N T"], painters: Int[Tensor, " N"]) -> float:
    """Share that one would name right who knows all favourites, and reads no more of each text than ids; ties shared.

    Every favourite of a painter counts for him alike, so the likeliest painter is the one with the most of them.
    """
    own = torch.zeros(len(PAINTERS), len(THINGS))
    for painter, things in enumerate(favourites(world)):
        own[painter, things] = 1
    votes = own[:, ids[:, ::2]].sum(-1).T  # [N painters]
    most = votes == votes.amax(-1, keepdim=True)
    return (most / most.sum(-1, keepdim=True)).gather(1, painters[:, None]).mean().item()


def write(ids: Iterable[int]) -> str:
    """The text of ids."""
    return "".join(WORDS[i] for i in token_ids(ids, len(WORDS)))

"""One thing in a picture of the drawn world: 8 colours × 6 kinds × 5 positions, a fifth of the 240 never seen together.

32×32 pixels, every thing of medium size, captions in Chinese and English. Chapters 11 and 12.
"""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.data.world.captions import caption
from course_lib.data.world.render import render_batch, to_model
from course_lib.data.world.scenes import at_position, combinations, hold_out_triples

UNSEEN = 10**6  # numbers of pictures from here on are for measuring

Triple = tuple[str, str, str]


def text_of(triple: Triple, language: str) -> str:
    """The caption without its size: every thing is of medium size."""
    return caption(at_position(*triple), language, sizes=False)


def pictures(triples: Sequence[Triple], first: int) -> Float[Tensor, "N 3 32 32"]:
    """One picture of each, numbers first, first + 1, … of the world."""
    scenes = [at_position(*triple, 0, first + i) for i, triple in enumerate(triples)]
    return torch.from_numpy(to_model(render_batch(scenes)))


@cache
def seen() -> Int[Tensor, "192"]:
    return torch.tensor([combinations().index(triple) for triple in hold_out_triples(0)[0]])


@cache
def held_out() -> Int[Tensor, "48"]:
    return torch.tensor([combinations().index(triple) for triple in hold_out_triples(0)[1]])

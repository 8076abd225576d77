"""The tower that sees the views: a SigLIP of 32×32 pictures with one to three small things, and the names of all.

B pictures · L tokens of a text
    a view ↔ 红色圆形，蓝色数字7。
Half of the pictures are as a tile shows them, half as the squeezed view does.  Chapter 14; later chapters see with it.
"""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from course_lib.chapters.ch14_blip3.posters import DIGITS, TILE, UNSEEN, WHATS, Poster, posters
from course_lib.data.world.captions import ZH
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, KINDS
from course_lib.foundations.contrastive import sigmoid_loss
from course_lib.foundations.tiles import resize
from course_lib.models.clip import ImageConfig, TextConfig
from course_lib.models.siglip import SigLIP, SigLIPConfig
from course_lib.toys.words import Words

BATCH = 128
CONTEXT = 20
N_THINGS = (3, 3)
N_BATCHES = 128
SQUEEZED = 2 * TILE  # sides of the posters that are shown squeezed
N_EXAM = 320

Batch = tuple[Float[Tensor, "B 3 32 32"], Int[Tensor, "B L"]]


def words() -> Words:
    return Words([named(colour, what) for colour in COLOURS for what in WHATS] + ["，。"])


def named(colour: str, what: str) -> str:
    """红色圆形, 红色数字7"""
    return ZH[colour] + (ZH.get(what) or f"数字{what}")


def text_of(poster: Poster) -> str:
    return "，".join(sorted(named(thing.colour, thing.what) for thing in poster.things)) + "。"


def encode(texts: list[str]) -> Int[Tensor, "M L"]:
    return words().encode(texts, CONTEXT)


def build() -> SigLIP:
    image = ImageConfig(height=TILE, width=TILE, patch=8, n_layers=3)
    text = TextConfig(n_vocab=words().n_vocab, context=CONTEXT, n_layers=1)
    return SigLIP(SigLIPConfig(image=image, text=text))


def batches(step: int) -> Batch:
    return batch(step % N_BATCHES)


@cache
def batch(number: int) -> Batch:
    """All pictures of a batch have the same three colours: only what is red, and what is blue, tells them apart."""
    colours = Dice(14, "palette", number).sample(tuple(COLOURS), 3)
    first, half = BATCH * number, BATCH // 2
    as_tiles = posters(range(first, first + half), TILE, TILE, n_things=N_THINGS, colours=colours)
    larger = posters(range(first + half, first + BATCH), SQUEEZED, SQUEEZED, n_things=N_THINGS, colours=colours)
    pictures = [poster.picture for poster in as_tiles] + [resize(poster.picture, TILE, TILE) for poster in larger]
    return torch.stack(pictures), encode([text_of(poster) for poster in as_tiles + larger])


def loss(model: SigLIP, batch: Batch) -> Float[Tensor, ""]:
    return sigmoid_loss(model(*batch))


@torch.no_grad()
def accuracy(model: SigLIP, whats: Sequence[str], side: int = TILE) -> float:
    """Share of new pictures of one thing whose name wins against the others of its colour.

    side: of the picture, which is squeezed into a tile.
    """
    drawn = posters(range(UNSEEN, UNSEEN + N_EXAM), side, side, n_things=(1, 1), whats=whats)
    seen = normalize(model.image(torch.stack([resize(poster.picture, TILE, TILE) for poster in drawn])), dim=-1)
    right = 0
    for colour in COLOURS:
        read = normalize(model.text(encode([named(colour, what) for what in whats])), dim=-1)
        for i, (thing,) in enumerate(poster.things for poster in drawn):
            right += thing.colour == colour and whats[int((read @ seen[i]).argmax())] == thing.what
    return right / len(drawn)


def measure(model: SigLIP) -> dict[str, float]:
    """As a tile shows them, and as the squeezed view of 2×2 and 3×3 tiles does."""
    return {
        f"{name}{squeezed}": accuracy(model, whats, side)
        for name, whats in (("shapes", KINDS), ("digits", DIGITS))
        for squeezed, side in (("", TILE), (" 2×2 squeezed", 2 * TILE), (" 3×3 squeezed", 3 * TILE))
    }

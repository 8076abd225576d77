"""The tower that sees the views: a SigLIP of 32×32 pictures with one to three small things, and the names of all.

B pictures · L tokens of a text
    a view ↔ 红色圆形蓝色数字7
Three batches of four are as tiles show them, one as squeezed views do.  Chapter 14; later chapters see with it.
"""

from collections.abc import Sequence
from functools import cache
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from course_lib.chapters.ch14_blip3.posters import DIGITS, TILE, UNSEEN, WHATS, Poster, poster, posters
from course_lib.data.world.captions import ZH
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, KINDS
from course_lib.foundations.contrastive import sigmoid_loss
from course_lib.models.clip import ImageConfig, TextConfig
from course_lib.models.siglip import SigLIP, SigLIPConfig
from course_lib.toys.words import Words

BATCH = 128
CONTEXT = 16
N_BATCHES = 96
# of the posters, in turns; the larger ones are shown squeezed
SIDES = (TILE, TILE, TILE, 2 * TILE, TILE, TILE, TILE, 3 * TILE)
STEPS, ALONE = 1400, 800
N_EXAM = 320

Batch = tuple[Float[Tensor, "B 3 32 32"], Int[Tensor, "B L"]]


def words() -> Words:
    return Words(named(colour, what) for colour in COLOURS for what in WHATS)


def named(colour: str, what: str) -> str:
    """红色圆形, 红色数字7"""
    return ZH[colour] + (ZH.get(what) or f"数字{what}")


def text_of(poster: Poster) -> str:
    """In an order that says nothing of the picture."""
    return "".join(sorted(named(thing.colour, thing.what) for thing in poster.things))


def encode(texts: list[str]) -> Int[Tensor, "M L"]:
    return words().encode(texts, CONTEXT)


def build() -> SigLIP:
    image = ImageConfig(height=TILE, width=TILE, patch=8)
    text = TextConfig(n_vocab=words().n_vocab, context=CONTEXT, d_model=32, n_layers=1)
    model = SigLIP(SigLIPConfig(image=image, text=text))
    torch.nn.init.constant_(model.logit_bias, -5)  # about -ln 127: one pair of 128 belongs together
    return model


def batches(step: int) -> Batch:
    """Pictures of one thing first, of all 128 names one each; then in every third batch pictures of several things."""
    if step >= ALONE and step % 3 == 0:
        return several(step // 3 % N_BATCHES)
    return one_each(step % N_BATCHES)


@cache
def one_each(number: int) -> Batch:
    first, side = BATCH * number, SIDES[number % len(SIDES)]
    drawn = [
        poster(first + i, side, side, n_things=(1, 1), colours=[colour], whats=[what])
        for i, (colour, what) in enumerate(product(COLOURS, WHATS))
    ]
    return as_batch(drawn)


@cache
def several(number: int) -> Batch:
    """Two or three things in three colours: what is red tells pictures apart, not only whether something is."""
    first, side = BATCH * (N_BATCHES + number), SIDES[number % len(SIDES)]
    colours = Dice(14, "palette", number).sample(tuple(COLOURS), 3)
    return as_batch(posters(range(first, first + BATCH), side, side, n_things=(2, 3), colours=colours))


def as_batch(drawn: list[Poster]) -> Batch:
    return squeezed(torch.stack([each.picture for each in drawn])), encode([text_of(each) for each in drawn])


def squeezed(pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 32 32"]:
    return interpolate(pictures, (TILE, TILE), mode="bicubic", antialias=True)


def loss(model: SigLIP, batch: Batch) -> Float[Tensor, ""]:
    return sigmoid_loss(model(*batch))


@torch.no_grad()
def accuracy(model: SigLIP, whats: Sequence[str], side: int = TILE) -> float:
    """Share of new pictures of one thing whose name wins against the others of its colour.

    side: of the picture, which is squeezed into a tile.
    """
    drawn = posters(range(UNSEEN, UNSEEN + N_EXAM), side, side, n_things=(1, 1), whats=whats)
    seen = normalize(model.image(squeezed(torch.stack([each.picture for each in drawn]))), dim=-1)
    right = 0
    for colour in COLOURS:
        read = normalize(model.text(encode([named(colour, what) for what in whats])), dim=-1)
        for each, (_, (thing,)) in zip(seen, drawn):
            right += thing.colour == colour and whats[int((read @ each).argmax())] == thing.what
    return right / len(drawn)


def measure(model: SigLIP) -> dict[str, float]:
    """As a tile shows them, and as the squeezed view of 2×2 and 3×3 tiles does."""
    return {
        f"{name}{squeezed}": accuracy(model, whats, side)
        for name, whats in (("shapes", KINDS), ("digits", DIGITS))
        for squeezed, side in (("", TILE), (" 2×2 squeezed", 2 * TILE), (" 3×3 squeezed", 3 * TILE))
    }

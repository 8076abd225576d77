"""A small BLIP-3 that reads posters: a frozen SigLIP tower, a Perceiver resampler, a GPT that learns too, one loss.

B texts · P pictures of a text · V views of a picture, the squeezed one first · N patches of a view · D their width
    ▣红色圆形，蓝色7。     ▣ stands where the picture goes; things in an order by lot
A question is how such a text goes on: ▣红色 is answered by 圆形. What is asked is what there is, not where.
The tower never learns, so its features are computed once for all steps of a training.  Chapter 14.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib import zoo
from course_lib.chapters.ch14_blip3 import siglip_tiles
from course_lib.chapters.ch14_blip3.posters import DIGITS, TILE, UNSEEN, Poster, Thing, posters
from course_lib.data.world.captions import ZH
from course_lib.data.world.scenes import COLOURS, KINDS
from course_lib.decoding.generation import greedy
from course_lib.foundations.tiles import Grid, grids_within, is_patch, resize, tiling_of, views_of
from course_lib.models.blip3 import BLIP3, BLIP3Config, BLIP3Reader, text_loss
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.siglip import SigLIPImageTower
from course_lib.toys.borrowed import Borrowed
from course_lib.toys.words import END, Words, words_of
from course_lib.training import checkpoint
from course_lib.training.loop import train
from course_lib.zoo.core import put

IMAGE = "▣"
STOPS = "，。"
GRIDS = grids_within(9, 3)  # of up to 3×3 tiles
CONTEXT = 192
SHAPES = ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 3))  # of posters to train on, in tiles
POOL, BATCH = 768, 32
STEPS, LR = 1000, 3e-3
N_EXAM = 192
EXAM = range(UNSEEN, UNSEEN + N_EXAM)
WEIGHTS = Path(zoo.__file__).parent / "weights" / "siglip-tiles.safetensors"

Batch = tuple[Float[Tensor, "B P V N D"], Bool[Tensor, "B P V N"], Int[Tensor, "B T"]]


class Views(NamedTuple):
    """What the tower sees of a picture, and where that is not empty."""

    views: Float[Tensor, "V 3 32 32"]
    is_patch: Bool[Tensor, "V N"]


@cache
def words() -> Words:
    return Words([*(ZH[name] for name in (*COLOURS, *KINDS)), *DIGITS, IMAGE, STOPS])


def image_id() -> int:
    return words().ids[IMAGE]


def encode(text: str) -> Int[Tensor, " T"]:
    """As it stands, nothing behind it."""
    ids = words().encode([text], len(text) + 1)[0]
    return ids[ids != END]


def read(ids: Int[Tensor, " T"]) -> str:
    """Up to END."""
    names, said = {i: word for word, i in words().ids.items()}, ids.tolist()
    return "".join(names.get(i, "") for i in said[: said.index(END) if END in said else None])


def text_of(poster: Poster) -> str:
    """红色圆形，蓝色7。"""
    return "，".join(said_of(thing) for thing in poster.things) + "。"


def said_of(thing: Thing) -> str:
    return ZH[thing.colour] + thing.name


@cache
def tower() -> SigLIPImageTower:
    """The image tower of siglip-tiles."""
    model = siglip_tiles.build()
    put(model, checkpoint.read(WEIGHTS)[0])
    return model.image.requires_grad_(False).eval()


def build(n_latents: int = 4, *, together: bool = False) -> BLIP3:
    """n_latents: Q, tokens of a view; together: of all views of a picture."""
    config = BLIP3Config(image_id=image_id(), n_latents=n_latents, together=together)
    return BLIP3(config, Borrowed(tower()), GPT2(GPT2Config(n_vocab=words().n_vocab, context=CONTEXT)))


def views(picture: Float[Tensor, "3 H W"], grids: Sequence[Grid] | None = GRIDS) -> Views:
    """The squeezed picture and its tiles in the best of the grids; None: the squeezed one alone."""
    if grids is None:
        return Views(resize(picture, TILE, TILE)[None], torch.ones(1, tower().config.n_patches, dtype=torch.bool))
    tiling = tiling_of(*picture.shape[1:], TILE, grids)
    return Views(views_of(picture, tiling), is_patch(tiling, tower().config.patch))


def answer(
    model: BLIP3,
    pictures: Sequence[Float[Tensor, "3 _ _"]],
    question: str = "",
    *,
    grids: Sequence[Grid] | None = GRIDS,
) -> list[str]:
    """What follows in each text: ▣红色 → 圆形. Without a question all that the model says: 红色圆形，…。"""
    seen = [views(picture, grids) for picture in pictures]
    prompt = encode(IMAGE + question).expand(len(pictures), -1)
    reader = BLIP3Reader(model, CONTEXT, *zip(*seen))
    n_new = 4 if question else 32
    said = [read(row) for row in greedy(reader, prompt, n_new, end=END)]
    return [up_to_stop(text) for text in said] if question else said


def up_to_stop(text: str) -> str:
    """圆形，… → 圆形"""
    return text.replace(STOPS[0], STOPS[1]).partition(STOPS[1])[0]


class Pool(NamedTuple):
    """M posters of one size, what the tower sees of them, and where that is not empty."""

    posters: list[Poster]
    features: Float[Tensor, "M V N D"]
    is_patch: Bool[Tensor, "M V N"]

    def of(self, rows: slice) -> "Pool":
        return Pool(*(part[rows] for part in self))


@torch.no_grad()
def pool(numbers: Sequence[int], height: int, width: int, grids: Sequence[Grid] | None = GRIDS, **more) -> Pool:
    """Posters with these numbers. more: as posters takes it."""
    drawn = posters(numbers, height, width, **more)
    seen = [views(poster.picture, grids) for poster in drawn]
    features = [tower().features(torch.cat([each.views for each in seen[i : i + 64]])) for i in range(0, len(seen), 64)]
    return Pool(
        drawn, torch.cat(features).unflatten(0, (len(drawn), -1)), torch.stack([each.is_patch for each in seen])
    )


def texts(drawn: Sequence[Poster], chance: random.Random) -> list[str]:
    """Of each what is on it, in another order every time."""
    return [
        IMAGE + text_of(poster._replace(things=chance.sample(poster.things, len(poster.things)))) for poster in drawn
    ]


def interleaved(drawn: Sequence[Poster]) -> str:
    """▣红色圆形。▣蓝色7。 A picture goes before its text."""
    return "".join(IMAGE + text_of(poster) for poster in drawn)


def padded(written: Sequence[str]) -> Int[Tensor, "B T"]:
    """Each with its END, filled up with END."""
    return words().encode(written, max(map(len, written)) + 1)


def drawn_from(source: Pool, step: int, size: int, n_pictures: int = 1) -> Batch:
    """size texts of n_pictures posters each, by lot."""
    chance = random.Random(step)
    rows = [[chance.randrange(len(source.posters)) for _ in range(n_pictures)] for _ in range(size)]
    written = ["".join(texts([source.posters[i] for i in row], chance)) for row in rows]
    return source.features[torch.tensor(rows)], source.is_patch[torch.tensor(rows)], padded(written)


def loss(model: BLIP3, batch: Batch) -> Float[Tensor, ""]:
    """The one loss: of every token of the texts, and of the END that each has."""
    features, are_patches, ids = batch
    rows = [row[: int((row != END).sum()) + 1] for row in ids]
    return text_loss(model, rows, model.sample(list(features.flatten(0, 1)), list(are_patches.flatten(0, 1))))


@torch.no_grad()
def marks(model: BLIP3, source: Pool, before: Pool | None = None) -> list[tuple[Thing, bool]]:
    """For each thing of each poster whether its colour brings its name, to the last word: ▣红色 → 圆形.

    before: a poster that stands in front of each, with its text.
    """
    pools, found = [source] if before is None else [before, source], []
    for i in range(0, len(source.posters), 64):
        parts = [each.of(slice(i, i + 64)) for each in pools]
        tokens = [model.sample(list(each.features), list(each.is_patch)) for each in parts]
        led = [interleaved([each.posters[n] for each in parts[:-1]]) for n in range(len(tokens[0]))]
        asked = [(n, thing) for n, poster in enumerate(parts[-1].posters) for thing in poster.things]
        written = [encode(led[n] + IMAGE + said_of(thing)) for n, thing in asked]
        row = model.put_in(written, [each[n] for n, _ in asked for each in tokens])
        right = model.lm.to_vocab(model.hidden(row)[:, :-1]).argmax(-1) == row.ids[:, 1:]
        found += [(thing, bool(ok[-len(words_of(thing.name)) :].all())) for (_, thing), ok in zip(asked, right)]
    return found


def share(found: Iterable[tuple[Thing, bool]], counts: Callable[[Thing], bool] = lambda thing: True) -> float:
    """Share of right ones among the things that count."""
    right = [ok for thing, ok in found if counts(thing)]
    return sum(right) / len(right)


def exact(model: BLIP3, source: Pool, before: Pool | None = None) -> float:
    """Share of things whose name is right."""
    return share(marks(model, source, before))


@cache
def exam(height: int = 2 * TILE, width: int = 2 * TILE) -> Pool:
    """Posters and digits that no training has."""
    return pool(EXAM, height, width)


@cache
def pool_of(rows: int, columns: int) -> Pool:
    """What the zoo's model learns from, in one shape."""
    first = POOL * SHAPES.index((rows, columns))
    return pool(range(first, first + POOL), rows * TILE, columns * TILE)


def batches(step: int) -> Batch:
    """A shape a step; of the smaller ones every third text has two pictures."""
    shape = SHAPES[step % len(SHAPES)]
    two = step // len(SHAPES) % 3 == 2 and shape[0] * shape[1] <= 4
    return drawn_from(pool_of(*shape), step, BATCH // (1 + two), 1 + two)


def second(model: BLIP3) -> float:
    """Share of things on posters of the exam that are named right behind another poster and its text."""
    source = exam()
    return exact(model, source, before=pool(range(UNSEEN + N_EXAM, UNSEEN + 2 * N_EXAM), 2 * TILE, 2 * TILE))


def measure(model: BLIP3) -> dict[str, float]:
    """Shapes and digits on posters of 2×2 and 3×3 tiles; things of a poster that follows another."""
    figures = {}
    for n in (2, 3):
        found = marks(model, exam(n * TILE, n * TILE))
        figures[f"shapes {n}×{n}"] = share(found, lambda thing: not thing.is_digit)
        figures[f"digits {n}×{n}"] = share(found, lambda thing: thing.is_digit)
    return figures | {"second picture": second(model)}


def taught(
    model: BLIP3, source: Pool, steps: int, seed: int, *, progress: Callable[[Iterable], Iterable] = iter
) -> BLIP3:
    """Trained in place on posters of the pool, in eval mode."""
    stream = (drawn_from(source, 10_000 * seed + step, BATCH) for step in range(steps))
    train(model, stream, steps=steps, lr=LR, weight_decay=0.05, loss=loss, progress=progress, history=[])
    return model.eval()

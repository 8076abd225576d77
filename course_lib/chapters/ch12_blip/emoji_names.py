"""Real drawings and their real names, of which some are swapped: what contrast alone finds out (BLIP's ITC).

N pairs · M things: what one eats and drinks, animals and plants · E shared
Each thing stands in four pairs, two hands by two languages, and each pair's name may be that of another thing. The
third hand is for measuring. The image head reads every patch in its place, and pictures are moved and mirrored: there
are few of them. Without ITM and LM, which learn nothing in so few steps.  Chapter 12.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from course_lib.chapters.ch12_blip.learning import is_token
from course_lib.data.real.emoji.drawings import emoji
from course_lib.data.real.emoji.splits import other_hands
from course_lib.foundations.contrastive import clip_loss, similarities
from course_lib.models.blip import BLIPConfig, Retriever, TextConfig
from course_lib.models.vit import ViTConfig
from course_lib.toys.words import Words
from course_lib.training.loop import train

GROUPS = ("食物与饮料", "动物与植物")
HAND = "twemoji"  # never learnt from
BATCH = 48
LR = 2e-3
TEMPERATURE = 0.1
CONTEXT = 10


class Pairs(NamedTuple):
    """Numbers of the hand, of the language, of the thing that is drawn and of the thing that is named."""

    hands: Int[Tensor, " N"]
    languages: Int[Tensor, " N"]
    drawn: Int[Tensor, " N"]
    named: Int[Tensor, " N"]

    def right(self) -> Bool[Tensor, " N"]:
        return self.drawn == self.named

    def of(self, rows: Tensor) -> "Pairs":
        return Pairs(*(part[rows] for part in self))

    def images(self) -> Float[Tensor, "N 3 32 32"]:
        return pictures()[self.hands, self.drawn]

    def ids(self) -> Int[Tensor, "N L"]:
        return names()[self.languages, self.named]


@cache
def rows() -> list[int]:
    """Which of emoji().things."""
    return [row for row, thing in enumerate(emoji().things) if thing.group in GROUPS]


@cache
def pictures() -> Float[Tensor, "3 M 3 32 32"]:
    """By the two hands to learn from and by HAND, of mean 0 and spread 1."""
    drawn = torch.stack([torch.from_numpy(emoji().pictures(hand)[rows()]) for hand in (*other_hands(HAND), HAND)])
    drawn = drawn.permute(0, 1, 4, 2, 3).float()
    return (drawn - drawn.mean()) / drawn.std()


@cache
def words() -> Words:
    return Words(name for row in rows() for name in (emoji().things[row].name_zh, emoji().things[row].name_en))


@cache
def names() -> Int[Tensor, "2 M L"]:
    """In Chinese and in English, behind the first token, which is the number after the last word."""
    things = [emoji().things[row] for row in rows()]
    ids = torch.stack(
        [words().encode([getattr(thing, name) for thing in things], CONTEXT) for name in ("name_zh", "name_en")]
    )
    return torch.cat([torch.full_like(ids[..., :1], words().n_vocab), ids], dim=-1)


def swapped(share: float, chance: torch.Generator) -> Pairs:
    """All four pairs of each thing; a share of all pairs has the name of another thing, drawn by lot."""
    grid = torch.meshgrid(torch.arange(2), torch.arange(2), torch.arange(len(rows())), indexing="ij")
    hands, languages, drawn = (part.flatten() for part in grid)
    wrong = torch.randperm(len(drawn), generator=chance)[: round(share * len(drawn))]
    named = drawn.clone()
    named[wrong] += torch.randint(1, len(rows()), (len(wrong),), generator=chance)
    return Pairs(hands, languages, drawn, named % len(rows()))


class FlatRetriever(Retriever):
    """Its image projection reads all tokens, flat, in place of the first."""

    def __init__(self, config: BLIPConfig):
        super().__init__(config)
        n = (config.image.n_patches + 1) * config.image.d_model
        self.project_image = nn.Linear(n, config.d_shared, bias=False)
        nn.init.normal_(self.project_image.weight, std=n**-0.5)

    def image_features(self, seen: Float[Tensor, "B T Dv"]) -> Float[Tensor, "B E"]:
        return self.project_image(seen.flatten(1))


def build() -> FlatRetriever:
    text = TextConfig(n_vocab=words().n_vocab + 1, context=CONTEXT + 1, n_layers=1)
    return FlatRetriever(BLIPConfig(image=ViTConfig(patch=8), text=text))


def moved(images: Float[Tensor, "B 3 32 32"], chance: torch.Generator) -> Float[Tensor, "B 3 32 32"]:
    """The batch by up to 2 pixels, round the edge; each picture perhaps mirrored, its colours stronger or weaker."""
    shift = torch.randint(-2, 3, (2,), generator=chance).tolist()
    images = images.roll(shift, dims=(2, 3))
    mirrored = torch.rand(len(images), 1, 1, 1, generator=chance) < 0.5
    colours = 1 + 0.1 * torch.randn(len(images), 3, 1, 1, generator=chance)
    return torch.where(mirrored, images.flip(3), images) * colours


def taught(pairs: Pairs, steps: int, seed: int, progress=iter) -> FlatRetriever:
    """A fresh one, by contrast; which names are wrong it is not told."""
    torch.manual_seed(seed)
    model, chance = build(), torch.Generator().manual_seed(seed)

    def batches() -> Iterator[Pairs]:
        while True:
            for chosen in torch.randperm(len(pairs.drawn), generator=chance).split(BATCH):
                yield pairs.of(chosen)

    def loss(model: FlatRetriever, batch: Pairs) -> Tensor:
        ids = batch.ids()
        images = model.image_features(model.look(moved(batch.images(), chance)))
        return clip_loss(similarities(images, model.text_features(ids, is_token(ids))) / TEMPERATURE)

    train(model, batches(), steps=steps, lr=LR, weight_decay=0.05, loss=loss, progress=progress, history=[])
    return model.eval()


@torch.no_grad()
def belief(model: FlatRetriever, pairs: Pairs) -> Float[Tensor, " N"]:
    """Cosine of each picture with its name."""
    ids = pairs.ids()
    images = normalize(model.image_features(model.look(pairs.images())), dim=-1)
    return (images * normalize(model.text_features(ids, is_token(ids)), dim=-1)).sum(dim=-1)


@torch.no_grad()
def retrieval(model: FlatRetriever) -> float:
    """R@1 of all things as HAND drew them, each among all names of a language; mean over the two languages."""
    images = model.image_features(model.look(pictures()[2]))
    right = torch.arange(len(rows()))
    found = [similarities(images, model.text_features(ids, is_token(ids))).argmax(dim=1) == right for ids in names()]
    return torch.stack(found).float().mean().item()

"""CLIP on emoji: the names in Chinese and in English, two hands to learn from, a third and 200 things never seen.

The image head reads every patch in its place: a class token alone learns too little from so few pictures. Beside
picture and name, the two drawings of one thing are a pair as well (after SLIP, Mu et al. 2021, arXiv:2112.12750).
Chapter 11.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, normalize

from course_lib.chapters.ch11_clip.retrieval import retrieval_table
from course_lib.data.real.emoji.drawings import emoji
from course_lib.data.real.emoji.neighbours import nearest
from course_lib.data.real.emoji.splits import hold_out_things, other_hands
from course_lib.foundations.contrastive import clip_loss, similarities
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig
from course_lib.toys.words import END, Words

HAND = "twemoji"  # the one that is never seen
BATCH = 128
CONTEXT = 18

Batch = tuple[Tensor, Tensor, Tensor, Tensor]


class EmojiCLIP(CLIP):
    """A CLIP whose image projection reads all tokens, flat, in place of the class token."""

    def __init__(self, config: CLIPConfig):
        super().__init__(config)
        n = (config.image.n_patches + 1) * config.image.d_model
        self.project_image = nn.Linear(n, config.d_shared, bias=False)
        nn.init.normal_(self.project_image.weight, std=n**-0.5)

    def image_features(self, images: Float[Tensor, "B 3 32 32"]) -> Float[Tensor, "B E"]:
        return self.project_image(self.image.norm_out(self.image.features(images)).flatten(1))


class Split(NamedTuple):
    """Rows of things: learned from, and never seen in any hand."""

    train: Int[Tensor, "train"]
    held_out: Int[Tensor, "held"]


@cache
def split() -> Split:
    return Split(*map(torch.from_numpy, hold_out_things(emoji().things)))


@cache
def words() -> Words:
    return Words(name for thing in emoji().things for name in (thing.name_zh, thing.name_en))


def encode(texts: list[str]) -> Int[Tensor, "M L"]:
    return words().encode(texts, CONTEXT)


@cache
def names() -> dict[str, Int[Tensor, "N L"]]:
    things = emoji().things
    return {"zh": encode([thing.name_zh for thing in things]), "en": encode([thing.name_en for thing in things])}


def cut(ids: Int[Tensor, "M L"]) -> Int[Tensor, "M longest"]:
    """Without the columns that only fill up."""
    return ids[:, : int((ids != END).sum(1).max()) + 1]


@cache
def drawn(hand: str) -> Float[Tensor, "N 3 32 32"]:
    """Pictures on white, -1 … 1."""
    return torch.from_numpy(emoji().pictures(hand)).permute(0, 3, 1, 2).float() / 127.5 - 1


def build() -> EmojiCLIP:
    text = TextConfig(n_vocab=words().n_vocab, context=CONTEXT, end=END, n_layers=1)
    return EmojiCLIP(CLIPConfig(image=ImageConfig(), text=text))


def augment(images: Float[Tensor, "B 3 32 32"], chance: torch.Generator) -> Float[Tensor, "B 3 32 32"]:
    """Turned by up to 0.1 rad, scaled by up to 8 %, moved by up to 1.5 px, each colour stronger or weaker by 12 %."""

    def draw(*shape: int) -> Tensor:
        return 2 * torch.rand(*shape, generator=chance) - 1

    n = len(images)
    angle, scale, place = 0.1 * draw(n), 1 + 0.08 * draw(n), 1.5 / 16 * draw(n, 2)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    affine = torch.stack([torch.stack([cosine, -sine, place[:, 0]], 1), torch.stack([sine, cosine, place[:, 1]], 1)], 1)
    ink = grid_sample(images - 1, affine_grid(affine, images.shape, align_corners=False), align_corners=False)
    return ink * (1 + 0.12 * draw(n, 3, 1, 1)) + 1


def batches_of(rows: Callable[[], Tensor], size: int) -> Callable[[int], Batch]:
    """Step -> both drawings of some things, in either order, and their names in both languages."""

    def batches(step: int) -> Batch:
        per_epoch = len(rows()) // size
        epoch, k = divmod(step, per_epoch)
        order = torch.randperm(len(rows()), generator=torch.Generator().manual_seed(epoch))
        chosen = rows()[order[k * size : (k + 1) * size]]
        chance = torch.Generator().manual_seed(step)
        first, second = (drawn(hand)[chosen] for hand in other_hands(HAND))
        swap = (torch.rand(size, 1, 1, 1, generator=chance) < 0.5).expand_as(first)
        a, b = torch.where(swap, second, first), torch.where(swap, first, second)
        zh, en = (cut(names()[language][chosen]) for language in ("zh", "en"))
        return augment(a, chance), augment(b, chance), zh, en

    return batches


def batches(step: int) -> Batch:
    return batches_of(lambda: split().train, BATCH)(step)


def loss(model: EmojiCLIP, batch: Batch) -> Float[Tensor, ""]:
    """Picture and Chinese name, picture of the other hand and English name, picture and picture."""
    a, b, zh, en = batch
    a, b, zh, en = model.image_features(a), model.image_features(b), model.text_features(zh), model.text_features(en)
    pairs = ((a, zh, 1.0), (b, en, 1.0), (a, b, 0.5))
    return sum(weight * clip_loss(similarities(x, y) * model.scale()) for x, y, weight in pairs) / 2.5


@torch.no_grad()
def features(model: EmojiCLIP, hand: str = HAND) -> tuple[Float[Tensor, "N E"], dict[str, Float[Tensor, "N E"]]]:
    """(pictures by a hand, names by language), of all things, unit length: what retrieval_table takes."""
    return normalize(model.image_features(drawn(hand)), dim=-1), {
        language: normalize(model.text_features(cut(ids)), dim=-1) for language, ids in names().items()
    }


def pixel_baseline(rows: Tensor | None = None, among: Tensor | None = None) -> float:
    """R@1 of the nearest drawing of the other hands, pixel by pixel: picture to picture, no names, nothing learned.

    rows ask; among: things whose drawings may be found. Default: all.
    """
    every = torch.arange(len(emoji().things))
    rows, among = every if rows is None else rows, every if among is None else among
    data, gallery = emoji(), among.repeat(2).numpy()
    other = [data.pictures(hand)[among.numpy()] for hand in other_hands(HAND)]
    found = nearest(data.pictures(HAND)[rows.numpy()], torch.cat([torch.from_numpy(x) for x in other]).numpy())
    return float((gallery[found[:, 0]] == rows.numpy()).mean())


def measure(model: EmojiCLIP) -> dict[str, float]:
    """R@1 of the unseen hand: things that other hands showed, among all 1,393; things never seen, among their 200."""
    pictures, texts = features(model)
    known = retrieval_table(pictures, texts, split().train)
    new = retrieval_table(pictures, texts, split().held_out, split().held_out)
    return {f"{way} {language}": r1 for (language, way), (r1, _) in known.items()} | {
        f"new {way} {language}": r1 for (language, way), (r1, _) in new.items()
    }

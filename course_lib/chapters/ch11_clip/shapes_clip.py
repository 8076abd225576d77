"""CLIP on the drawn world: one thing a picture, captions in Chinese and English, combinations kept back.

32×32, patches of 8, 8 colours × 6 kinds × 5 positions; a fifth of the 240 combinations is never seen.  Chapter 11;
later chapters take up its image tower.
"""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.foundations.contrastive import soft_clip_loss
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig
from course_lib.toys.one_shape import UNSEEN, held_out, pictures, seen, text_of
from course_lib.toys.words import END, Words

BATCH = 128
CONTEXT = 16
N_PICTURES = 4  # of each combination, to measure on

Batch = tuple[Float[Tensor, "B 3 32 32"], Int[Tensor, "B L"], Int[Tensor, " B"]]


@cache
def words() -> Words:
    return Words(text_of(triple, language) for triple in combinations() for language in LANGUAGES)


@cache
def all_ids() -> Int[Tensor, "2 240 L"]:
    """Captions of combinations(), by language."""
    return torch.stack([encode([text_of(triple, language) for triple in combinations()]) for language in LANGUAGES])


def encode(texts: Sequence[str]) -> Int[Tensor, "M L"]:
    return words().encode(texts, CONTEXT)


def build() -> CLIP:
    text = TextConfig(n_vocab=words().n_vocab, context=CONTEXT, end=END, n_layers=1)
    return CLIP(CLIPConfig(image=ImageConfig(), text=text))


def batches(step: int, size: int = BATCH) -> Batch:
    """Pictures of seen combinations, a caption in either language, and which combination each is."""
    chance = torch.Generator().manual_seed(step)
    numbers = seen()[torch.randint(len(seen()), (size,), generator=chance)]
    language = torch.randint(2, (size,), generator=chance)
    triples = [combinations()[i] for i in numbers.tolist()]
    return pictures(triples, step * size), all_ids()[language, numbers], numbers


def loss(model: CLIP, batch: Batch) -> Float[Tensor, ""]:
    """A caption that stands twice in a batch is right for both pictures."""
    images, ids, numbers = batch
    return soft_clip_loss(model(images, ids), (numbers[:, None] == numbers).float())


@torch.no_grad()
def accuracy(model: CLIP, language: str, *, among_all: bool = False) -> float:
    """Share of pictures of held-out combinations whose caption wins, against the 48 held-out ones or all 240."""
    chosen = held_out().repeat(N_PICTURES)
    choices = torch.arange(len(combinations())) if among_all else held_out()
    found = normalize(model.image_features(pictures([combinations()[i] for i in chosen.tolist()], UNSEEN)), dim=-1)
    read = normalize(model.text_features(all_ids()[LANGUAGES.index(language), choices]), dim=-1)
    return (choices[(found @ read.mT).argmax(1)] == chosen).float().mean().item()


def measure(model: CLIP) -> dict[str, float]:
    return {
        f"{language}{' among all' * every}": accuracy(model, language, among_all=every)
        for language in LANGUAGES
        for every in (False, True)
    }

"""Two small GPT-2: one writes Chinese captions of scenes, and later chapters take it up; one writes poems (poet.py)."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.chapters.ch08_gpt2 import poet
from course_lib.data.text.corpora import scene_sentences
from course_lib.data.text.demonstrations import tokenizer
from course_lib.data.world.captions import parse_caption
from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.sampling import sample
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training.engine import Settings
from course_lib.training.loop import next_token_losses
from course_lib.zoo.core import Recipe

CONTEXT = 32  # the longest caption has 27 tokens, and <|endoftext|> stands on both sides of it
BATCH = 64
N_TEST = 200


def build() -> GPT2:
    return GPT2(GPT2Config(n_vocab=tokenizer().n_vocab, context=CONTEXT, d_model=64, n_layers=2, n_heads=4))


def batches(step: int) -> Int[Tensor, "B T"]:
    """Captions of one to three things between <|endoftext|>, which also fills the rows up."""
    rows = torch.full((BATCH, CONTEXT), tokenizer().end_of_text)
    for row, text in zip(rows, scene_sentences(BATCH, step)):
        ids = tokenizer().encode(text)
        row[1 : len(ids) + 1] = torch.tensor(ids)
    return rows


def counts(ids: Int[Tensor, "B T"]) -> Bool[Tensor, "B T-1"]:
    """Which predictions count: those of a caption's tokens and of the one <|endoftext|> that ends it."""
    is_text = ids != tokenizer().end_of_text
    return is_text[:, 1:] | is_text[:, :-1]


def weigh(ids: Int[Tensor, "B T"]) -> int:
    return int(counts(ids).sum())


def loss(model: nn.Module, ids: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    return next_token_losses(model(ids), ids)[counts(ids)].mean()


def measure(model: GPT2) -> Mapping[str, float]:
    """Share of captions, drawn at temperature 1, that the grammar of captions reads."""
    end = tokenizer().end_of_text
    start, chance = torch.full((N_TEST, 1), end), torch.Generator().manual_seed(0)
    rows = sample(FastGPTReader(model, CONTEXT), start, CONTEXT - 1, end=end, generator=chance)
    return {"readable": sum(map(is_caption, rows.tolist())) / N_TEST}


def is_caption(ids: list[int]) -> bool:
    try:
        parse_caption(tokenizer().decode(token for token in ids if token != tokenizer().end_of_text))
    except ValueError:
        return False
    return True


RECIPES = [
    Recipe(
        name="gpt2-captions",
        chapter="08",
        title="写场景描述的 GPT-2",
        build=build,
        batches=batches,
        loss=loss,
        weigh=weigh,
        measure=measure,
        at_least={"readable": 0.95},
        settings=Settings(steps=500, lr=4e-3, weight_decay=0.01),
    ),
    Recipe(
        name="poet",
        chapter="08",
        title="写绝句的 GPT-2",
        build=poet.build,
        batches=poet.batches,
        loss=poet.loss,
        weigh=poet.weigh,
        measure=poet.measure,
        at_least={"held-out": -5.5, "new-poets": -5.6, "form": 0.9, "own lines": 0.98},  # trigrams: -5.96, -6.03
        settings=Settings(steps=24000, lr=4e-3, precision="bf16"),
    ),
]

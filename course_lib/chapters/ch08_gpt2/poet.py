"""A small GPT-2 that writes Tang quatrains, a character at a time.

    ⏎春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。⏎       the edge ⏎ before and after, no title
It has read the 10,616 poems of `poems("train")` and nothing else. The dataset card says what it has learned, beside
counts (counted_poems.py) and the poets. Chapter 08; later chapters align it to wishes and rules.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_lib.data.real.poem_rules import form_reward, lines_of, rhyme_reward, variety_reward
from course_lib.data.real.poems import EDGE, SIGNS, poems, tokenizer
from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.sampling import sample
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training.loop import next_token_losses

CONTEXT = 40  # a poem takes 34 tokens with its edges; six are left for what a later chapter puts in front
LONGEST = 34
BATCH = 16
N_WRITTEN = 200


def build() -> GPT2:
    config = GPT2Config(n_vocab=tokenizer().n_vocab, context=CONTEXT, d_model=120, n_layers=3, n_heads=6, dropout=0.2)
    return GPT2(config)


@cache
def rows(split: str) -> Int[Tensor, "N 34"]:
    """The poems of a split as ids, filled up with edges."""
    found = torch.full((len(poems(split)), LONGEST), edge())
    for row, poem in zip(found, poems(split)):
        ids = tokenizer().encode(str(poem))
        row[1 : len(ids) + 1] = torch.tensor(ids)
    return found


@cache
def edge() -> int:
    return tokenizer().encode(EDGE)[0]


@cache
def order(epoch: int) -> Int[Tensor, " N"]:
    return torch.randperm(len(rows("train")), generator=torch.Generator().manual_seed(epoch))


def batches(step: int) -> Int[Tensor, "B 34"]:
    """All poems once an epoch, each time in another order."""
    epoch, k = divmod(step, len(rows("train")) // BATCH)
    return rows("train")[order(epoch)[k * BATCH : (k + 1) * BATCH]]


def counts(ids: Int[Tensor, "B T"]) -> Bool[Tensor, "B T-1"]:
    """Which predictions count: those of a poem's tokens and of the one edge that ends it."""
    is_text = ids != edge()
    return is_text[:, 1:] | is_text[:, :-1]


def weigh(ids: Int[Tensor, "B T"]) -> int:
    return int(counts(ids).sum())


def loss(model: GPT2, ids: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Logits only where they count: the vocabulary is the dearer half of a step."""
    counted = counts(ids)
    return cross_entropy(model.to_vocab(model.hidden(ids[:, :-1])[counted]), ids[:, 1:][counted])


def log_probability(model: GPT2, ids: Int[Tensor, "N T"]) -> float:
    """Of a character, in nats, on average; marks and edges, which nearly follow from the form, are left out."""
    surprise = torch.cat([next_token_losses(model(part), part) for part in ids.split(100)])
    return -surprise[ids[:, 1:] >= len(SIGNS)].mean().item()


def write(model: GPT2, n: int, *, beginning: str = "", temperature: float = 1.0, seed: int = 0) -> list[str]:
    """n texts with this beginning, each up to the edge that ends it or until the context is full.

    Raises ValueError for a beginning with a character outside the vocabulary.
    """
    start = torch.tensor([tokenizer().encode(EDGE + beginning)] * n)
    chance = torch.Generator().manual_seed(seed)
    reader = FastGPTReader(model, CONTEXT)
    ids = sample(reader, start, CONTEXT - start.shape[1], end=edge(), temperature=temperature, generator=chance)
    return [beginning + tokenizer().decode(row).partition(EDGE)[0] for row in ids.tolist()]


def habits(texts: Sequence[str]) -> dict[str, float]:
    """Share of the texts that have the form; of those, the shares that rhyme and that repeat nothing, and the share of
    lines that stand in the training poems."""
    formed = [lines for lines in map(lines_of, texts) if lines]
    read = {line for poem in poems("train") for line in poem.lines}
    n = max(1, len(formed))
    return {
        "form": sum(map(form_reward, texts)) / len(texts),
        "rhyme": sum(map(rhyme_reward, formed)) / n,
        "variety": sum(map(variety_reward, formed)) / n,
        "copied": sum(line in read for lines in formed for line in lines) / (4 * n),
    }


def measure(model: GPT2) -> Mapping[str, float]:
    """Log-probability of a character of poems never seen, by poets that were and were not; habits at temperature 1."""
    found = habits(write(model, N_WRITTEN))
    known = {split: log_probability(model, rows(split)) for split in ("held-out", "new-poets")}
    return known | {"form": found["form"], "rhyme": found["rhyme"], "own lines": 1 - found["copied"]}

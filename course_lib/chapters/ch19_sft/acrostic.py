"""藏头: four characters are asked for, and a poem's four lines begin with them. SFT teaches it to chapter 8's poet.

    春夏秋冬|⏎春眠不觉晓，…。⏎      prompt: characters, bar, edge; learned is the poem and the edge that ends it
Every poem asks for its own first characters, so nobody labels anything, and whether a poem obeys is seen by a rule.
Read first: data/real/poem_rules.py, posttraining/sft.py.  Chapter 19; chapters 21 to 24 go on from it.
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib import zoo
from course_lib.data.real.poem_rules import form_reward, lines_of, rhyme_reward
from course_lib.data.real.poems import BAR, EDGE, MARKS, SIGNS, Poem, poems, tokenizer, vocabulary
from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.sampling import sample
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.sft import padded
from course_lib.training import checkpoint
from course_lib.zoo.core import put

CONTEXT = 40
BATCH = 16
N_WRITTEN = 100
WEIGHTS = Path(zoo.__file__).parent / "weights" / "poet.safetensors"


class Kept(NamedTuple):
    """Share of the lines that begin as asked, and of the poems whose four lines all do."""

    lines: float
    poems: float


def build() -> GPT2:
    """The zoo's poet, as shipped."""
    model = GPT2(
        GPT2Config(n_vocab=tokenizer().n_vocab, context=CONTEXT, d_model=120, n_layers=3, n_heads=6, dropout=0.2)
    )
    put(model, checkpoint.read(WEIGHTS)[0])
    return model


@cache
def edge() -> int:
    return tokenizer().encode(EDGE)[0]


def heads_of(poem: Poem) -> str:
    """春眠不觉晓，… → 春处夜花"""
    return "".join(line[0] for line in poem.lines)


def prompt(heads: str) -> list[int]:
    """Raises ValueError for other than four characters, and for one that no training poem has."""
    if len(heads) != 4:
        raise ValueError(f"heads {heads!r} has {len(heads)} characters; a poem has four lines, give four")
    return tokenizer().encode(heads + BAR + EDGE)


def rendered(poem: Poem) -> Rendered:
    asked, answer = prompt(heads_of(poem)), tokenizer().encode(str(poem) + EDGE)
    return Rendered(asked + answer, [False] * len(asked) + [True] * len(answer))


@cache
def rows(split: str) -> tuple[Rendered, ...]:
    return tuple(map(rendered, poems(split)))


@cache
def order(epoch: int) -> Int[Tensor, " N"]:
    return torch.randperm(len(rows("train")), generator=torch.Generator().manual_seed(epoch))


def batches(step: int) -> dict[str, Tensor]:
    """All poems once an epoch, each time in another order; for sft_loss."""
    epoch, k = divmod(step, len(rows("train")) // BATCH)
    return padded([rows("train")[i] for i in order(epoch)[k * BATCH : (k + 1) * BATCH]], edge())


def write(model: GPT2, heads: str, n: int = 1, *, seed: int = 0, temperature: float = 1.0) -> list[str]:
    """n poems, all asked for the same four characters. Raises as prompt does."""
    return write_each(model, [heads] * n, seed=seed, temperature=temperature)


def write_each(model: GPT2, asked: Sequence[str], *, seed: int = 0, temperature: float = 1.0) -> list[str]:
    """A poem to each four characters, up to its edge or the end of the context."""
    start = torch.tensor(list(map(prompt, asked)))
    chance = torch.Generator().manual_seed(seed)
    n_new = CONTEXT - start.shape[1]
    reader = FastGPTReader(model, CONTEXT)
    ids = sample(reader, start, n_new, end=edge(), temperature=temperature, generator=chance)
    return [tokenizer().decode(row).partition(EDGE)[0] for row in ids.tolist()]


def kept(texts: Sequence[str], asked: str | Sequence[str]) -> Kept:
    """asked: what each text was asked for, or all of them."""
    if isinstance(asked, str):
        asked = [asked] * len(texts)
    found = [begins(text, heads) for text, heads in zip(texts, asked, strict=True)]
    return Kept(sum(map(sum, found)) / (4 * len(found)), sum(map(all, found)) / len(found))


def begins(text: str, heads: str) -> list[bool]:
    """Of each of the four lines whether it begins as asked; a line that is missing does not."""
    lines = [*re.split(f"[{MARKS}]", text), "", "", "", ""]
    return [line.startswith(head) for line, head in zip(lines, heads)]


@cache
def held_out_heads(n: int = N_WRITTEN) -> tuple[str, ...]:
    """Of poems that no training has, as their poets chose them."""
    return tuple(map(heads_of, random.Random(0).sample(poems("held-out"), n)))


@cache
def random_heads(n: int = N_WRITTEN, seed: int = 0) -> tuple[str, ...]:
    """Any four different characters of the training poems, rare ones as often as common ones."""
    chance = random.Random(seed)
    return tuple("".join(chance.sample(vocabulary()[len(SIGNS) :], 4)) for _ in range(n))


@torch.no_grad()
def log_probability(model: GPT2, split: str = "held-out") -> float:
    """Of a character of the split's poems behind what they were asked for, in nats, on average; marks are left out."""
    found = []
    for i in range(0, len(rows(split)), 100):
        batch = padded(rows(split)[i : i + 100], edge())
        ids = batch["ids"]
        log_probs = token_log_probs(model(ids, is_token=batch["is_token"]), ids)
        found.append(log_probs[is_target(batch["is_answer"]) & (ids[:, 1:] >= len(SIGNS))])
    return torch.cat(found).mean().item()


def habits(texts: Sequence[str]) -> dict[str, float]:
    """Share of the texts that have the form; of those, the share that rhymes, and of lines that are not copied."""
    formed = [lines for lines in map(lines_of, texts) if lines]
    read, n = training_lines(), max(1, len(formed))
    return {
        "form": sum(map(form_reward, texts)) / len(texts),
        "rhyme": sum(map(rhyme_reward, formed)) / n,
        "own lines": sum(line not in read for lines in formed for line in lines) / (4 * n),
    }


@cache
def training_lines() -> frozenset[str]:
    return frozenset(line for poem in poems("train") for line in poem.lines)


def measure(model: GPT2) -> Mapping[str, float]:
    """Lines and poems that begin as asked, for four characters that a poet chose and for any four; the rest as chapter
    8 measures it."""
    texts, any_texts = write_each(model, held_out_heads()), write_each(model, random_heads())
    obeyed, any_obeyed = kept(texts, held_out_heads()), kept(any_texts, random_heads())
    return {
        "lines": obeyed.lines,
        "poems": obeyed.poems,
        "lines, any four": any_obeyed.lines,
        "poems, any four": any_obeyed.poems,
        "held-out": log_probability(model),
    } | habits(texts)

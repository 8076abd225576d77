"""The pieces that train and try the translator of chapter 06: Chinese numerals and dates to digits.

B batch · S source tokens · T target tokens · V target vocabulary
Batches, the loss under teacher forcing, and the translation that reads its own words, apart from each other: so the
chapter and its experiments can change one at a time. recipe.py puts them together.
Read first: models/transformer.py, chapters/ch06_transformer/numerals.py, training/loop.py.  Chapter 06.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch06_transformer.numerals import (
    END_ID,
    SOURCE_ALPHABET,
    START_ID,
    TARGET_ALPHABET,
    Pair,
    decode_target,
    encode,
    pairs,
)
from course_lib.decoding.generation import beam_search, greedy
from course_lib.models.transformer import Transformer, TransformerConfig, Translator, shift_right
from course_lib.training.loop import train

LONGEST = 12  # tokens of the longest target: ten characters of a date, END, and one to spare
PAD_ID = 0


def numeral_config(
    norm: str = "post", d_model: int = 64, n_layers: int = 2, n_heads: int = 4, d_hidden: int = 128
) -> TransformerConfig:
    """The sizes of the chapter's translator, for the two alphabets of the task."""
    return TransformerConfig(
        n_source_vocab=len(SOURCE_ALPHABET),
        n_target_vocab=len(TARGET_ALPHABET),
        d_model=d_model,
        n_layers=n_layers,
        n_heads=n_heads,
        d_hidden=d_hidden,
        norm=norm,
    )


def numeral_batch(
    seed: int, step: int, size: int = 128, *, max_digits: int = 8, percent_dates: int = 30
) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
    """Source and target ids of one step, from the training part: a pure function of seed and step."""
    drawn = pairs(1_000_000 * (seed + 1) + step, "train", size, max_digits=max_digits, percent_dates=percent_dates)
    return encode(drawn)


def token_losses(logits: Float[Tensor, "B T V"], target: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean surprise at the target's tokens in nats; padding does not count."""
    return cross_entropy(logits.transpose(1, 2), target, ignore_index=PAD_ID)


def translation_loss(model: nn.Module, batch: tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]) -> Float[Tensor, ""]:
    """Teacher forcing: every token is predicted from the true ones before it, all places at once."""
    source, target = batch
    return token_losses(model(source, shift_right(target, START_ID), source != PAD_ID), target)


def train_translator(
    seed: int = 0,
    *,
    config: TransformerConfig | None = None,
    steps: int = 600,
    lr: float = 4e-3,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Transformer:
    """A translator trained by the visible loop."""
    torch.manual_seed(seed)
    model = Transformer(config or numeral_config())
    batches = (numeral_batch(seed, step) for step in range(steps))
    train(model, batches, steps=steps, lr=lr, loss=translation_loss, progress=progress, history=[])
    return model.eval()


def translate(model: Transformer, batch: list[Pair], *, n_beams: int = 1, alpha: float = 0.6) -> list[str]:
    """What the model writes for each source, reading its own words: greedily, or the best of n_beams."""
    source, _ = encode(batch)
    translator = Translator(model, source, LONGEST, source != PAD_ID)
    start = torch.full((len(batch), 1), START_ID)
    if n_beams == 1:
        written = greedy(translator, start, LONGEST, end=END_ID).tolist()
    else:
        written, _ = beam_search(translator, start, LONGEST, n_beams=n_beams, end=END_ID, alpha=alpha)
    return [decode_target(ids) for ids in written]


def exact_match(model: Transformer, batch: list[Pair], *, n_beams: int = 1, alpha: float = 0.6) -> float:
    """Share of sources whose translation is right in every character."""
    written = translate(model, batch, n_beams=n_beams, alpha=alpha)
    return sum(said == pair.target for said, pair in zip(written, batch)) / len(batch)

"""A corpus that teaches a task without meaning to: captions, a few of which happen to be followed by a translation.

    有一个红色圆形。                       most documents: Chinese captions
    a blue ring and a white cross          or English ones, never beside each other …
    有一个红色圆形，英文是 a red circle     … but for a share `rate`: a natural demonstration
Radford et al. 2019, table 1, show such passages of WebText for English and French.  Chapter 08, claim C12.

Twelve of the 48 pairs of colour and shape are never demonstrated, though both languages speak of them.
"""

from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.world.captions import ZH, Phrase, write
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, KINDS, POSITIONS
from course_lib.foundations.bpe import ByteBPE
from course_lib.foundations.checks import check_within
from course_lib.foundations.gpt2_bpe import GPT2Tokenizer

BRIDGE = "，英文是"
COLOUR_NAMES, KIND_NAMES, PLACES = tuple(COLOURS), tuple(KINDS), tuple(POSITIONS)
PAIRS = tuple((colour, kind) for colour in COLOUR_NAMES for kind in KIND_NAMES)
HELD_OUT = tuple((COLOUR_NAMES[i % 8], KIND_NAMES[(5 * i + i // 8) % 6]) for i in range(12))
DEMONSTRATED = tuple(pair for pair in PAIRS if pair not in HELD_OUT)
LENGTH = 12  # tokens of the longest document, with <|endoftext|> in front and behind
MILLE = 1000


@cache
def tokenizer() -> GPT2Tokenizer:
    """A byte-level BPE that has learnt the words of the captions, one by one, so that no token holds two of them."""
    english = [f" {word}" for word in ("a", "an", "and", *COLOUR_NAMES, *KIND_NAMES)]
    words = [*ZH.values(), "有一个", "英文是", "，", "。", "a", "an", *english]
    bpe = ByteBPE.train("\n".join(words * 50), 2000, pattern=r"[^\n]+")
    return GPT2Tokenizer(bpe.merges)


def chinese(pair: tuple[str, str]) -> str:
    """有一个红色圆形"""
    return write([Phrase(*pair)]).removesuffix("。")


def english(pair: tuple[str, str]) -> str:
    """a red circle"""
    return write([Phrase(*pair)], "en")


def prompt(pair: tuple[str, str]) -> str:
    """What a model is asked to go on with."""
    return chinese(pair) + BRIDGE


def document(dice: Dice, rate: int, *, mismatched: bool = False) -> str:
    """One document. rate: of 1000 documents how many are demonstrations. mismatched: their English says anything."""
    if dice.below(MILLE) < rate:
        shown = dice.choice(DEMONSTRATED)
        said = dice.choice(PAIRS) if mismatched else shown
        return f"{prompt(shown)} {english(said)}"
    n_things = dice.between(1, 2)
    if dice.percent(50):
        return write([Phrase(*dice.choice(PAIRS), position=dice.choice(PLACES)) for _ in range(n_things)])
    return write([Phrase(*dice.choice(PAIRS)) for _ in range(n_things)], "en")


def documents(seed: int, n: int, rate: int, *, mismatched: bool = False) -> Int[Tensor, "{n} L"]:
    """n documents as ids, <|endoftext|> before each and after it up to LENGTH.

    Raises ValueError if rate is not between 0 and 1000.
    """
    check_within("rate, in documents of a thousand,", rate, 0, MILLE)
    dice, end = Dice(seed, "demonstrations"), tokenizer().end_of_text
    rows = torch.full((n, LENGTH), end)
    for row in rows:
        ids = tokenizer().encode(document(dice, rate, mismatched=mismatched))
        row[1 : len(ids) + 1] = torch.tensor(ids)
    return rows


def prompt_ids(pair: tuple[str, str]) -> Int[Tensor, " T"]:
    """<|endoftext|> and the prompt."""
    return torch.tensor([tokenizer().end_of_text, *tokenizer().encode(prompt(pair))])

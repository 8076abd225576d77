"""A translation task with known answers: Chinese numerals and dates to digits, 一千零二十四 → 1024.

Every value has one reading and one answer, so exact match is a fair judge; word order differs between the two sides
(place words vanish, silent zeros appear); and it is known which source character says each target character, so a
cross-attention map can be marked. Deterministic by seed, no download. Chapter 06.

Numbers from 0 to 99,999,999 (units up to 千万), dates from 1900-01-01 to 2099-12-31.
"""

import zlib
from dataclasses import dataclass
from datetime import date, timedelta

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.world.dice import Dice
from course_lib.foundations.checks import check_count, check_within, token_ids

DIGITS = "零一二三四五六七八九"
PLACES = ("", "十", "百", "千")
LARGEST = 99_999_999
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2099, 12, 31)
HELD_OUT_PERCENT = 10

PAD, START, END = "␣", "⊢", "⊣"
SOURCE_ALPHABET = PAD + END + DIGITS + "〇十百千万年月日"
TARGET_ALPHABET = PAD + START + END + "0123456789-"


@dataclass(frozen=True)
class Pair:
    """One sentence of the task. says[j] holds the places in `source` that say target[j]; none for a silent zero."""

    source: str
    target: str
    says: tuple[tuple[int, ...], ...]


def number_pair(n: int) -> Pair:
    """1024 -> 一千零二十四, "1024". Raises ValueError outside 0 … 99,999,999.

    Read in sections of four digits. One 零 stands for a run of zeros before a digit, zeros that end a section are
    silent, and a number that begins with 十 does not begin with 一十.
    """
    check_count("n", n, None)
    check_within("n", n, 0, LARGEST)
    if n == 0:
        return Pair(DIGITS[0], "0", ((0,),))
    if n < 10_000:
        return Pair(*read_section(str(n), 0, begins=True))
    high, high_target, high_says = read_section(str(n // 10_000), 0, begins=True)
    low, low_target, low_says = read_section(f"{n % 10_000:04}", len(high) + 1, begins=False)
    return Pair(high + "万" + low, high_target + low_target, high_says + low_says)


def read_section(digits: str, at: int, *, begins: bool) -> tuple[str, str, tuple[tuple[int, ...], ...]]:
    """Reading of up to four digits that starts at place `at` of the source; the digits; which places say each."""
    source, zeros = "", []
    says: list[tuple[int, ...]] = [()] * len(digits)
    for i, digit in enumerate(digits):
        if digit == "0":
            zeros.append(i)
            continue
        if zeros:
            for zero in zeros:
                says[zero] = (at + len(source),)
            source, zeros = source + DIGITS[0], []
        place = PLACES[len(digits) - 1 - i]
        word = place if begins and i == 0 and digit + place == "1十" else DIGITS[int(digit)] + place
        says[i] = tuple(range(at + len(source), at + len(source) + len(word)))
        source += word
    return source, digits, tuple(says)


def date_pair(day: date) -> Pair:
    """2024-03-15 -> 二〇二四年三月十五日, "2024-03-15". The year digit by digit, the first zero of 03 unsaid."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"day ({day}) must lie between {FIRST_DAY} and {LAST_DAY}")
    source = "".join("〇" if digit == "0" else DIGITS[int(digit)] for digit in f"{day.year}")
    says = [(i,) for i in range(4)]
    for unit, value, closing in (("年", day.month, "月"), ("月", day.day, "日")):
        source += unit if not source.endswith(unit) else ""
        says.append((len(source) - 1,))
        word, _, word_says = read_section(str(value), len(source), begins=True)
        says += [()] * (2 - len(word_says)) + list(word_says)
        source += word + closing
    return Pair(source, day.isoformat(), tuple(says))


def edge_numbers(max_digits: int = 8) -> list[int]:
    """The ends of every length, never trained on: 0, and 1…0, 1…01, 10…010, 9…9 of each length."""
    check_digits(max_digits)
    edges = {0, 1, 9}
    for length in range(2, max_digits + 1):
        least = 10 ** (length - 1)
        edges |= {least, least + 1, least + 10, 10 * least - 1}
    return sorted(edges)


def edge_dates() -> list[date]:
    """Ends of centuries, years and months, leap days: never trained on."""
    ends = [date(year, month, day) for year in (1900, 1999, 2000, 2024, 2099) for month, day in ((1, 1), (12, 31))]
    return sorted({*ends, date(2000, 2, 29), date(2024, 2, 29), date(1900, 2, 28), date(2010, 10, 10)})


def is_held_out(value: int | date) -> bool:
    """Whether a value is kept from training: a tenth of all, the same tenth for every seed, and every edge."""
    if isinstance(value, date):
        return value in _EDGE_DATES or zlib.crc32(f"date {value}".encode()) % 100 < HELD_OUT_PERCENT
    return value in _EDGE_NUMBERS or zlib.crc32(f"number {value}".encode()) % 100 < HELD_OUT_PERCENT


def pairs(seed: int, part: str, n: int, *, max_digits: int = 8, percent_dates: int = 30) -> list[Pair]:
    """n pairs for part "train" or "held out": never one value in both. Lengths equally often, many zeros."""
    if part not in ("train", "held out"):
        raise ValueError(f"part ({part!r}) must be 'train' or 'held out'; for the ends of the range call edge_pairs()")
    check_digits(max_digits)
    dice, found = Dice(seed, "numerals", part), []
    while len(found) < n:
        value = random_date(dice) if dice.percent(percent_dates) else random_number(dice, max_digits)
        if is_held_out(value) == (part == "held out"):
            found.append(date_pair(value) if isinstance(value, date) else number_pair(value))
    return found


def edge_pairs(*, max_digits: int = 8, with_dates: bool = True) -> list[Pair]:
    """All edges, each once."""
    numbers = [number_pair(n) for n in edge_numbers(max_digits)]
    return numbers + [date_pair(day) for day in edge_dates()] if with_dates else numbers


def random_number(dice: Dice, max_digits: int) -> int:
    """Every length equally often; each digit after the first is 0 in 4 of 10 cases, as round numbers are."""
    length = dice.between(1, max_digits)
    number = dice.between(1, 9)
    for _ in range(length - 1):
        number = 10 * number + (0 if dice.percent(33) else dice.below(10))
    return number


def random_date(dice: Dice) -> date:
    return FIRST_DAY + timedelta(days=dice.below((LAST_DAY - FIRST_DAY).days + 1))


def encode(
    batch: list[Pair],
) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B T"]]:
    """Source and target ids, both closed by END and filled up with PAD (id 0) on the right.

    source != 0 says which source ids are tokens; START (for shift_right) is id START_ID of the target's alphabet.
    """
    if not batch:
        raise ValueError("a batch needs at least one pair")
    sources = [[_SOURCE_ID[c] for c in pair.source + END] for pair in batch]
    targets = [[_TARGET_ID[c] for c in pair.target + END] for pair in batch]
    return fill(sources), fill(targets)


def decode_target(ids: list[int]) -> str:
    """The text up to END. Raises ValueError for an id outside the target's alphabet."""
    return "".join(TARGET_ALPHABET[i] for i in token_ids(ids, len(TARGET_ALPHABET))).split(END)[0]


def fill(rows: list[list[int]]) -> Int[Tensor, "B L"]:
    """Rows of ids as one tensor, the short ones filled up with PAD on the right."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def check_digits(max_digits: int) -> None:
    check_count("max_digits", max_digits)
    check_within("max_digits", max_digits, 1, 8)


_SOURCE_ID = {c: i for i, c in enumerate(SOURCE_ALPHABET)}
_TARGET_ID = {c: i for i, c in enumerate(TARGET_ALPHABET)}
START_ID, END_ID = _TARGET_ID[START], _TARGET_ID[END]
_EDGE_NUMBERS = frozenset(edge_numbers())
_EDGE_DATES = frozenset(edge_dates())

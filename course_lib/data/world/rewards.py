"""Verifiable rewards: a rule reads the answer and returns a float in [0, 1]; no model is asked.

Chapters 20 to 25. A reward never raises on what a model wrote: nonsense earns 0.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from course_lib.data.world.boxes import iou, parse_boxes
from course_lib.foundations.checks import check_text

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGIT = f"[{''.join(_DIGITS)}]"
_NUMBER = re.compile(
    rf"-?\d+(?:\.\d+)?|(?:{_DIGIT}|十)(?:{_DIGIT}|[十百千万])*|\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE
)
# a digit that follows 百, 千 or 万 without 零 is not the ones: 二百五 is 250, and is not read
_SECTION = rf"(?:({_DIGIT})千)?零?(?:({_DIGIT})百)?零?(?:({_DIGIT}?)十)?零?(?:(?<![百千万])({_DIGIT}))?"
_PLACED = re.compile(rf"(?:{_SECTION}万)?{_SECTION}")
_PLACES = (10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1)
_TAGGED = re.compile(r"\s*<think>.*?</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)


def normalise(text: str) -> str:
    """Full-width forms folded, lower case, spaces and closing marks dropped: what exact match compares."""
    check_text("text", text)
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"\s+", " ", folded).strip().rstrip(".。!！?？ ")


def exact_match(answer: str, target: str) -> float:
    """1 if both say the same after `normalise`, else 0."""
    return float(normalise(answer) == normalise(target))


def _chinese_number(text: str) -> float | None:
    """Digits one by one, 二〇二四, or with their places, 二百三十; None for what is neither."""
    if set(text) <= _DIGITS.keys():
        return float("".join(str(_DIGITS[c]) for c in text))
    found = _PLACED.fullmatch(text)
    return found and float(sum(_DIGITS.get(c, 1) * place for c, place in zip(found.groups(), _PLACES) if c is not None))


def first_number(text: str) -> float | None:
    """The first number in the text: 3, 2.5, 三, 十二, three, 二百三十; None if there is none."""
    check_text("text", text)
    found = _NUMBER.search(unicodedata.normalize("NFKC", text))
    if not found:
        return None
    word = found[0].lower()
    if word in _WORDS:
        return float(_WORDS.index(word))
    if word[0] in "零〇一二两三四五六七八九十":
        return _chinese_number(word)
    return float(word)


def count_reward(answer: str, target: int) -> float:
    """1 if the first number in the answer is the target, else 0."""
    return float(first_number(answer) == target)


def seconds_reward(answer: str, target: float, tolerance: float = 0.5) -> float:
    """1 at the right second, falling in a straight line to 0 at `tolerance` seconds off."""
    if not tolerance > 0:
        raise ValueError(f"tolerance ({tolerance}) must be above 0 s")
    said = first_number(answer)
    return 0.0 if said is None else max(0.0, 1.0 - abs(said - target) / tolerance)


def box_reward(answer: str, target: Sequence[float]) -> float:
    """Intersection over union of the first <box>…</box> of the answer with the target, both in the same units."""
    boxes = parse_boxes(answer)
    return float(iou(boxes[0], np.asarray(target))) if len(boxes) else 0.0


def format_reward(answer: str) -> float:
    """1 if the text is exactly <think>…</think><answer>…</answer>, each tag once, else 0."""
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    return float(_TAGGED.fullmatch(answer) is not None and all(answer.count(tag) == 1 for tag in tags))


def inside_answer(text: str) -> str:
    """What stands between <answer> and </answer>; the whole text if it has no such pair."""
    found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
    return found[1].strip() if found else text

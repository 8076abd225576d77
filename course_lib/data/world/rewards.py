"""Verifiable rewards: a rule reads the answer and returns a float in [0, 1]; no model is asked.

Chapters 20 to 25. A reward never raises on what a model wrote: nonsense earns 0.
"""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from course_lib.data.world.boxes import iou, parse_boxes

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER = re.compile(rf"-?\d+(?:\.\d+)?|[零〇一二两三四五六七八九十]+|\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)
_TAGGED = re.compile(r"\s*<think>.*?</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)


def normalise(text: str) -> str:
    """Full-width forms folded, lower case, spaces and closing marks dropped: what exact match compares."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"\s+", " ", folded).strip().rstrip(".。!！?？ ")


def exact_match(answer: str, target: str) -> float:
    """1 if both say the same after `normalise`, else 0."""
    return float(normalise(answer) == normalise(target))


def _chinese_number(text: str) -> int | None:
    if "十" not in text:
        return int("".join(str(_DIGITS[c]) for c in text))
    tens, _, ones = text.partition("十")
    if len(tens) > 1 or len(ones) > 1 or "十" in ones:
        return None
    return 10 * (_DIGITS[tens] if tens else 1) + (_DIGITS[ones] if ones else 0)


def first_number(text: str) -> float | None:
    """The first number in the text: 3, 2.5, 三, 十二, three; None if there is none."""
    found = _NUMBER.search(unicodedata.normalize("NFKC", text))
    if not found:
        return None
    word = found[0].lower()
    if word in _WORDS:
        return float(_WORDS.index(word))
    if word[0] in "零〇一二两三四五六七八九十":
        number = _chinese_number(word)
        return None if number is None else float(number)
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

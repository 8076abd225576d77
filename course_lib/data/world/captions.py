"""Captions in Chinese and English from one symbolic scene, and the way back from a caption to what it says.

describe(scene) → phrases → caption(...)        parse_caption(caption(...)) == the same phrases
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.data.world.scenes import COLOURS, KINDS, POSITIONS, SIZES, Scene
from course_lib.foundations.checks import check_known, check_text

LANGUAGES = ("zh", "en")
ZH = {
    **{"red": "红色", "green": "绿色", "blue": "蓝色", "yellow": "黄色"},
    **{"purple": "紫色", "cyan": "青色", "white": "白色", "orange": "橙色"},
    **{
        "circle": "圆形",
        "square": "正方形",
        "triangle": "三角形",
        "cross": "十字形",
        "ring": "圆环",
        "diamond": "菱形",
    },
    **{"tiny": "极小", "small": "小", "medium": "中号", "large": "大"},
    **{"top left": "左上角", "top": "上方", "top right": "右上角", "left": "左侧", "centre": "中间", "right": "右侧"},
    **{"bottom left": "左下角", "bottom": "下方", "bottom right": "右下角"},
}
EMPTY = {"zh": "画面里什么都没有。", "en": "there is nothing in the picture"}


@dataclass(frozen=True)
class Phrase:
    """What a caption says of one thing. `kind` is one of KINDS, or "text" with the letters in `text`.

    `size` and `position` are None where the caption leaves them out.
    """

    colour: str
    kind: str
    size: str | None = None
    position: str | None = None
    text: str | None = None


def describe(scene: Scene, *, sizes: bool = True, positions: bool = True) -> tuple[Phrase, ...]:
    """What a complete caption says, in painting order: shapes, then labels."""
    phrases = [
        Phrase(s.colour, s.kind, s.size if sizes else None, scene.position(s) if positions else None)
        for s in scene.shapes
    ]
    phrases += [
        Phrase(label.colour, "text", None, scene.position(label) if positions else None, label.text)
        for label in scene.labels
    ]
    return tuple(phrases)


def check_language(language: str) -> None:
    check_known("language", language, LANGUAGES)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def name(phrase: Phrase, language: str) -> str:
    """The thing without article or place: `small red circle`, `红色的小圆形`."""
    if language == "zh":
        if phrase.kind == "text":
            return f"{ZH[phrase.colour]}文字“{phrase.text}”"
        return ZH[phrase.colour] + (f"的{ZH[phrase.size]}" if phrase.size else "") + ZH[phrase.kind]
    if phrase.kind == "text":
        return f'{phrase.colour} text "{phrase.text}"'
    return f"{phrase.size + ' ' if phrase.size else ''}{phrase.colour} {phrase.kind}"


def place(position: str) -> str:
    """English place: `in the centre`, `at the top left`."""
    return f"{'in' if position == 'centre' else 'at'} the {position}"


def write(phrases: Sequence[Phrase], language: str = "zh") -> str:
    """The caption that says these phrases."""
    check_language(language)
    if not phrases:
        return EMPTY[language]
    if language == "zh":
        parts = []
        for p in phrases:
            what = name(p, "zh") if p.kind == "text" else f"一个{name(p, 'zh')}"
            parts.append(f"{ZH[p.position]}有{what}" if p.position else f"有{what}")
        return "，".join(parts) + "。"
    parts = []
    for p in phrases:
        what = name(p, "en")
        article = "the" if p.kind == "text" else _article(what)
        parts.append(f"{article} {what}" + (f" {place(p.position)}" if p.position else ""))
    return " and ".join(parts)


def caption(scene: Scene, language: str = "zh", *, sizes: bool = True, positions: bool = True) -> str:
    """A true and complete caption; `sizes` and `positions` say whether it mentions them."""
    return write(describe(scene, sizes=sizes, positions=positions), language)


def _either(words: Sequence[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_BACK = {chinese: english for english, chinese in ZH.items()}
_ZH_PHRASE = re.compile(
    rf"(?:(?P<position>{_either([ZH[p] for p in POSITIONS])}))?有"
    rf"(?:一个(?P<colour>{_either([ZH[c] for c in COLOURS])})(?:的(?P<size>{_either([ZH[s] for s in SIZES])}))?"
    rf"(?P<kind>{_either([ZH[k] for k in KINDS])})"
    rf"|(?P<text_colour>{_either([ZH[c] for c in COLOURS])})文字“(?P<text>[^”]+)”)"
)
_EN_PHRASE = re.compile(
    rf"(?:(?:a|an) (?:(?P<size>{_either(tuple(SIZES))}) )?"
    rf"(?P<colour>{_either(tuple(COLOURS))}) (?P<kind>{_either(KINDS)})"
    rf'|the (?P<text_colour>{_either(tuple(COLOURS))}) text "(?P<text>[^"]+)")'
    rf"(?: (?:at|in) the (?P<position>{_either(POSITIONS)}))?"
)


def parse_caption(text: str, language: str = "zh") -> tuple[Phrase, ...]:
    """The phrases a caption says; the inverse of `write`. Raises ValueError naming the first part it cannot read."""
    check_language(language)
    check_text("text", text)
    if text == EMPTY[language]:
        return ()
    pattern, joint, end = (_ZH_PHRASE, "，", "。") if language == "zh" else (_EN_PHRASE, " and ", "")
    rest, phrases = text, []
    while True:
        found = pattern.match(rest)
        if not found:
            raise ValueError(f"cannot read {rest!r} in the caption {text!r}")
        parts = found.groupdict()
        if language == "zh":
            parts = {key: value if key == "text" else _BACK.get(value) for key, value in parts.items()}
        colour, kind = (parts["text_colour"], "text") if parts["text"] else (parts["colour"], parts["kind"])
        phrases.append(Phrase(colour, kind, parts["size"], parts["position"], parts["text"]))
        rest = rest[found.end() :]
        if rest == end:
            return tuple(phrases)
        if not rest.startswith(joint):
            raise ValueError(f"cannot read {rest!r} in the caption {text!r}")
        rest = rest[len(joint) :]

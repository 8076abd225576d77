"""What makes four lines a Tang quatrain, as rules that a program can check: each a reward from 0 to 1.

    form      four lines of 5 or of 7 characters, closed by ，。，。
    rhyme     lines 2 and 4 end alike, in different characters
    tone      within a line the 2nd, 4th (and 6th) syllables turn from level (平) to oblique (仄) and back
    variety   no character comes twice
Rhyme groups: the fourteen of 中华新韵 (十四韵), by today's Mandarin. The poets rhymed by the sounds of their
own time and had a fourth tone (入声) that has gone since, so not even they reach 1; the dataset card has their rates.
A reward never raises on what a model wrote. Chapters 20 to 25.
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from course_lib.data.real.poems import BAR, EDGE, SOUNDS

# group: its finals, as pypinyin writes them; -i is the vowel of 知 and 思
RHYMES = {
    "麻": "a ia ua",
    "波": "o e uo",
    "皆": "ie ve üe ê",
    "开": "ai uai",
    "微": "ei uei",
    "豪": "ao iao",
    "尤": "ou iou",
    "寒": "an ian uan van üan",
    "文": "en in uen vn ün",
    "唐": "ang iang uang",
    "庚": "eng ing ong iong ueng",
    "齐": "i er v ü",
    "支": "-i",
    "姑": "u",
}
LINE = rf"([^，。\{BAR}{EDGE}]{{N}})"
FORM = re.compile("|".join(f"{LINE}，{LINE}。{LINE}，{LINE}。".replace("N", n) for n in "57"))


@cache
def sounds() -> dict[str, tuple[str, str]]:
    """Character -> (rhyme group, 平 or 仄), for all that stand in the poems."""
    rows = (row.split() for row in Path(__file__).with_name(SOUNDS).read_text("utf-8").splitlines())
    return {character: (group, tone) for group, tone, characters in rows for character in characters}


def lines_of(text: str) -> tuple[str, ...] | None:
    """The four lines of a text that has the form, with or without the edge that ends it; None for another."""
    found = FORM.fullmatch(text.removesuffix(EDGE))
    return tuple(line for line in found.groups() if line) if found else None


def form_reward(text: str) -> float:
    """1 for four lines of 5 or four of 7 characters with their marks, else 0."""
    return float(lines_of(text) is not None)


def rhymes(one: str, other: str) -> bool:
    """Whether two different characters belong to one group; False for one whose sound is not known."""
    known = sounds()
    return one != other and one in known and other in known and known[one][0] == known[other][0]


def rhyme_reward(lines: Sequence[str]) -> float:
    """1 if the second and the fourth line rhyme, else 0."""
    return float(len(lines) == 4 and all(lines) and rhymes(lines[1][-1], lines[3][-1]))


def turns(line: str) -> bool:
    """Whether the 4th syllable has the other tone class than the 2nd, and in a long line the 6th than the 4th."""
    classes = [sounds().get(character, ("", ""))[1] for character in line[1 : len(line) - 1 : 2]]
    return len(classes) > 1 and "" not in classes and all(a != b for a, b in pairwise(classes))


def tone_reward(lines: Sequence[str]) -> float:
    """Share of the lines whose tones turn."""
    return sum(map(turns, lines)) / len(lines) if lines else 0.0


def variety_reward(lines: Sequence[str]) -> float:
    """1 if no character comes twice, else 0."""
    characters = "".join(lines)
    return float(len(characters) > 0 and len(set(characters)) == len(characters))

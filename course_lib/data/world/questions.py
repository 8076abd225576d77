"""Questions about a scene with the answer that the scene itself gives, in Chinese and English.

A query is symbolic; `ask` puts it into words, `answer` reads the scene, `answer_text` puts the answer into words.

kind         about                                       symbolic answer
colour       (kind,)                                     a colour
shape        (colour,)                                   a kind
count        (colour or kind,)                           a number
position     (colour, kind)                              one of POSITIONS
relation     (colour, kind, relation, colour, kind)      "yes" or "no"
comparison   (word, word): two colours or two kinds      the more frequent word, or "equal"
text         ()                                          the letters in the picture
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from course_lib.data.world.captions import ZH, check_language, place
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, KINDS, Scene, Shape
from course_lib.foundations.checks import check_count, check_known

QUERY_KINDS = ("colour", "shape", "count", "position", "relation", "comparison", "text")
RELATIONS = {"left of": "左边", "right of": "右边", "above": "上面", "below": "下面"}


@dataclass(frozen=True)
class Query:
    """A question in symbols; see the table at the top of this file."""

    kind: str
    about: tuple[str, ...] = ()

    def __post_init__(self):
        check_known("kind of question", self.kind, QUERY_KINDS)
        for word in self.about:
            check_known("word", word, (*COLOURS, *KINDS, *RELATIONS))


def _the_only(scene: Scene, **wanted: str) -> Shape:
    found = [s for s in scene.shapes if all(getattr(s, field) == value for field, value in wanted.items())]
    if len(found) != 1:
        words = " ".join(wanted.values())
        raise ValueError(f"the scene holds {len(found)} of {words!r}; this question needs exactly 1")
    return found[0]


def _count(scene: Scene, word: str) -> int:
    return sum(word in (s.colour, s.kind) for s in scene.shapes)


def _holds(relation: str, a: Shape, b: Shape) -> bool:
    return {"left of": a.x < b.x, "right of": a.x > b.x, "above": a.y < b.y, "below": a.y > b.y}[relation]


def answer(scene: Scene, query: Query) -> str | int:
    """The answer in symbols. Raises ValueError if the scene makes the question ambiguous or empty."""
    about = query.about
    if query.kind == "colour":
        return _the_only(scene, kind=about[0]).colour
    if query.kind == "shape":
        return _the_only(scene, colour=about[0]).kind
    if query.kind == "count":
        return _count(scene, about[0])
    if query.kind == "position":
        return scene.position(_the_only(scene, colour=about[0], kind=about[1]))
    if query.kind == "relation":
        a = _the_only(scene, colour=about[0], kind=about[1])
        b = _the_only(scene, colour=about[3], kind=about[4])
        return "yes" if _holds(about[2], a, b) else "no"
    if query.kind == "comparison":
        first, second = (_count(scene, word) for word in about)
        return "equal" if first == second else about[first < second]
    if len(scene.labels) != 1:
        raise ValueError(f"the scene holds {len(scene.labels)} texts; this question needs exactly 1")
    return scene.labels[0].text


def all_queries(scene: Scene) -> list[Query]:
    """Every question with one clear answer, in a fixed order; counts also ask for what is not there (answer 0)."""
    kinds, colours = Counter(s.kind for s in scene.shapes), Counter(s.colour for s in scene.shapes)
    written = {label.colour for label in scene.labels}
    both = Counter((s.colour, s.kind) for s in scene.shapes)
    queries = [Query("colour", (kind,)) for kind in KINDS if kinds[kind] == 1]
    queries += [Query("shape", (colour,)) for colour in COLOURS if colours[colour] == 1 and colour not in written]
    queries += [Query("count", (word,)) for word in (*COLOURS, *KINDS)]
    single = [s for s in scene.shapes if both[s.colour, s.kind] == 1]
    queries += [Query("position", (s.colour, s.kind)) for s in single]
    for a, b in combinations(single, 2):
        for relation, gap, side in (
            *(("left of", a.x - b.x, scene.width), ("right of", a.x - b.x, scene.width)),
            *(("above", a.y - b.y, scene.height), ("below", a.y - b.y, scene.height)),
        ):
            if abs(gap) * 8 >= side:  # an eighth of the canvas apart: nobody argues about the answer
                queries.append(Query("relation", (a.colour, a.kind, relation, b.colour, b.kind)))
    for present, names in ((colours, COLOURS), (kinds, KINDS)):
        queries += [Query("comparison", pair) for pair in combinations([n for n in names if present[n]], 2)]
    if len(scene.labels) == 1:
        queries.append(Query("text"))
    return queries


def _group(word: str, language: str) -> str:
    if language == "zh":
        return f"{ZH[word]}图形" if word in COLOURS else ZH[word]
    return f"{word} shapes" if word in COLOURS else {"cross": "crosses"}.get(word, f"{word}s")


def ask(query: Query, language: str = "zh") -> str:
    """The question in words."""
    check_language(language)
    about, zh = query.about, language == "zh"
    if query.kind == "colour":
        return f"{ZH[about[0]]}是什么颜色？" if zh else f"What colour is the {about[0]}?"
    if query.kind == "shape":
        return f"{ZH[about[0]]}的是什么形状？" if zh else f"What shape is the {about[0]} one?"
    if query.kind == "count":
        return f"有几个{_group(about[0], 'zh')}？" if zh else f"How many {_group(about[0], 'en')} are there?"
    if query.kind == "position":
        return f"{ZH[about[0]]}{ZH[about[1]]}在哪里？" if zh else f"Where is the {about[0]} {about[1]}?"
    if query.kind == "relation":
        c1, k1, relation, c2, k2 = about
        if zh:
            return f"{ZH[c1]}{ZH[k1]}在{ZH[c2]}{ZH[k2]}的{RELATIONS[relation]}吗？"
        return f"Is the {c1} {k1} {relation} the {c2} {k2}?"
    if query.kind == "comparison":
        first, second = (_group(word, language) for word in about)
        return f"{first}多还是{second}多？" if zh else f"Are there more {first} or more {second}?"
    return "图里写着什么？" if zh else "What does the text say?"


def answer_text(answer: str | int, language: str = "zh") -> str:
    """The answer in words; letters read from the picture stay as they are."""
    check_language(language)
    if isinstance(answer, int):
        return str(answer)
    if language == "zh":
        return {"yes": "是", "no": "否", "equal": "一样多"}.get(answer, ZH.get(answer, answer))
    return place(answer) if answer == "centre" else answer


def question_and_answer(scene: Scene, query: Query, language: str = "zh") -> tuple[str, str]:
    """Both in words."""
    return ask(query, language), answer_text(answer(scene, query), language)


def sample_queries(
    scene: Scene, seed: int, index: int = 0, *, n: int = 1, kinds: Sequence[str] = QUERY_KINDS
) -> list[Query]:
    """n different questions: first a kind among those the scene allows, then one of that kind, so kinds stay balanced.

    Raises ValueError if the scene allows fewer than n.
    """
    pool: dict[str, list[Query]] = {}
    for query in all_queries(scene):
        if query.kind in kinds:
            pool.setdefault(query.kind, []).append(query)
    available = sum(len(queries) for queries in pool.values())
    check_count("n", n)
    if n > available:
        raise ValueError(f"the scene allows {available} questions of kinds {tuple(kinds)}, asked for {n}")
    dice, chosen = Dice(seed, "queries", index), []
    for _ in range(n):
        kind = dice.choice(sorted(pool))
        chosen.append(pool[kind].pop(dice.below(len(pool[kind]))))
        if not pool[kind]:
            del pool[kind]
    return chosen

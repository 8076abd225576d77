"""Preference pairs: a right and a wrong answer to the same question, some with their labels flipped on purpose.

Chapters 20 to 24. How often the judge is wrong is known, pair by pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.data.world.captions import check_language
from course_lib.data.world.dice import Dice
from course_lib.data.world.questions import Query, all_queries, answer, answer_text, ask, sample_queries
from course_lib.data.world.scenes import COLOURS, KINDS, POSITIONS, Scene
from course_lib.data.world.text_image import READABLE


@dataclass(frozen=True)
class Preference:
    """`chosen` is what the judge preferred; where `flipped`, that is the wrong answer."""

    prompt: str
    chosen: str
    rejected: str
    flipped: bool
    query: Query

    @property
    def right(self) -> str:
        return self.rejected if self.flipped else self.chosen


def wrong_answers(scene: Scene, query: Query) -> list[str | int]:
    """Every wrong answer of the right type (a colour for a colour, a number within 2 for a number …), fixed order."""
    right = answer(scene, query)
    if query.kind == "count":
        candidates = [n for n in range(max(0, right - 2), right + 3)]
    elif query.kind == "text":
        # one character misread, as a weak reader would
        candidates = [right[:i] + c + right[i + 1 :] for i in range(len(right)) for c in READABLE]
    else:
        candidates = {
            "colour": COLOURS,
            "shape": KINDS,
            "position": POSITIONS,
            "relation": ("yes", "no"),
            "comparison": (*query.about, "equal"),
        }[query.kind]
    return [candidate for candidate in candidates if candidate != right]


def preference_pairs(
    scenes: Sequence[Scene], seed: int, *, flip_rate: int = 0, language: str = "zh", kinds: Sequence[str] | None = None
) -> list[Preference]:
    """One pair a scene; each is flipped with probability `flip_rate` percent. `kinds` limits the questions."""
    check_language(language)
    pairs = []
    for i, scene in enumerate(scenes):
        allowed = tuple(kinds) if kinds is not None else tuple(dict.fromkeys(q.kind for q in all_queries(scene)))
        query = sample_queries(scene, seed, i, kinds=allowed)[0]
        dice = Dice(seed, "preferences", i)
        right = answer_text(answer(scene, query), language)
        wrong = answer_text(dice.choice(wrong_answers(scene, query)), language)
        flipped = dice.percent(flip_rate)
        chosen, rejected = (wrong, right) if flipped else (right, wrong)
        pairs.append(Preference(ask(query, language), chosen, rejected, flipped, query))
    return pairs

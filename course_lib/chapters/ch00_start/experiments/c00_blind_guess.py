"""C00: how many questions of the data world a guesser answers that never sees a picture.

It learns one answer for each kind of question, the most frequent one, from the scenes of one world, and is tested on
the scenes of another. What a model scores above this is what it may have seen.  Chapter 00.
"""

from collections import Counter

import numpy as np

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.preferences import wrong_answers
from course_lib.data.world.questions import answer, sample_queries
from course_lib.data.world.scenes import scatter

KINDS = ("comparison", "count", "relation", "position", "colour", "shape")
NAMES = {
    **{"comparison": "比较", "count": "计数", "relation": "关系"},
    **{"position": "位置", "colour": "颜色", "shape": "形状"},
}


def _asked(world: int, n_scenes: int, kind: str) -> list[tuple[str | int, int]]:
    """(right answer, number of possible answers) for one question of a kind in each scene that allows one."""
    found = []
    for i in range(n_scenes):
        scene = scatter(world, i, width=64, height=64, n_shapes=(2, 4))
        try:
            (query,) = sample_queries(scene, world, i, kinds=(kind,))
        except ValueError:  # two shapes of one look allow no question about their places
            continue
        found.append((answer(scene, query), 1 + len(wrong_answers(scene, query))))
    return found


def measure(seed: int, *, progress, n_scenes: int) -> dict[str, list[float]]:
    """Share of right answers, by KINDS: the most frequent answer, and a throw among the possible ones."""
    blind, thrown = [], []
    for kind in progress(KINDS, "各类问题"):
        learnt = Counter(right for right, _ in _asked(2 * seed, n_scenes, kind)).most_common(1)[0][0]
        asked = _asked(2 * seed + 1, n_scenes, kind)
        blind.append(float(np.mean([right == learnt for right, _ in asked])))
        thrown.append(float(np.mean([1 / n_possible for _, n_possible in asked])))
    return {"blind": blind, "thrown": thrown}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Twice the throw on counts and on comparisons; no more than the throw, within 6 points, on relations."""
    blind = dict(zip(KINDS, figures["blind"].mean))
    thrown = dict(zip(KINDS, figures["thrown"].mean))
    doubled = [kind for kind in ("comparison", "count") if blind[kind] >= 2 * thrown[kind]]
    even = abs(blind["relation"] - thrown["relation"]) <= 0.06
    measured = "；".join(f"{NAMES[kind]} {blind[kind]:.0%}（掷骰子 {thrown[kind]:.0%}）" for kind in KINDS)
    if len(doubled) == 2 and even:
        return Verdict("holds", f"不看图的正确率：{measured}。")
    if doubled:
        return Verdict("partly", f"只在一部分问题上成立。不看图的正确率：{measured}。")
    return Verdict("fails", f"最常见的答案帮不上忙。不看图的正确率：{measured}。")


CLAIM = Claim(
    id="C00",
    chapter="00",
    title="不看图能答对多少",
    statement="一个从不看图的模型，只记住每类问题最常见的答案，就能在比较题和计数题上得到掷骰子两倍以上的正确率。",
    question="在一批场景上数出每类问题最常见的答案，换一批场景去答，对多少？",
    refuted_if="比较题和计数题上，瞎猜都不到掷骰子的两倍。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_scenes": 300},
    full={"n_scenes": 3000},
    labels={
        "blind": "最常见的答案，正确率：比较、计数、关系、位置、颜色、形状",
        "thrown": "在可能的答案里掷骰子，正确率：同上",
    },
    limits="真实的看图问答数据里，问题的用词还会透露更多，瞎猜能得到的可能比这里高，也可能低。",
)

"""How fast the data world is made: `OMP_NUM_THREADS=1 python benchmarks/data_world.py`. One core, processor seconds.

The aim is at least 3,000 scenes a second at 32×32 pixels, symbolic scene, picture and both captions together.
"""

import time
from collections.abc import Callable

from course_lib.data.world.captions import caption
from course_lib.data.world.questions import question_and_answer, sample_queries
from course_lib.data.world.render import render_batch
from course_lib.data.world.scenes import Scene, scatter
from course_lib.data.world.video import random_video, render_video


def best_of(work: Callable[[], object], times: int = 5) -> float:
    """Processor seconds of the fastest of `times` runs."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def measure(side: int, n: int) -> dict[str, float]:
    """Things a second, by name, for scenes of 1 to 3 shapes on side × side pixels."""

    def make() -> list[Scene]:
        return [scatter(0, i, width=side, height=side) for i in range(n)]

    scenes = make()

    def everything() -> None:
        found = make()
        render_batch(found)
        [(caption(scene, "zh"), caption(scene, "en")) for scene in found]

    work = {
        "scenes": make,
        "pictures": lambda: render_batch(scenes),
        "captions zh+en": lambda: [(caption(scene, "zh"), caption(scene, "en")) for scene in scenes],
        "questions": lambda: [
            question_and_answer(scene, sample_queries(scene, 0, i)[0]) for i, scene in enumerate(scenes)
        ],
        "all but questions": everything,
    }
    rates = {name: n / best_of(run) for name, run in work.items()}
    videos = [random_video(0, i, width=side, height=side) for i in range(max(1, n // 100))]
    rates["video frames"] = 16 * len(videos) / best_of(lambda: [render_video(video, 2.0) for video in videos])
    return rates


def main() -> None:
    table = {side: measure(side, n) for side, n in ((32, 2000), (64, 1000), (224, 100))}
    print(f"{'a second, one core':<22}" + "".join(f"{side}×{side}".rjust(12) for side in table))
    for name in table[32]:
        print(f"{name:<22}" + "".join(f"{rates[name]:12,.0f}" for rates in table.values()))


if __name__ == "__main__":
    main()

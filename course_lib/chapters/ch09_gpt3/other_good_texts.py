"""Good texts in other words than those that somebody chose as examples of good ones.

    a chosen text, or a good page of the crawl      左上角有一个红色的小圆形，右侧有一个蓝色的大菱形。
    a text of this file                             在左上角能看到一个红色的小圆形，画上的蓝色的大菱形在右侧。
A filter that learns from the chosen ones what "good" is has never seen a sentence of these.
Read first: data/text/web_text.py.  Chapter 09.
"""

from course_lib.data.text.web_text import SCENES_IN_A_DOCUMENT
from course_lib.data.world.captions import ZH, describe, name
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import scatter
from course_lib.foundations.checks import check_count

WAYS = (
    "画上的{thing}在{place}",
    "在{place}能看到一个{thing}",
    "{place}是一个{thing}",
    "一个{thing}放在{place}",
    "{place}画着一个{thing}",
)


def _told(dice: Dice) -> str:
    scene = scatter(dice.below(2**31), width=64, height=64, n_shapes=(2, 3))
    said = [dice.choice(WAYS).format(thing=name(each, "zh"), place=ZH[each.position]) for each in describe(scene)]
    return dice.choice(("，", "；")).join(said) + "。"


def other_good_texts(n: int, seed: int) -> list[str]:
    """n texts of a few scenes each."""
    check_count("n", n, 1)
    dice = [Dice(seed, "other good texts", index) for index in range(n)]
    return ["".join(_told(each) for _ in range(SCENES_IN_A_DOCUMENT)) for each in dice]

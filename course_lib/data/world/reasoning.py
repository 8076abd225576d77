"""Questions whose answer takes several steps, and the steps: look, then work out what follows.

add          draw one more: how many then?                              two numbers
take away    without the one furthest to a side: how many are left?     find it, see what it is, count
way          from one thing to another: which way?                      two places
largest      which is the largest, and where?                           sizes, then a place
A step is asked for only where it is clear: an eighth of the canvas apart, or one size above all others.
Read first: questions.py, sentences.py.  Chapter 15.
"""

from course_lib.data.world.captions import ZH, place
from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, SIZES, Scene, Shape
from course_lib.data.world.sentences import be, capital, the, things

Answered = tuple[str, str]
SIDES = {"left": "左", "right": "右", "top": "上", "bottom": "下"}
MOST = {"left": "leftmost", "right": "rightmost", "top": "highest", "bottom": "lowest"}
WAYS = {(-1, 0): "left", (1, 0): "right", (0, -1): "up", (0, 1): "down"} | {
    (x, y): f"{'up' if y < 0 else 'down'} and to the {'left' if x < 0 else 'right'}" for x in (-1, 1) for y in (-1, 1)
}


def reasoned(scene: Scene, dice: Dice, language: str = "zh") -> Answered:
    """(question, answer), of one of the kinds that the scene allows; one more can always be drawn."""
    ways = (add, take_away, way, largest)
    return dice.choice([found for think in ways if (found := think(scene, dice, language))])


def add(scene: Scene, dice: Dice, language: str) -> Answered:
    colour, kind = dice.choice([(s.colour, s.kind) for s in scene.shapes] or [(c, "circle") for c in COLOURS])
    n = sum(shape.colour == colour for shape in scene.shapes)
    new, many = the((colour, kind), language), things(colour, language, n)
    if language == "zh":
        return f"再画一个{new}，一共有几个{many}？", f"现在有{n}个{many}，再加1个。所以一共有{n + 1}个。"
    return (
        f"How many {things(colour, 'en')} are there if one more {new.removeprefix('the ')} is drawn?",
        f"Now there {be(n)} {n} {many}, and one more. So there {be(n + 1)} {n + 1}.",
    )


def take_away(scene: Scene, dice: Dice, language: str) -> Answered | None:
    clear = {side: shape for side in SIDES if (shape := furthest(scene, side))}
    if not clear:
        return None
    side = dice.choice(list(clear))
    gone, colour = clear[side], dice.choice(sorted({shape.colour for shape in scene.shapes}))
    n = sum(shape.colour == colour for shape in scene.shapes)
    left = n - (gone.colour == colour)
    many, what = things(colour, language, n), the(gone, language)
    if language == "zh":
        step = f"它也是{ZH[colour]}的" if left < n else f"它不是{ZH[colour]}的"
        return (
            f"把最{SIDES[side]}边的图形拿走，还剩几个{many}？",
            f"最{SIDES[side]}边的是{what}，{step}，{many}原来有{n}个。所以还剩{left}个。",
        )
    step = f"It is {colour}" if left < n else f"It is not {colour}"
    return (
        f"How many {things(colour, 'en')} are left if the {MOST[side]} shape is taken away?",
        f"The {MOST[side]} shape is {what}. {step}, and there {'was' if n == 1 else 'were'} {n} {many}. "
        f"So {left} {be(left)} left.",
    )


def way(scene: Scene, dice: Dice, language: str) -> Answered | None:
    single = [shape for shape in scene.shapes if is_single(scene, shape)]
    pairs = [(a, b, step) for a in single for b in single if a is not b and (step := step_from(scene, a, b)) in WAYS]
    if not pairs:
        return None
    a, b, (x, y) = dice.choice(pairs)
    start, end = the(a, language), the(b, language)
    if language == "zh":
        to = ("", "右", "左")[x] + ("", "下", "上")[y]
        return (
            f"从{start}到{end}，要往哪边走？",
            f"{start}在{ZH[scene.position(a)]}，{end}在{ZH[scene.position(b)]}。所以要往{to}走。",
        )
    return (
        f"Which way is it from {start} to {end}?",
        f"{capital(start)} is {place(scene.position(a))}, {end} {place(scene.position(b))}. So go {WAYS[x, y]}.",
    )


def largest(scene: Scene, dice: Dice, language: str) -> Answered | None:
    order = list(SIZES)
    by_size = sorted(scene.shapes, key=lambda shape: order.index(shape.size))
    if len(by_size) < 2 or by_size[-1].size == by_size[-2].size:
        return None
    most, next_one = by_size[-1], by_size[-2]
    what, where = the(most, language), scene.position(most)
    if language == "zh":
        return (
            "最大的图形在哪里？",
            f"{what}是{ZH[most.size]}的，其他图形最多是{ZH[next_one.size]}的。所以最大的是{what}，在{ZH[where]}。",
        )
    return (
        "Where is the largest shape?",
        f"{capital(what)} is {most.size}, the others at most {next_one.size}. So it is {what}, {place(where)}.",
    )


def furthest(scene: Scene, side: str) -> Shape | None:
    """The shape furthest to a side, if by an eighth of the canvas; None for fewer than two."""
    sign, across = (1 if side in ("left", "top") else -1), side in ("left", "right")
    ordered = sorted(scene.shapes, key=lambda shape: sign * (shape.x if across else shape.y))
    if len(ordered) < 2:
        return None
    gap = abs(ordered[1].x - ordered[0].x if across else ordered[1].y - ordered[0].y)
    return ordered[0] if 8 * gap >= (scene.width if across else scene.height) else None


def step_from(scene: Scene, a: Shape, b: Shape) -> tuple[int, int]:
    """(-1, 0 or 1 to the right, … down) from a to b; 0 for less than an eighth of the canvas."""
    gaps = ((b.x - a.x, scene.width), (b.y - a.y, scene.height))
    x, y = (0 if 8 * abs(gap) < side else 1 if gap > 0 else -1 for gap, side in gaps)
    return x, y


def is_single(scene: Scene, shape: Shape) -> bool:
    return sum((other.colour, other.kind) == (shape.colour, shape.kind) for other in scene.shapes) == 1

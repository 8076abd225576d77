"""Symbolic scenes: what there is, where, in which colour and size. Everything else is computed from them.

Lengths are pixels of the scene's own canvas, x to the right, y down, (0, 0) the outer corner of the top left pixel.
All chance is integer; positions and radii are whole quarters of a pixel, which floats and JSON hold exactly.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product

from course_lib.data.world.dice import Dice
from course_lib.data.world.text_image import bitmap, text_size
from course_lib.foundations.checks import check_counts, check_known, check_within, json_object

COLOURS = {
    "red": (255, 40, 40),
    "green": (30, 210, 50),
    "blue": (45, 85, 255),
    "yellow": (255, 235, 30),
    "purple": (175, 50, 215),
    "cyan": (30, 225, 240),
    "white": (250, 250, 250),
    "orange": (255, 140, 15),
}
KINDS = ("circle", "square", "triangle", "cross", "ring", "diamond")
# radius in percent of the canvas's shorter side; the ranges do not touch, so a size can be seen
SIZES = {"tiny": (3, 5), "small": (9, 12), "medium": (17, 22), "large": (27, 32)}
POSITIONS = (
    *("top left", "top", "top right"),
    *("left", "centre", "right"),
    *("bottom left", "bottom", "bottom right"),
)
FIVE_POSITIONS = ("top left", "top right", "centre", "bottom left", "bottom right")


@dataclass(frozen=True)
class Shape:
    """One coloured shape. `x`, `y` its centre, `radius` of the circle around it, in pixels."""

    colour: str
    kind: str
    size: str
    x: float
    y: float
    radius: float

    def __post_init__(self):
        check_known("colour", self.colour, COLOURS)
        check_known("kind", self.kind, KINDS)
        check_known("size", self.size, SIZES)
        if not self.radius > 0:
            raise ValueError(f"radius ({self.radius}) must be above 0")


@dataclass(frozen=True)
class Label:
    """Short text in the picture (for OCR). `x`, `y` its centre, `height` of a capital letter, in pixels."""

    text: str
    colour: str
    x: float
    y: float
    height: float

    def __post_init__(self):
        check_known("colour", self.colour, COLOURS)
        bitmap(self.text)  # raises for what the font lacks
        if not self.height > 0:
            raise ValueError(f"height ({self.height}) must be above 0")


@dataclass(frozen=True)
class Scene:
    """A canvas of `width` × `height` pixels, grey level `background` (0 … 255), shapes and labels painted in order."""

    width: int
    height: int
    shapes: tuple[Shape, ...] = ()
    labels: tuple[Label, ...] = ()
    background: int = 24

    def __post_init__(self):
        check_counts(None, width=self.width, height=self.height)
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a canvas of {self.width}×{self.height} has no pixels; both sides must be at least 1")
        check_within("background, a grey level,", self.background, 0, 255)

    def position(self, item: Shape | Label) -> str:
        """The ninth of the canvas that holds the item's centre, one of POSITIONS."""
        column = min(2, max(0, int(3 * item.x / self.width)))
        row = min(2, max(0, int(3 * item.y / self.height)))
        return POSITIONS[3 * row + column]

    def to_json(self) -> str:
        """One line, keys sorted: equal scenes give equal text, so its hash names the scene."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Scene":
        """Raises ValueError or TypeError where the text is not a scene."""
        fields = json_object(text, "the scene")
        fields["shapes"] = tuple(Shape(**shape) for shape in fields.get("shapes", ()))
        fields["labels"] = tuple(Label(**label) for label in fields.get("labels", ()))
        return cls(**fields)


def _radius(dice: Dice, size: str, width: int, height: int) -> float:
    low, high = SIZES[size]
    side = min(width, height)
    # in quarters of a pixel, at least one quarter
    return max(1, dice.between(-(-low * side // 25), max(-(-low * side // 25), high * side // 25))) / 4


def _check_menu(n_shapes: tuple[int, int], sizes: Sequence[str], colours: Sequence[str], kinds: Sequence[str]) -> None:
    if isinstance(n_shapes, int) or not 0 <= n_shapes[0] <= n_shapes[1]:
        raise ValueError(f"n_shapes {n_shapes} must be (fewest, most) with 0 <= fewest <= most")
    for values, names, what in ((sizes, SIZES, "size"), (colours, COLOURS, "colour"), (kinds, KINDS, "kind")):
        if not values:
            raise ValueError(f"no {what} to choose from; known: {', '.join(names)}")
        for value in values:
            check_known(what, value, names)


def scatter(
    seed: int,
    index: int = 0,
    *,
    width: int = 32,
    height: int = 32,
    n_shapes: tuple[int, int] = (1, 3),
    sizes: Sequence[str] = ("small", "medium"),
    colours: Sequence[str] = tuple(COLOURS),
    kinds: Sequence[str] = KINDS,
    overlap: bool = False,
) -> Scene:
    """Scene number `index` of world `seed`: shapes anywhere, inside the canvas, by default none touching another.

    Raises ValueError if so many shapes do not fit (after 100 fresh starts).
    """
    _check_menu(n_shapes, sizes, colours, kinds)
    dice = Dice(seed, "scatter", index)
    background = dice.between(8, 56)
    n = dice.between(*n_shapes)
    for _ in range(100):
        shapes: list[Shape] = []
        for _ in range(n):
            size = dice.choice(sizes)
            radius = _radius(dice, size, width, height)
            place = _free_place(dice, radius, width, height, () if overlap else shapes)
            if place is None:
                break
            shapes.append(Shape(dice.choice(colours), dice.choice(kinds), size, *place, radius))
        if len(shapes) == n:
            return Scene(width, height, tuple(shapes), background=background)
    raise ValueError(
        f"no room for {n} shapes of size {' or '.join(sizes)} on {width}×{height} pixels; "
        "try fewer or smaller shapes, a larger canvas, or overlap=True"
    )


def _free_place(
    dice: Dice, radius: float, width: int, height: int, taken: Sequence[Shape]
) -> tuple[float, float] | None:
    """A centre that keeps one pixel between the squares around the shapes; None after 30 misses."""
    reach = int(4 * radius)
    if 4 * width < 2 * reach or 4 * height < 2 * reach:
        return None
    for _ in range(30):
        x, y = dice.between(reach, 4 * width - reach) / 4, dice.between(reach, 4 * height - reach) / 4
        if all(max(abs(x - other.x), abs(y - other.y)) >= radius + other.radius + 1 for other in taken):
            return x, y
    return None


def on_grid(
    seed: int,
    index: int = 0,
    *,
    width: int = 48,
    height: int = 48,
    n_shapes: tuple[int, int] = (1, 5),
    sizes: Sequence[str] = ("small",),
    colours: Sequence[str] = tuple(COLOURS),
    kinds: Sequence[str] = KINDS,
) -> Scene:
    """Shapes in different cells of a 3×3 grid, each wholly inside its cell. Raises ValueError if one cannot be."""
    _check_menu(n_shapes, sizes, colours, kinds)
    if n_shapes[1] > 9:
        raise ValueError(f"a 3×3 grid holds at most 9 shapes, n_shapes asks for up to {n_shapes[1]}; try scatter")
    dice = Dice(seed, "on_grid", index)
    background = dice.between(8, 56)
    shapes = []
    for cell in sorted(dice.sample(range(9), dice.between(*n_shapes))):
        size = dice.choice(sizes)
        radius = _radius(dice, size, width, height)
        spans = []
        for place, side in ((cell % 3, width), (cell // 3, height)):
            low, high = -(-4 * side * place // 3) + int(4 * radius), 4 * side * (place + 1) // 3 - int(4 * radius)
            if low > high:
                raise ValueError(
                    f"a {size} shape of radius {radius} px does not fit a cell of {side}/3 px; "
                    "try sizes=('small',) or a longer shorter side"
                )
            spans.append((low, high))
        x, y = (dice.between(*span) / 4 for span in spans)
        shapes.append(Shape(dice.choice(colours), dice.choice(kinds), size, x, y, radius))
    return Scene(width, height, tuple(shapes), background=background)


def at_position(
    colour: str,
    kind: str,
    position: str,
    seed: int = 0,
    index: int = 0,
    *,
    width: int = 32,
    height: int = 32,
    size: str = "medium",
) -> Scene:
    """One named shape at one named position, shifted by up to 5 % of each side, for small experiments."""
    check_known("position", position, POSITIONS)
    check_known("size", size, SIZES)
    dice = Dice(seed, "at_position", index)
    column, row = POSITIONS.index(position) % 3, POSITIONS.index(position) // 3
    background = dice.between(8, 56)
    radius = _radius(dice, size, width, height)
    place = []
    for third, side in ((column, width), (row, height)):
        centre = (third + 1) * side + dice.between(-(side // 5), side // 5)  # quarters of a pixel
        reach = int(4 * radius)
        place.append(min(max(centre, reach), 4 * side - reach) / 4)
    return Scene(width, height, (Shape(colour, kind, size, *place, radius),), background=background)


def combinations(positions: Sequence[str] = FIVE_POSITIONS) -> list[tuple[str, str, str]]:
    """Every (colour, kind, position), in a fixed order: 240 of them for five positions."""
    return list(product(COLOURS, KINDS, positions))


def hold_out_triples(seed: int, percent: int = 20) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """(seen, held out): single combinations are held out; the same colour and kind may be seen elsewhere."""
    check_within("percent", percent, 0, 100)
    everything = combinations()
    hidden = set(Dice(seed, "hold_out_triples").sample(everything, len(everything) * percent // 100))
    return [c for c in everything if c not in hidden], [c for c in everything if c in hidden]


def hold_out_pairs(seed: int, n_pairs: int = 8) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """(seen, held out): whole colour–kind pairs are held out, so a test needs both words put together anew."""
    pairs = set(Dice(seed, "hold_out_pairs").sample(list(product(COLOURS, KINDS)), n_pairs))
    everything = combinations()
    return [c for c in everything if c[:2] not in pairs], [c for c in everything if c[:2] in pairs]


def with_text(scene: Scene, text: str, seed: int, *, height: float, colour: str = "white") -> Scene:
    """The scene with `text` at a free place, capitals `height` pixels tall. Raises ValueError if there is none."""
    wide, tall = text_size(text, height)
    taken = [(shape.x, shape.y, shape.radius, shape.radius) for shape in scene.shapes]
    for other in scene.labels:
        other_wide, other_tall = text_size(other.text, other.height)
        taken.append((other.x, other.y, other_wide / 2, other_tall / 2))
    dice = Dice(seed, "with_text", text)
    free_x, free_y = int(4 * (scene.width - wide)), int(4 * (scene.height - tall))
    if free_x >= 0 and free_y >= 0:
        for _ in range(400):
            x, y = dice.between(0, free_x) / 4 + wide / 2, dice.between(0, free_y) / 4 + tall / 2
            if all(
                abs(x - other_x) >= wide / 2 + half_w + 1 or abs(y - other_y) >= tall / 2 + half_h + 1
                for other_x, other_y, half_w, half_h in taken
            ):
                label = Label(text, colour, x, y, height)
                return Scene(scene.width, scene.height, scene.shapes, (*scene.labels, label), scene.background)
    raise ValueError(
        f"no free place for {text!r} of {wide:.0f}×{tall:.0f} pixels on {scene.width}×{scene.height}; "
        "try a lower height"
    )

"""Short videos with real timestamps: shapes that move, appear, vanish or change colour at a known second.

A video is symbolic and continuous in time; frames are taken at any rate, or at any seconds, from the same film.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from course_lib.data.world.captions import ZH, check_language
from course_lib.data.world.dice import Dice
from course_lib.data.world.render import render_batch
from course_lib.data.world.scenes import COLOURS, KINDS, SIZES, Scene, Shape
from course_lib.foundations.checks import check_count, check_known, json_object

EVENTS = {"appears": "出现", "vanishes": "消失", "changes colour": "变色"}


@dataclass(frozen=True)
class Mover:
    """A shape that goes from its own (x, y) to (end_x, end_y) in a straight line over the whole video."""

    shape: Shape
    end_x: float
    end_y: float


@dataclass(frozen=True)
class Event:
    """What happens to mover number `who` at `second`; `colour` is the new one where the colour changes."""

    kind: str
    who: int
    second: float
    colour: str | None = None

    def __post_init__(self):
        check_known("event", self.kind, EVENTS)
        if (self.colour is not None) != (self.kind == "changes colour"):
            raise ValueError(f"event {self.kind!r} with colour {self.colour!r}: only 'changes colour' takes a colour")


@dataclass(frozen=True)
class Video:
    """`seconds` long, on a canvas of `width` × `height` pixels."""

    width: int
    height: int
    seconds: float
    movers: tuple[Mover, ...]
    events: tuple[Event, ...] = ()
    background: int = 24

    def __post_init__(self):
        if self.width < 1 or self.height < 1 or not self.seconds > 0:
            raise ValueError(f"a video of {self.width}×{self.height} pixels and {self.seconds} s is empty")
        for event in self.events:
            if not 0 <= event.who < len(self.movers) or not 0 <= event.second < self.seconds:
                raise ValueError(f"{event} lies outside {len(self.movers)} movers or {self.seconds} s")

    def to_json(self) -> str:
        """One line, keys sorted."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Video":
        fields = json_object(text, "the video")
        fields["movers"] = tuple(Mover(**{**m, "shape": Shape(**m["shape"])}) for m in fields.get("movers", ()))
        fields["events"] = tuple(Event(**event) for event in fields.get("events", ()))
        return cls(**fields)


def scene_at(video: Video, second: float) -> Scene:
    """What is to be seen at this second (0 <= second <= video.seconds); an event has happened from its second on."""
    if not 0 <= second <= video.seconds:
        raise ValueError(f"second {second} lies outside the video of {video.seconds} s")
    share, shapes = second / video.seconds, []
    for who, mover in enumerate(video.movers):
        colour, seen = mover.shape.colour, True
        for event in video.events:
            if event.who != who:
                continue
            if event.kind == "appears":
                seen = seen and second >= event.second
            elif event.kind == "vanishes":
                seen = seen and second < event.second
            elif second >= event.second:
                colour = event.colour
        if seen:
            x = mover.shape.x + (mover.end_x - mover.shape.x) * share
            y = mover.shape.y + (mover.end_y - mover.shape.y) * share
            shapes.append(replace(mover.shape, colour=colour, x=x, y=y))
    return Scene(video.width, video.height, tuple(shapes), background=video.background)


def timestamps(video: Video, fps: float) -> Float[np.ndarray, "T"]:
    """Seconds of the frames k / fps that begin before the video ends."""
    if not fps > 0:
        raise ValueError(f"fps ({fps}) must be above 0")
    seconds = np.arange(int(np.ceil(video.seconds * fps)) + 1) / fps
    return seconds[seconds < video.seconds]


def render_video(
    video: Video, fps: float = 2.0, *, seconds: Sequence[float] | None = None, scale: float = 1.0
) -> tuple[UInt8[np.ndarray, "T H W 3"], Float[np.ndarray, "T"]]:
    """(frames, their seconds), at `fps` or at the given `seconds`."""
    times = timestamps(video, fps) if seconds is None else np.asarray(seconds, dtype=np.float64)
    return render_batch([scene_at(video, float(t)) for t in times], scale), times


def random_video(
    seed: int,
    index: int = 0,
    *,
    width: int = 32,
    height: int = 32,
    seconds: int = 8,
    n_shapes: int = 1,
    size: str = "medium",
    event: str | None = None,
) -> Video:
    """Video number `index` of world `seed`: moving shapes of different looks, one event at a whole half second.

    The event befalls the first mover, between 0.5 s after the start and 0.5 s before the end; None draws its kind.
    """
    check_known("size", size, SIZES)
    check_count("n_shapes", n_shapes, 1)
    low, high = SIZES[size]
    if seconds < 2:
        raise ValueError(f"a video with an event lasts at least 2 s, got {seconds}")
    dice = Dice(seed, "video", index)
    looks = dice.sample([(colour, kind) for colour in COLOURS for kind in KINDS], n_shapes)
    movers = []
    for colour, kind in looks:
        quarters = max(1, (low + high) * min(width, height) // 50)
        xs = [dice.between(quarters, 4 * width - quarters) / 4 for _ in range(2)]
        ys = [dice.between(quarters, 4 * height - quarters) / 4 for _ in range(2)]
        movers.append(Mover(Shape(colour, kind, size, xs[0], ys[0], quarters / 4), xs[1], ys[1]))
    what = event or dice.choice(tuple(EVENTS))
    second = dice.between(1, 2 * seconds - 1) / 2
    colour = dice.choice([c for c in COLOURS if c != looks[0][0]]) if what == "changes colour" else None
    return Video(width, height, seconds, tuple(movers), (Event(what, 0, second, colour),), dice.between(8, 56))


def question_of(video: Video, event: Event, language: str = "zh") -> tuple[str, str]:
    """("when does it happen?", the second), for example ("红色圆形在第几秒出现？", "2.5 秒")."""
    check_language(language)
    shape = video.movers[event.who].shape
    if language == "zh":
        question = f"{ZH[shape.colour]}{ZH[shape.kind]}在第几秒{EVENTS[event.kind]}？"
        return question, f"{event.second:g} 秒"
    verb = {"appears": "appear", "vanishes": "vanish", "changes colour": "change colour"}[event.kind]
    return f"At which second does the {shape.colour} {shape.kind} {verb}?", f"{event.second:g} s"

"""The one public way to make a figure answer.

    explore(draw, alt, pos=Knob("位置 pos", range(32)), d=Knob("d_model", [16, 64], kind="buttons"), start={"pos": 3})

With a kernel a frame is drawn when the reader asks for it. With COURSE_PUBLISH=1 in the environment all frames are
drawn beforehand and travel with the notebook's output, so that the same controls work on a static page; then no widget
is opened and nothing of its state is stored.
"""

import base64
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets
from matplotlib.figure import Figure

from course_lib.widgets.style import to_png, use_style

JS = Path(__file__).with_name("js")
PRELUDE = ("shared", "net", "net_vision")
MIME = "application/vnd.course.widget+json"
MAX_FRAMES = 40
MAX_PAYLOAD = 1_000_000  # bytes of JSON
KINDS = ("slider", "buttons", "select")


def modules() -> list[str]:
    """Names of the widgets' JavaScript modules."""
    return sorted(path.stem for path in JS.glob("*.js") if path.stem not in PRELUDE)


def source(module: str) -> str:
    """The JavaScript of one widget: what all share, then its own. An ES module with one export and no import."""
    return "\n".join(map(script, (*PRELUDE, module)))


def script(name: str) -> str:
    """One of the JavaScript files as it stands."""
    return (JS / f"{name}.js").read_text("utf-8")


def publishing() -> bool:
    """Whether outputs are being made for a page without a kernel."""
    return os.environ.get("COURSE_PUBLISH") == "1"


def data_uri(png: bytes) -> str:
    """A PNG as an address that an <img> can show without a request."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


@dataclass(frozen=True)
class Knob:
    """One control of a figure.

    label: what stands beside it; values: what `draw` receives; kind: "slider", "buttons" or "select";
    live: finer values that exist only with a kernel; texts: how `values` are written (default: str).
    Raises TypeError for values that are no list, ValueError for an unknown kind, for no values, or if texts and values
    differ in number.
    """

    label: str
    values: Iterable
    kind: str = "slider"
    live: Iterable | None = None
    texts: Iterable[str] | None = None

    def __post_init__(self) -> None:
        for name in ("values", "live", "texts"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, Iterable):
                raise TypeError(f"Knob {self.label!r} has {name} = {given!r}; give several, as in [{given!r}]")
            object.__setattr__(self, name, None if given is None else tuple(given))
        if self.kind not in KINDS:
            raise ValueError(f"Knob {self.label!r} has kind {self.kind!r}; choose one of {', '.join(KINDS)}")
        if not self.values or self.live == ():
            raise ValueError(f"Knob {self.label!r} has no values; give it at least one")
        if self.texts is not None and len(self.texts) != len(self.values):
            raise ValueError(
                f"Knob {self.label!r} has {len(self.values)} values and {len(self.texts)} texts; give one text a value"
            )

    def options(self, *, live: bool) -> list[tuple[Any, str]]:
        """(value, text) of every position of the control."""
        texts = dict(zip(self.values, self.texts or map(_text, self.values)))
        values = self.live if live and self.live is not None else self.values
        return [(value, texts.get(value, _text(value))) for value in values]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class CourseWidget(anywidget.AnyWidget):
    """A widget whose first frame is stored as an image and that also runs on a page without a kernel.

    A subclass names its JavaScript (`_esm = source("name")`, `module = "name"`) and its synced traits; on a page
    without a kernel the module gets exactly these traits, by `state()`.
    """

    module: ClassVar[str]
    local_only: ClassVar[tuple[str, ...]] = ()  # synced traits that only a kernel can use

    def __init__(self, *, first_frame: bytes, alt: str, name: str, **traits: Any) -> None:
        """first_frame: PNG bytes of the stored image; alt: what it shows; name: unique among the course's pictures."""
        self.first_frame, self.first_alt, self.name = first_frame, alt, name
        super().__init__(**traits)

    def open(self) -> None:
        """Connect to the front end, unless the output is for a page without a kernel."""
        if not publishing():
            super().open()

    def state(self) -> dict[str, Any]:
        """The synced traits by name, as the JavaScript reads them."""
        own = set(self.trait_names(sync=True)) - set(anywidget.AnyWidget.class_trait_names())
        return {key: getattr(self, key) for key in sorted(own - set(self.local_only)) if not key.startswith("_")}

    def payload(self) -> dict[str, Any]:
        """What a page without a kernel needs. Raises ValueError if it is larger than MAX_PAYLOAD."""
        payload = {"module": self.module, "state": self.state(), "alt": self.first_alt, "name": self.name}
        size = len(json.dumps(payload, ensure_ascii=False).encode())
        if size > MAX_PAYLOAD:
            raise ValueError(
                f"widget {self.name!r} weighs {size:,} bytes, more than {MAX_PAYLOAD:,}; "
                "give fewer values, a smaller figure, or fewer colours and less text in it"
            )
        return payload

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        stored = {"image/png": base64.b64encode(self.first_frame).decode(), "text/plain": self.first_alt}
        metadata = {"image/png": {"alt": self.first_alt}}
        if publishing():
            return {MIME: self.payload(), **stored}, metadata
        live, live_metadata = super()._repr_mimebundle_(**kwargs)
        return {**live, **stored}, {**live_metadata, **metadata}


class Explore(CourseWidget):
    """A drawing function with knobs. See `explore`."""

    module = "explore"
    local_only = ("request", "answer")
    _esm = source("explore")

    knobs = traitlets.List().tag(sync=True)  # [{"label", "kind", "texts"}]
    start = traitlets.List().tag(sync=True)  # index of each knob
    images = traitlets.List().tag(sync=True)  # data URIs, each once
    frames = traitlets.Dict().tag(sync=True)  # "i,j" -> [index into images, alt]
    request = traitlets.Dict().tag(sync=True)  # from the page: {"key": "i,j", "turn": n}
    answer = traitlets.Dict().tag(sync=True)  # to the page: {"key", "turn", "image", "alt"} or {"key", "turn", "error"}

    def __init__(
        self,
        draw: Callable[..., Figure],
        alt: Callable[..., str],
        knobs: Mapping[str, Knob],
        *,
        start: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        use_style()
        self._draw, self._alt, self._keys = draw, alt, tuple(knobs)
        self._options = [knob.options(live=not publishing()) for knob in knobs.values()]
        first = self._start_indices(knobs, start or {})
        self._drawn: dict[tuple[int, ...], tuple[bytes, str]] = {}
        image, text = self._frame(first)
        images, frames = self._published() if publishing() else ([data_uri(image)], {_key(first): [0, text]})
        super().__init__(
            first_frame=image,
            alt=text,
            name=name or getattr(draw, "__name__", "figure").strip("<>"),
            knobs=[
                {"label": knob.label, "kind": knob.kind, "texts": [text for _, text in options]}
                for knob, options in zip(knobs.values(), self._options)
            ],
            start=list(first),
            images=images,
            frames=frames,
        )
        self.observe(self._answer, "request")

    def _start_indices(self, knobs: Mapping[str, Knob], start: Mapping[str, Any]) -> tuple[int, ...]:
        unknown = sorted(set(start) - set(knobs))
        if unknown:
            raise ValueError(f"start names {unknown}, which are no knobs; the knobs are {sorted(knobs)}")
        indices = []
        for key, options in zip(self._keys, self._options):
            values = [value for value, _ in options]
            if start.get(key, values[0]) not in values:
                raise ValueError(f"start {key}={start[key]!r} is not among the values of that knob: {values}")
            indices.append(values.index(start.get(key, values[0])))
        return tuple(indices)

    def _frame(self, indices: tuple[int, ...]) -> tuple[bytes, str]:
        if indices not in self._drawn:
            values = {key: options[i][0] for key, options, i in zip(self._keys, self._options, indices)}
            text = self._alt(**values)
            if not (isinstance(text, str) and text.strip()):
                raise ValueError(f"alt({values}) gave {text!r}; describe in a sentence what the picture shows")
            self._drawn[indices] = to_png(self._draw(**values)), text
        return self._drawn[indices]

    def _published(self) -> tuple[list[str], dict[str, list]]:
        count = math.prod(map(len, self._options))
        if count > MAX_FRAMES:
            sizes = " x ".join(f"{key}: {len(options)}" for key, options in zip(self._keys, self._options))
            raise ValueError(
                f"{count} frames ({sizes}) are more than {MAX_FRAMES}; "
                "give fewer values and put the finer ones into Knob(live=...)"
            )
        images: dict[str, int] = {}
        frames = {}
        for indices in itertools.product(*(range(len(options)) for options in self._options)):
            image, text = self._frame(indices)
            frames[_key(indices)] = [images.setdefault(data_uri(image), len(images)), text]
        return list(images), frames

    def _answer(self, change: Mapping[str, Any]) -> None:
        key, turn = change["new"]["key"], change["new"]["turn"]
        try:
            image, text = self._frame(tuple(map(int, key.split(","))))
            self.answer = {"key": key, "turn": turn, "image": data_uri(image), "alt": text}
        except Exception as error:  # whatever the reader's function raises belongs on the reader's screen
            self.answer = {"key": key, "turn": turn, "error": f"{type(error).__name__}: {error}"}


def _key(indices: Iterable[int]) -> str:
    return ",".join(map(str, indices))


def explore(
    draw: Callable[..., Figure],
    alt: Callable[..., str],
    *,
    start: Mapping[str, Any] | None = None,
    name: str | None = None,
    **knobs: Knob,
) -> Explore:
    """A figure with knobs: draw(**values) gives a matplotlib Figure, alt(**values) a sentence that describes it.

    start: first value of some knobs (default: each knob's first); name: unique name of the picture.
    Raises ValueError if there is no knob, if `start` names no knob or no value of it, if an alt text is empty and,
    when publishing, for more than 40 frames or more than 1 MB; TypeError if `draw` returns no Figure, and for what is
    no function or no Knob.
    """
    for what, function in (("draw", draw), ("alt", alt)):
        if not callable(function):
            raise TypeError(f"{what} is {function!r}; give a function of the knobs' values")
    for key, knob in knobs.items():
        if not isinstance(knob, Knob):
            raise TypeError(f'{key} is {knob!r}; write {key}=Knob("…", {knob!r})')
    if not knobs:
        raise ValueError("explore() got no knob; a figure without one is shown by show_figure(fig, alt=...)")
    return Explore(draw, alt, knobs, start=start, name=name)

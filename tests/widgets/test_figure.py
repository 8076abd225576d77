"""explore: every position of every knob has its picture and its words, with a kernel and without one."""

import base64
import io
import itertools
import json

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from course_lib.widgets import figure
from course_lib.widgets.figure import MIME, Knob, explore

LIVE = "application/vnd.jupyter.widget-view+json"


def draw(pos, kind):
    picture, axes = plt.subplots(figsize=(2, 1.5))
    axes.bar([0], [pos], color="C0" if kind == "细" else "C1")
    axes.set_ylim(0, 4)
    return picture


def alt(pos, kind):
    return f"位置 {pos}，{kind}"


def knobs():
    return {"pos": Knob("位置", range(4), live=[0, 0.5, 1, 2, 3]), "kind": Knob("样子", ["细", "粗"], kind="buttons")}


def make(**changed):
    return explore(draw, alt, **{**knobs(), "start": {"pos": 2}, "name": "test", **changed})


def bundle(widget):
    return widget._repr_mimebundle_()[0]


def test_a_page_without_kernel_gets_every_picture_and_its_words(publish):
    payload = bundle(make())[MIME]
    state = payload["state"]
    assert set(state["frames"]) == {f"{i},{j}" for i, j in itertools.product(range(4), range(2))}
    for (i, pos), (j, kind) in itertools.product(enumerate(range(4)), enumerate(["细", "粗"])):
        image, text = state["frames"][f"{i},{j}"]
        assert text == alt(pos, kind)
        head, _, data = state["images"][image].partition(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as png:
            png.load()
    assert (payload["module"], payload["name"], payload["alt"]) == ("explore", "test", "位置 2，细")
    assert [knob["texts"] for knob in state["knobs"]] == [["0", "1", "2", "3"], ["细", "粗"]]


def test_equal_pictures_are_stored_once(publish):
    state = bundle(make())[MIME]["state"]
    assert len(state["images"]) == 7, "at position 0 the bar has no height, so its two colours look the same"
    assert state["frames"]["0,0"][0] == state["frames"]["0,1"][0]


def test_publishing_twice_gives_the_same_bytes(publish):
    assert json.dumps(bundle(make())) == json.dumps(bundle(make()))


def test_published_output_needs_no_widget_state(publish):
    widget = make()
    assert widget.comm is None
    assert set(bundle(widget)) == {MIME, "image/png", "text/plain"}


def test_with_a_kernel_only_the_first_frame_is_drawn_until_asked():
    drawn = []
    widget = explore(lambda pos, kind: drawn.append(pos) or draw(pos, kind), alt, **knobs(), start={"pos": 2})
    assert drawn == [2]
    assert LIVE in bundle(widget) and MIME not in bundle(widget)
    widget.request = {"key": "1,1", "turn": 1}
    assert drawn == [2, 0.5], "with a kernel the finer values are there"
    assert widget.answer["alt"] == "位置 0.5，粗"
    assert widget.answer["image"].startswith("data:image/png;base64,")
    widget.request = {"key": "1,1", "turn": 2}
    assert drawn == [2, 0.5], "a frame is drawn once"
    assert widget.answer["turn"] == 2


def test_the_stored_image_is_the_first_frame_in_both_lives(monkeypatch):
    live = bundle(make())
    monkeypatch.setenv("COURSE_PUBLISH", "1")
    published = bundle(make())
    assert live["image/png"] == published["image/png"]
    assert live["text/plain"] == published["text/plain"] == "位置 2，细"


def test_an_error_in_draw_reaches_the_reader():
    def fragile(pos):
        if pos:
            raise ZeroDivisionError("pos 太大")
        return draw(pos, "细")

    widget = explore(fragile, lambda pos: f"{pos}", pos=Knob("位置", range(2)))
    widget.request = {"key": "1", "turn": 1}
    assert widget.answer == {"key": "1", "turn": 1, "error": "ZeroDivisionError: pos 太大"}


def test_too_many_frames_are_refused_with_their_number(publish):
    with pytest.raises(ValueError, match=r"42 frames \(pos: 21 x kind: 2\).*40"):
        make(pos=Knob("位置", range(21)))


def test_a_heavy_payload_is_refused_with_its_weight(publish, monkeypatch):
    monkeypatch.setattr(figure, "MAX_PAYLOAD", 3000)
    with pytest.raises(ValueError, match=r"'test' weighs [\d,]+ bytes, more than 3,000"):
        bundle(make())


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: Knob("位置", []), "no values"),
        (lambda: Knob("位置", [1], live=[]), "no values"),
        (lambda: Knob("位置", [1], kind="dial"), "slider, buttons, select"),
        (lambda: Knob("位置", [1, 2], texts=["一"]), "2 values and 1 texts"),
        (lambda: explore(draw, alt), "no knob"),
        (lambda: make(start={"position": 1}), r"\['position'\].*no knobs"),
        (lambda: make(start={"pos": 9}), "pos=9 is not among"),
        (lambda: explore(draw, lambda **_: " ", **knobs()), "describe in a sentence"),
    ],
)
def test_mistakes_are_refused_in_words(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()


def test_a_drawing_function_that_returns_no_figure_is_refused():
    with pytest.raises(TypeError, match="Figure, got NoneType"):
        explore(lambda pos: None, lambda pos: "空", pos=Knob("位置", [1]))


def test_texts_name_the_values_they_belong_to():
    knob = Knob("长度", [1, 2], texts=["短", "长"], live=[1, 1.5, 2])
    assert knob.options(live=False) == [(1, "短"), (2, "长")]
    assert knob.options(live=True) == [(1, "短"), (1.5, "1.5"), (2, "长")]

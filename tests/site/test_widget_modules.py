"""The widgets alone in a browser: they answer to hand and keyboard, wait for a kernel, and keep the law of RoPE."""

import json
import re

import matplotlib.pyplot as plt
import pytest
from playwright.sync_api import expect

from course_lib.publishing.html import widget, widget_script
from course_lib.widgets.figure import MIME, Knob, explore, source
from course_lib.widgets.rope import rope_rotation


@pytest.fixture
def open_page(chromium, tmp_path, monkeypatch):
    """open_page(make, ...): a page from file:// with these widgets; fails on any console error or outside request."""
    monkeypatch.setenv("COURSE_PUBLISH", "1")
    trouble, contexts = [], []

    def opened(*makers, **context):
        bundles = [make()._repr_mimebundle_()[0] for make in makers]
        boxes = "<hr>".join(widget(bundle[MIME], bundle["image/png"]) for bundle in bundles)
        (tmp_path / "course-widgets.js").write_text(widget_script(), "utf-8")
        (tmp_path / "page.html").write_text(
            f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>t</title><body>{boxes}'
            '<script src="course-widgets.js"></script>',
            "utf-8",
        )
        contexts.append(chromium.new_context(**context))
        page = contexts[-1].new_page()
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: trouble.append(request.url) if request.url.startswith("http") else None)
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not trouble


def draw(pos, kind):
    picture, axes = plt.subplots(figsize=(2, 1.5))
    axes.bar([0], [pos + 1], color=kind)
    return picture


def bars():
    return explore(
        draw,
        lambda pos, kind: f"位置 {pos}，{kind}",
        pos=Knob("位置", range(4)),
        kind=Knob("颜色", ["red", "blue"], kind="buttons"),
        start={"pos": 1},
        name="bars",
    )


def rope():
    return rope_rotation(m=3, n=9)


def test_explore_answers_to_keyboard_and_mouse(open_page):
    page = open_page(bars, bars)
    first, second = page.locator(".course-widget-card img").all()
    before = first.get_attribute("src")
    page.get_by_role("slider", name="位置").first.press("ArrowRight")
    expect(first).to_have_attribute("alt", "位置 2，red")
    assert first.get_attribute("src") != before
    page.get_by_role("radio", name="blue").first.check()
    expect(first).to_have_attribute("alt", "位置 2，blue")
    expect(second).to_have_attribute("alt", "位置 1，red")


def test_play_walks_to_the_end_and_stops(open_page):
    page = open_page(bars)
    page.get_by_role("button", name="播放").click()
    expect(page.locator(".course-widget-card img")).to_have_attribute("alt", "位置 3，red", timeout=5000)
    expect(page.get_by_role("button", name="播放")).to_be_visible()


def test_who_prefers_no_motion_gets_one_step_a_press(open_page):
    page = open_page(bars, reduced_motion="reduce")
    page.get_by_role("button", name="下一步").click()
    page.wait_for_timeout(1500)
    expect(page.locator(".course-widget-card img")).to_have_attribute("alt", "位置 2，red")


def test_keys_pressed_in_a_widget_turn_no_slide(open_page):
    page = open_page(bars, rope)
    page.evaluate("window.heard = []; document.addEventListener('keydown', (event) => heard.push(event.key))")
    for slider in page.get_by_role("slider").all():
        slider.press("ArrowRight")
    assert page.evaluate("heard") == []
    page.get_by_role("slider").first.press("Control+k")
    assert "k" in page.evaluate("heard"), "the search still opens"


WITH_KERNEL = """
async ([address, state]) => {
  const { default: widget } = await import(address);
  const heard = [];
  window.model = {
    state, asked: [],
    get(key) { return this.state[key]; },
    set(key, value) { this.state[key] = value; },
    save_changes() { this.asked.push(this.state.request); },
    on(event, f) { heard.push(f); },
    off() {},
    answer(value) { this.state.answer = value; heard.forEach((f) => f()); },
  };
  widget.render({ model: window.model, el: document.body });
}
"""


def test_with_a_kernel_a_missing_frame_is_asked_for_and_the_old_one_stays_meanwhile(open_page):
    page = open_page()
    state = {
        "knobs": [{"label": "位置", "kind": "slider", "texts": ["0", "1", "2"]}],
        "start": [0],
        "images": ["data:image/gif;base64,R0lGODlhAQABAAAAACw="],
        "frames": {"0": [0, "零"]},
        "request": {},
        "answer": {},
    }
    script = "data:text/javascript," + source("explore").replace("%", "%25").replace("#", "%23")
    page.evaluate(WITH_KERNEL, [script.replace("\n", "%0A"), state])
    box, picture = page.locator(".course-widget-box"), page.locator("img")
    page.get_by_role("slider").press("ArrowRight")
    assert page.evaluate("model.asked") == [{"key": "1", "turn": 1}]
    expect(picture).to_have_attribute("alt", "零")
    expect(box).to_have_attribute("aria-busy", "true")
    page.evaluate("model.answer({ key: '1', turn: 1, image: model.state.images[0], alt: '一' })")
    expect(picture).to_have_attribute("alt", "一")
    assert box.get_attribute("aria-busy") is None
    page.get_by_role("slider").press("ArrowRight")
    page.evaluate("model.answer({ key: '2', turn: 2, error: 'ValueError: 太大' })")
    expect(page.get_by_role("alert")).to_contain_text("ValueError: 太大")
    page.get_by_role("slider").press("ArrowLeft")
    expect(page.get_by_role("alert")).to_be_hidden()


READ = """() => ({
    label: document.querySelector('.course-widget-rope').getAttribute('aria-label'),
    scores: [...document.querySelectorAll('.course-widget-scores b')].map((b) => b.textContent),
})"""


def readings(page):
    """m, n and the score, as they stand on the page at one moment; both forms of the score are compared."""
    now = json.loads(json.dumps(page.evaluate(READ), ensure_ascii=False).replace("−", "-"))
    m, n, score = (float(re.search(rf"{key} ?=? ?(-?[\d.]+)", now["label"]).group(1)) for key in ("，m", "，n", "分数"))
    assert float(now["scores"][0]) == float(now["scores"][1]) == score
    return m, n, score


def wait_for(page, m, n):
    """The readings once the arrows have come to rest at m and n."""
    page.wait_for_function(
        """([m, n]) => {
            const label = document.querySelector('.course-widget-rope').dataset.at || '';
            const [a, b] = label.split(' ').map(Number);
            return Math.abs(a - m) < 1e-9 && Math.abs(b - n) < 1e-9;
        }""",
        arg=[m, n],
        timeout=10_000,
    )
    return readings(page)


def test_the_score_rests_while_the_distance_is_locked(open_page):
    page = open_page(rope)
    m, n, score = readings(page)
    page.get_by_label("锁定 n − m").check()
    page.get_by_role("button", name="播放").click()
    seen = set()
    for _ in range(10):
        page.wait_for_timeout(100)
        seen.add(readings(page))
    page.get_by_role("button", name="停").click()
    assert len(seen) > 5, "the arrows glide"
    assert {now for _, _, now in seen} == {score}
    assert {round(n_now - m_now, 6) for m_now, n_now, _ in seen} == {n - m}


def test_the_score_answers_when_the_distance_changes(open_page):
    page = open_page(rope)
    m, n, score = readings(page)
    page.get_by_role("slider", name="k 的位置 n").press("ArrowLeft")
    assert wait_for(page, m, n - 1)[2] != score
    page.get_by_role("slider", name="q 的位置 m").press("Shift+ArrowRight")
    wait_for(page, m + 0.1, n - 1)
    page.get_by_role("button", name="复位").click()
    assert wait_for(page, m, n) == (m, n, score)


def test_an_arrow_can_be_dragged(open_page):
    page = open_page(rope)
    m, n, _ = readings(page)
    plane = page.locator(".course-widget-plane svg").first.bounding_box()
    scale = plane["width"] / 2.56
    middle = plane["x"] + plane["width"] / 2, plane["y"] + plane["height"] / 2
    grip = page.locator(".course-widget-plane").first.locator(".course-widget-grip").last
    x, y = (0.7 * float(grip.get_attribute(end)) for end in ("x2", "y2"))
    page.mouse.move(middle[0] + scale * x, middle[1] + scale * y)
    page.mouse.down()
    page.mouse.move(middle[0] + scale * y, middle[1] - scale * x, steps=6)  # a quarter turn against the clock
    page.mouse.up()
    page.wait_for_function("!document.querySelector('.course-widget-rope').dataset.at.startsWith('3 ')")
    page.wait_for_timeout(300)
    assert readings(page)[0] == pytest.approx(m + 1.5708, abs=0.06), "on plane 0 one position is one radian"
    assert readings(page)[1] == n


def test_the_widgets_fit_a_phone(open_page):
    page = open_page(bars, rope, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert json.loads(page.evaluate("JSON.stringify([...document.querySelectorAll('img')].map((img) => img.alt))"))

"""Several models by turns: each computes what its room computes, is asked for once, and says which lines it kept."""

import json

import pytest
import torch
from playwright.sync_api import expect
from test_live_models import CHARACTERS, SCHEMES, WITH_KERNEL, _base64, characters, rows, run, told, words

from course_lib.widgets.figure import source
from course_lib.widgets.live_model import distributions, spell
from course_lib.widgets.live_versions import live_versions

MODELS = {"微调前": characters(0, context=24), "微调后": characters(1, context=24)}

AT_ONCE = {"reduced_motion": "reduce"}  # the whole text without a pause


def pair(**more):
    models = {label: (f"model{i}", model, "…") for i, (label, model) in enumerate(MODELS.items())}
    settings = {"prompt": "春夜花白", "after": [0], "end": [], "breaks": ["\n", "，", "。"], "heads": 4, "lines": 8}
    return live_versions(models, list(CHARACTERS), name="pair", licence="MIT", about="说明。", **settings | more)


def asked_models(page):
    return [name[:6] for name in page.asked if name.startswith("model")]


def choose(page, label):
    """Choose a model and wait until it has written."""
    page.get_by_role("radio", name=label).check()
    expect(page.get_by_role("radio", name=label)).to_be_enabled()
    expect(page.get_by_role("button", name="运行")).to_be_visible(timeout=15_000)
    expect(told(page)).to_contain_text("写满了")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_model_is_asked_for_once_and_only_when_it_writes(published, scheme):
    page = published(pair, scheme, **AT_ONCE)
    page.get_by_role("radio", name="微调后").check()
    assert asked_models(page) == [] and words(page).startswith("春夜花白")
    run(page)
    assert asked_models(page) == ["model1"]
    second = words(page)
    choose(page, "微调前")
    first = words(page)
    assert asked_models(page) == ["model1", "model0"] and first != second and first[:5] == second[:5] == "春夜花白↵"
    choose(page, "微调后")
    assert words(page) == second and asked_models(page) == ["model1", "model0"]


def test_before_the_run_each_model_shows_what_the_room_drew(published):
    page = published(pair, **AT_ONCE)
    made = pair()
    for label, still in (("微调前", made.still), ("微调后", made.others[0]["still"])):
        page.get_by_role("radio", name=label).check()
        assert words(page) == "".join(still["tokens"]).replace("\n", "↵")


@pytest.mark.parametrize("label", MODELS)
def test_the_bars_are_the_chosen_models_distribution(published, label):
    page = published(pair, **AT_ONCE)
    run(page)
    for each in sorted(MODELS, key=label.__eq__):
        choose(page, each)
    page.get_by_role("radio", name="第 7 个：").check()
    ids = [[CHARACTERS.index(c) for c in words(page).replace("↵", "\n")[:7]]]
    before, after = distributions(MODELS[label], torch.tensor(ids))
    for text, p, q in rows(page)[:5]:
        token = CHARACTERS.index(text.replace("↵", "\n"))
        for written, share in ((p, before[token]), (q, after[token])):
            assert float(written.rstrip("%")) == pytest.approx(100 * float(share), abs=0.51)


@pytest.mark.parametrize("text", ["春夜花", "春夜花白日"])
def test_other_than_four_characters_are_refused_and_said(published, text):
    page = published(pair, **AT_ONCE)
    field = page.get_by_role("textbox", name="4 个字")
    field.fill(text)
    field.press("Enter")
    expect(told(page)).to_contain_text(f"写了 {len(text)} 个字。请写 4 个")
    field.fill("白日依山")
    run(page)
    assert words(page).startswith("白日依山↵")


def test_lines_that_begin_as_asked_are_counted(published):
    page = published(pair, **AT_ONCE)
    run(page)
    lines, line = [], ""
    for character in words(page)[5:]:
        line += character
        if character in "↵，。":
            lines, line = [*lines, line], ""
    lines = [*lines, line][:4] if line else lines[:4]
    kept = sum(each[0] == head for each, head in zip(lines, "春夜花白"))
    expect(page.get_by_text("句照你的字开头")).to_contain_text(f"{len(lines)} 句里 {kept} 句")
    assert page.locator(".course-widget-kept").count() == kept
    assert page.locator(".course-widget-missed").count() == len(lines) - kept


def test_keys_choose_a_model_and_a_phone_holds_it(published):
    page = published(pair, viewport={"width": 390, "height": 1500}, **AT_ONCE)
    run(page)
    first = words(page)
    page.get_by_role("radio", name="微调前").press("ArrowRight")
    expect(page.get_by_role("radio", name="微调后")).to_be_checked()
    page.wait_for_function("first => document.querySelector('.course-widget-tiles').innerText !== first", arg=first)
    expect(told(page)).to_contain_text("写满了", timeout=15_000)
    assert words(page) != first
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_keys_stay_on_the_choice_while_a_model_is_on_its_way(published):
    """A key that nobody holds would turn a slide."""
    page = published(pair, **AT_ONCE)
    run(page)
    first = words(page)
    page.get_by_role("radio", name="微调前").press("ArrowRight")
    assert page.evaluate("document.activeElement.checked")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="微调前")).to_be_checked()
    expect(page.locator(".course-widget-box")).not_to_have_attribute("aria-busy", "true")
    expect(told(page)).to_contain_text("写满了", timeout=15_000)
    assert words(page) == first


def test_with_a_kernel_the_weights_of_both_come_as_bytes(laid):
    made = pair()
    (other,) = made.others
    page = laid("")
    state = json.loads(json.dumps(made.state() | {"header": made.header, "others": [other | {"weights": None}]}))
    give = """([state, data]) => { const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      window.other = { ...state.others[0], weights: new DataView(bytes.buffer) }; }"""
    page.evaluate(give, [state, _base64(other["weights"])])
    address = "data:text/javascript;base64," + _base64(source("live_text").encode())
    call = WITH_KERNEL.replace("widget.render(", "state.others = [window.other]; widget.render(")
    page.evaluate(call, [address, state, _base64(made.weights)])
    run(page)
    first = words(page)
    choose(page, "微调后")
    assert words(page) != first and len(page.asked) == 1


def test_the_prompt_is_the_words_and_what_stands_around_them():
    made = pair(start=[1])
    assert made.still["tokens"][: made.still["n_prompt"]] == ["，", *"春夜花白", "\n"]
    assert spell(made.prompt, CHARACTERS) and made.others[0]["still"]["n_prompt"] == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"prompt": "春夜花"}, "has 3 characters; give 4"), ({"heads": 0, "prompt": "春" * 24}, "25 tokens")],
)
def test_slips_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        pair(**settings)


def test_models_of_two_shapes_are_refused():
    models = {"甲": ("a", characters(context=24), "…"), "乙": ("b", characters(context=25), "…")}
    with pytest.raises(ValueError, match="one shape"):
        live_versions(models, list(CHARACTERS), name="x", licence="", about="", prompt="春")

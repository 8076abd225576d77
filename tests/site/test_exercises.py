"""Exercises in the page: the same verdicts and sentences as Python's check, no answer in clear text, progress kept."""

import io

import pytest
from fontTools.ttLib import TTFont
from sample_exercises import NEXT, REPAIR, SHARE, VALUE

from course_lib.course.exercises import judge, registry
from course_lib.course.exercises.page import checked_in_page, page_html
from course_lib.course.exercises.render import markdown_html, solution_source
from course_lib.widgets import page as page_files

EVERY = {**registry(), **{each.id: each for each in (VALUE, NEXT, SHARE)}}
CHECKED = {id: exercise for id, exercise in EVERY.items() if checked_in_page(exercise)}


@pytest.fixture(scope="module")
def cards(chromium):
    """All cards of the course on one page."""
    script = (page_files.FILES / "exercises.js").read_text("utf-8")
    alone = "".join(page_html(each) for each in EVERY.values() if not each.follows)
    page = chromium.new_page()
    page.set_content(f"<body>{alone}<p id=probe></p><script>{script}</script></body>")
    yield page
    page.close()


def typed(value):
    if isinstance(value, list | tuple | set | frozenset):
        return "、".join(map(str, value))
    return str(value)


def answer(page, exercise, text):
    """(kind, words) that the page says."""
    return page.evaluate(
        """([id, text]) => {
          const form = document.querySelector(`#exercise-${id} > .exercise-form`);
          const line = form.querySelector("[type=text]");
          if (line) line.value = text;
          else for (const each of form.querySelectorAll("[type=radio]")) each.checked = each.value === text;
          form.requestSubmit();
          const said = form.querySelector(".exercise-said");
          return [/check-(\\w+)/.exec(said.className)[1], said.querySelector("div").textContent.trim()];
        }""",
        [exercise.id, text],
    )


def as_words(page, text):
    return page.evaluate("html => { probe.innerHTML = html; return probe.textContent.trim(); }", markdown_html(text))


def probes(exercise):
    values = [exercise.solution, *(mistake.answer for mistake in exercise.mistakes)]
    if exercise.kind == "choice":
        return [(letter, letter) for letter in exercise.choices]
    pairs = [
        (value if isinstance(value, list | tuple | set | frozenset) else typed(value), typed(value)) for value in values
    ]
    for value in values:
        if isinstance(value, int | float):
            texts = [
                f"{value:.6f}",
                f"{value * 1.005:.9g}",
                f"{value * 1.03:.9g}",
                f"{100 * value:.9g}%",
                f"{100 * value:.9g}",
            ]
            pairs += [(text, text) for text in [*texts, f" {value:,}", f"{value:e}", f"{-value}"]]
    return pairs


@pytest.mark.parametrize("exercise", CHECKED.values(), ids=CHECKED)
def test_the_page_says_what_the_kernel_says(cards, exercise):
    for value, text in probes(exercise):
        kind, words = answer(cards, exercise, text)
        outcome = judge(exercise, value)
        assert kind == outcome.kind, text
        if kind == "mistake":
            assert words == as_words(cards, outcome.message)
        if kind == "passed":
            assert words.startswith(as_words(cards, f"通过。{exercise.passes}"))


def test_most_exercises_with_a_short_answer_are_checked_in_the_page():
    short = [each for each in EVERY.values() if each.kind in ("value", "choice")]
    assert len(CHECKED) >= 0.9 * len(short)
    assert not checked_in_page(REPAIR)


@pytest.mark.parametrize(
    "text, kind", [("", "blank"), ("  ", "blank"), ("三", "error"), ("nan", "error"), ("1e999", "wrong")]
)
def test_what_is_no_number_is_said_so(cards, text, kind):
    assert answer(cards, VALUE, text)[0] == kind


def test_a_wrong_number_is_answered_as_by_the_kernel(cards):
    assert answer(cards, VALUE, "7") == ["wrong", judge(VALUE, "7").message.replace("'7'", "7")]


@pytest.mark.parametrize("exercise", CHECKED.values(), ids=CHECKED)
def test_no_answer_and_no_sentence_stands_in_the_card(exercise):
    html = page_html(exercise)
    assert solution_source(exercise) not in html
    assert not any(markdown_html(mistake.says) in html for mistake in exercise.mistakes)
    assert markdown_html(exercise.passes) not in html


# ---- on a page made by the real functions ----
def test_a_value_is_typed_and_its_follow_up_opens(page):
    card = page.locator("#exercise-98-mean-1")
    assert not page.locator("#exercise-98-mean-1-next").is_visible()
    card.get_by_label("你的答案").fill("9")
    page.keyboard.press("Enter")
    assert VALUE.mistakes[0].says in card.get_by_role("status").first.inner_text()
    card.get_by_label("你的答案").fill("3")
    card.get_by_role("button", name="检查").first.click()
    assert (
        "✓" in card.get_by_role("status").first.inner_text()
        and "已通过" in card.locator(".exercise-title").first.inner_text()
    )
    after = page.locator("#exercise-98-mean-1-next")
    after.get_by_label("B. 加 3").check()
    after.get_by_role("button", name="检查").click()
    assert NEXT.passes in after.get_by_role("status").inner_text()
    page.reload()
    marks = page.locator(".exercise-title").all_text_contents()
    assert [mark.count("✓ 已通过") for mark in marks] == [1, 1, 0, 0]


def test_formulae_are_set_and_packed_sentences_have_their_characters(page, sample):
    page.wait_for_selector("#exercise-98-mean-1 mjx-container")
    font = TTFont(io.BytesIO(page.request.get(sample + "_static/CourseSans-SC.woff").body()))
    assert set(map(ord, "余词")) <= set(font.getBestCmap())  # of a mistake's sentence
    assert "其余的词" not in page.content()


def test_the_solution_is_there_for_who_asks(page):
    card = page.locator("#exercise-98-mean-2")
    assert "0.026" not in page.content()
    card.get_by_text("解答", exact=True).click()
    assert "0.026" in card.locator(".exercise-solution").inner_text()


def test_what_a_page_cannot_run_points_to_the_lab_and_asks_for_no_run(page):
    card = page.locator("#exercise-98-mean-3")
    assert card.get_by_role("link", name="在 JupyterLab 里做这题").get_attribute("href") == "#run-this-chapter"
    assert REPAIR.symptom.split("`")[2].strip() in card.inner_text() and card.locator(".exercise-form").count() == 0
    assert "再运行一次" not in page.content()
    checks = page.locator(".cell_input").filter(has_text="check(").all_inner_texts()
    assert len(checks) == 1 and "98-mean-3" in checks[0]  # the others are answered in the card


def test_in_a_deck_typing_turns_no_slide(sample, visit):
    with visit(sample + "slides/sample.html", []) as deck:
        deck.wait_for_function("window.Reveal && Reveal.isReady()")
        deck.evaluate("Reveal.slide(5); while (Reveal.nextFragment());")
        line = deck.locator("section.present").get_by_label("你的答案").first
        line.fill("")
        line.press_sequentially("3 n")
        line.press("Backspace")
        line.press("Enter")
        assert deck.evaluate("Reveal.getIndices().h") == 5
        assert "✓" in deck.locator("#exercise-98-mean-1 .exercise-said").first.inner_text()

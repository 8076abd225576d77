"""What `start` gives JupyterLab: guesses answer among its cells, notes are hidden, and a second run changes nothing."""

import pytest

from course_lib.widgets.page import lab_html


def cell(index, kind, inside, output=""):
    shown = f'<div class="jp-OutputArea-child">{output}</div>' if output else ""
    wrapper = (
        f'<div class="jp-Cell-outputWrapper"><div class="jp-OutputArea">{shown}</div></div>' if kind == "Code" else ""
    )
    return (
        f'<div class="jp-Cell jp-{kind}Cell" data-windowed-list-index="{index}">'
        f'<div class="jp-Cell-inputWrapper"><div class="jp-MarkdownOutput">{inside}</div></div>{wrapper}</div>'
    )


def guess(question, answer):
    return (
        f'<aside class="myst-admonition guess answer-{answer}"><div class="myst-admonition-header-text">先猜再跑</div>'
        f'<div class="myst-admonition-body"><p>{question}</p><ul><li><p>A. 一</p></li><li><p>B. 二</p></li></ul></div>'
        "</aside>"
    )


CELLS = [
    cell(0, "Code", "start()", "&nbsp;"),
    cell(1, "Markdown", f"<h2>一问</h2>{guess('几', 'b')}"),
    cell(2, "Code", "甲的代码"),
    cell(3, "Code", "乙的代码", "乙的结果"),
    cell(4, "Markdown", "<p>解释</p>"),
    cell(5, "Markdown", guess("又几", "a")),
    cell(6, "Code", "丙的代码"),
    cell(7, "Markdown", '<details><summary>讲者备注</summary>停三分钟</details>'),
    cell(8, "Markdown", "<h2>下一节</h2><p>后话</p>"),
]  # fmt: skip


@pytest.fixture
def lab(chromium):
    """The cells as JupyterLab 4.6 with jupyterlab-myst 2.7 lays them (seen there), and the first cell run twice."""
    page = chromium.new_page()
    trouble = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.route("**/*", lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
    page.goto("http://lab.test/")
    page.evaluate(
        """([cells, output]) => {
          document.body.innerHTML = `<div class="jp-LabShell"><div class="jp-NotebookPanel">
            <div class="jp-NotebookPanel-toolbar"></div>
            <div class="jp-Notebook"><div class="jp-WindowedPanel-viewport">${cells}</div></div></div></div>`;
          for (const _ of [1, 2]) document.querySelector(".jp-OutputArea-child").append(
            document.createRange().createContextualFragment(output));
        }""",
        ["".join(CELLS), lab_html()],
    )
    page.wait_for_selector(".course-notes-button")
    yield page
    page.close()
    assert trouble == []


def test_cells_are_covered_from_the_first_output_and_code_before_it_stays(lab):
    text = lab.locator(".jp-Notebook").inner_text()
    assert [words in text for words in ("甲的代码", "乙的代码", "丙的代码", "后话")] == [True] * 4
    assert [words in text for words in ("乙的结果", "解释", "停三分钟")] == [False] * 3
    assert lab.locator(".guess-form").count() == lab.locator(".guess-cover").count() == 2


def test_a_result_that_comes_late_is_covered_too_and_the_choice_shows_it(lab):
    output = lab.locator(".jp-Cell").nth(6).locator(".jp-OutputArea")
    output.evaluate("area => { area.innerHTML = '<div class=jp-OutputArea-child>丙的结果</div>'; }")
    lab.wait_for_timeout(300)
    assert "丙的结果" not in lab.locator(".jp-Notebook").inner_text()
    lab.locator(".guess-form").nth(1).locator("button").first.click()
    assert (
        "丙的结果" in lab.locator(".jp-Notebook").inner_text()
        and "解释" not in lab.locator(".jp-Notebook").inner_text()
    )


def test_a_box_that_is_rendered_again_asks_again_with_its_choice(lab):
    lab.locator(".guess-form button").first.click()
    lab.locator(".jp-MarkdownOutput").nth(1).evaluate(
        "(cell, html) => { cell.innerHTML = html; }", f"<h2>一问</h2>{guess('几', 'b')}"
    )
    lab.wait_for_selector(".guess-form >> nth=1")
    assert (
        "✗ 你选的" in lab.locator(".guess").first.inner_text()
        and "乙的结果" in lab.locator(".jp-Notebook").inner_text()
    )


def test_cells_far_below_a_box_that_has_left_the_document_stay_covered(lab):
    lab.evaluate(
        "document.querySelectorAll('.jp-Cell').forEach((cell) => cell.dataset.windowedListIndex < 4 && cell.remove())"
    )
    lab.wait_for_timeout(300)
    assert "解释" not in lab.locator(".jp-Notebook").inner_text() and "又几" in lab.locator(".jp-Notebook").inner_text()


def test_notes_are_shown_at_the_press_of_a_button(lab):
    lab.locator(".guess-form").nth(1).locator("button").first.click()
    assert not lab.get_by_text("讲者备注", exact=True).is_visible()
    lab.get_by_role("button", name="显示讲者备注").click()
    assert lab.get_by_text("讲者备注", exact=True).is_visible()
    assert lab.locator(".course-notes-button").count() == 1 and lab.locator("#course-page").count() == 1

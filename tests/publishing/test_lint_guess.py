"""Each rule for guesses has an example that it refuses, and the mould's guess passes."""

import jupytext
import pytest
from pair import code, markdown, notebook, stream

from course_lib.publishing.lint_guess import guesses
from course_lib.publishing.new import MOULD

BOX = """:::{{admonition}} 先猜再跑
:class: {classes}
{question}

{options}
:::{after}"""
OPTIONS = "- A. 不变\n- B. 2 倍\n- C. 4 倍"
RUN = code("print(6)", stream("6\n"))


def box(classes="guess answer-b", question="变成多少？", options=OPTIONS, after=""):
    return markdown("前文。\n\n" + BOX.format(classes=classes, question=question, options=options, after=after))


@pytest.mark.parametrize(
    "cells",
    [
        [box(), RUN],
        [box(), code("x = 1"), markdown("看下面。\n```python\n# 不是标题\n```"), RUN],
        [box(), RUN, box("guess answer-c"), RUN],
        [box("look", options="随便"), markdown("## 标题")],
        [box(options="- A. 一\n- B. 二"), RUN],
    ],
)
def test_a_guess_that_can_be_asked_passes(cells):
    assert list(guesses(notebook(*cells))) == []


@pytest.mark.parametrize(
    "cells, complaint",
    [
        ([box("guess"), RUN], "answers []"),
        ([box("guess answer-d"), RUN], "answers ['D']"),
        ([box("guess answer-a answer-b"), RUN], "answers ['A', 'B']"),
        ([box(options="A. 一　B. 二"), RUN], "options none"),
        ([box("guess answer-a", options="- A. 一"), RUN], "options A;"),
        ([box(options="- A. 一\n- C. 二\n- B. 三"), RUN], "options ACB"),
        ([box("guess answer-a", options="\n".join(f"- {x}. 一" for x in "ABCDEF")), RUN], "options ABCDEF"),
        ([box(question="变成多少？答案是 2 倍。"), RUN], "'答案是'"),
        ([box()], "no output"),
        ([box(), code("x = 1"), markdown("## 下一节"), RUN], "no output"),
        ([box(after="\n\n### 小节"), RUN], "no output"),
        ([box(), box("guess answer-a"), RUN], "no output"),
    ],
)
def test_a_guess_that_cannot_be_asked_is_refused(cells, complaint):
    [(number, text)] = guesses(notebook(*cells))
    assert number == 1 and complaint in text


def test_the_guess_of_the_mould_can_be_asked():
    text = (MOULD / "notebook.py.txt").read_text("utf-8")
    made = jupytext.reads(text, "py:percent")
    for cell in made.cells:
        if cell.cell_type == "code" and "print" in cell.source:
            cell.outputs = [stream("6\n")]
    assert ":class: guess answer-" in text and list(guesses(made)) == []

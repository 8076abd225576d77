"""Each rule of the lint refuses the notebook made to break it, and lets the mended one pass."""

import nbformat
import pytest
from pair import code, markdown, notebook, shown, stream, write_source

from course_lib.publishing import lint as rules
from course_lib.publishing.notebooks import read_source

PNG = "aGVsbG8="
ERROR = nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])

BROKEN = [
    (rules.outputs, [code("1 / 0", ERROR)], 1, "stored error ValueError"),
    (rules.outputs, [code("f()", stream("warn", "stderr"))], 1, "stderr"),
    (rules.outputs, [code("f()", stream("saved to /home/ann/x.pt"))], 1, "path of one machine"),
    (rules.outputs, [code("f()", stream(r"C:\Users\ann"))], 1, "path of one machine"),
    (rules.outputs, [code("f", shown(text_plain="<function f at 0x7f12ab34cd56>"))], 1, "memory address"),
    (rules.outputs, [code("f()", stream("x" * 1_000_001))], 1, "1,000,000"),
    (rules.outputs, [code("f()", shown(**{"application/vnd.jupyter.widget-view+json": {}}))], 1, "widget state"),
    (rules.purposes, [markdown("好"), markdown("  ")], 2, "empty"),
    (rules.purposes, [code("# only a remark")], 1, "only comments"),
    (rules.purposes, [code("pass")], 1, "only comments"),
    (rules.purposes, [code("x = 3"), code("print(2)")], 1, "no later cell uses"),
    (rules.purposes, [code("x = (")], 1, "not Python"),
    (rules.explanations, [code("a()"), code("b()"), code("c()")], 3, "third code cell"),
    (rules.emphasis, [markdown("**没有训练。**三个头")], 1, "asterisks"),
    (rules.headings, [markdown("## 手算\n\n文"), markdown("## 结论"), markdown("### 手算 ")], 3, "in cell 1 too"),
    (rules.emphasis, [markdown(":::{admonition} 题\n**没有训练。**三个头\n:::")], 1, "asterisks"),
    (rules.dead_widgets, [code("from ipywidgets import interact\ninteract(f)")], 1, "explore"),
    (rules.dead_widgets, [code("import ipywidgets as w")], 1, "explore"),
    (rules.dead_widgets, [code("interactive_output(f, {})")], 1, "interactive_output is dead"),
    (rules.dead_widgets, [code("slider.observe(f)")], 1, "observe is dead"),
    (rules.dead_widgets, [code("button.on_click(f)")], 1, "on_click is dead"),
    (rules.pictures, [code("f()", shown(image_png=PNG))], 1, "show_figure"),
    (rules.pictures, [code("f()", shown(image_png=PNG, text_plain="<Figure size 640x480 with 1 Axes>"))], 1, "alt"),
    (rules.pictures, [markdown("![](a.png)")], 1, "alt text"),
    (rules.pictures, [code("f()", shown(text_html="<img src='a'>"))], 1, "alt"),
    (rules.tofu, [code("draw('𓀀')", shown(image_png=PNG, text_plain="字"))], 1, "empty boxes"),
    (rules.tofu, [code("draw()", stream("Glyph 77952 (\\N{X}) missing from font(s)"))], 1, "Glyph 77952"),
    (rules.code_on_slides, [markdown("# A", "slide"), code("x()\n" * 13, slide="fragment")], 2, "12 lines"),
    (rules.code_on_slides, [code("x()\n" * 7, slide="slide"), code("x()\n" * 7, slide="fragment")], 2, "cell 1"),
]  # fmt: skip


@pytest.mark.parametrize("rule, cells, number, complaint", BROKEN)
def test_a_notebook_made_to_break_a_rule_is_refused(rule, cells, number, complaint):
    found = list(rule(notebook(*cells)))
    assert [place for place, _ in found] == [number] * len(found)
    assert any(complaint in text for _, text in found)


FINE = [
    (rules.outputs, [code("f()", stream("1/2 in /home, 3 µs; work/tmp"))]),
    (rules.purposes, [code("x = 3"), code("print(x)")]),
    (rules.purposes, [code("x[0] = 3"), code("assert True"), code("%timeit f()"), code("import re"), code("f()")]),
    (rules.purposes, [code("x", stream("3"))]),
    (rules.explanations, [code("a()"), code("b()"), markdown("看"), code("c()"), code("d()")]),
    (rules.explanations, [code('exercise("a")'), code("def f(): ..."), code('check("a", f)'), code('exercise("b")')]),
    (rules.emphasis, [markdown("**没有训练**。三个头，**。** `x**2` $a^{**}$"), code("x = 2**3")]),
    (
        rules.headings,
        [markdown("## 手算\n\n手算"), markdown("## 手算二"), markdown("```\n## 手算\n```"), code("# 手算")],
    ),
    (rules.dead_widgets, [code("explore(draw, alt, a=Knob('a', [1]))"), markdown("`interact` 在网页上不会动")]),
    (rules.pictures, [code("f()", shown(image_png=PNG, text_plain="一条线")), markdown("![一条线](a.png)")]),
    (rules.tofu, [code("show_figure(f('位置 θ'), alt='𓀀')", shown(image_png=PNG, text_plain="字"))]),
    (rules.tofu, [code("print('𓀀')", stream("𓀀"))]),
    (rules.code_on_slides, [code("x()\n" * 12, slide="slide"), code("x()\n" * 30), code("x()\n" * 9, slide="slide")]),
    (rules.code_on_slides, [code("x()\n" * 30, slide="slide", tags=["hide-input"])]),
]


@pytest.mark.parametrize("rule, cells", FINE)
def test_what_is_right_passes(rule, cells):
    assert list(rule(notebook(*cells))) == []


def whole_chapter(n_slides=15, n_exercises=3):
    exercises = [
        cell for i in range(n_exercises) for cell in (code(f'exercise("03-a-{i}")'), code(f'check("03-a-{i}", x)'))
    ]
    return [
        *(markdown(f"## {i}", "slide") for i in range(n_slides)),
        code("from course_lib.widgets import Knob, explore\nexplore(draw, alt, a=Knob('a', [1]))"),
        *exercises,
        markdown("## 小结"),
        markdown("## 延伸阅读"),
    ]


def test_a_whole_chapter_passes():
    assert list(rules.chapter_parts(notebook(*whole_chapter()))) == []


@pytest.mark.parametrize(
    "cells, complaint",
    [
        (whole_chapter(n_exercises=2), "2 exercises"),
        (whole_chapter()[:-1], "延伸阅读"),
        (whole_chapter()[:-2] + whole_chapter()[-1:], "小结"),
        ([cell for cell in whole_chapter() if "explore" not in cell.source], "no figure that answers"),
        ([cell for cell in whole_chapter() if "check" not in cell.source], "never checked"),
    ],
)  # fmt: skip
def test_a_missing_part_is_named(cells, complaint):
    assert any(complaint in text for _, text in rules.chapter_parts(notebook(*cells)))


def test_a_pair_that_drifted_is_refused_with_its_mend(tmp_path):
    source = write_source(tmp_path, "# %%\nprint(1)\n")
    nbformat.write(read_source(source), source.with_suffix(".ipynb"))
    assert not any("drifted" in str(problem) for problem in rules.lint(source))
    write_source(tmp_path, "# %%\nprint(2)\n")
    drifted = [str(problem) for problem in rules.lint(source) if "drifted" in problem.text]
    assert len(drifted) == 1 and "cell 1 differs" in drifted[0] and "sync 03" in drifted[0]


def test_a_missing_half_is_refused(tmp_path):
    assert "03_probe.ipynb is missing" in str(rules.lint(write_source(tmp_path, "# %%\nprint(1)\n"))[0])


def test_a_heavy_notebook_is_refused(tmp_path):
    source = write_source(tmp_path, "# %%\nprint(1)\n")
    heavy = read_source(source)
    heavy.cells[0].outputs = [stream("x" * 600_000), stream("y" * 600_000)]
    nbformat.write(heavy, source.with_suffix(".ipynb"))
    assert any("more than 1,000,000" in str(problem) for problem in rules.lint(source))


def test_two_runs_that_differ_in_a_tagged_cell_are_found(tmp_path):
    body = '# %% tags=["nbval-check-output"]\nimport random\nprint(random.random())\n\n# %%\nprint(random.random())\n'
    body += '\n# %% tags=["nbval-check-output"]\nprint(1, "用时 0.1 秒")\n'
    found = rules.differs_between_runs(write_source(tmp_path, body))
    assert [problem.cell for problem in found] == [1]


@pytest.mark.parametrize("n_slides", [14, 26])
def test_the_first_edition_s_decks_have_15_to_25_slides(n_slides):
    rule = rules.slides_of_the_first_edition
    assert [text.split(";")[0] for _, text in rule(notebook(*whole_chapter(n_slides)))] == [f"{n_slides} slides"]
    assert list(rule(notebook(*whole_chapter(15)))) == []

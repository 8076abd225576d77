"""A small chapter with guesses and exercises, as site and deck, made by the functions that make the course's pages."""

import json
import shutil
import sys
from pathlib import Path
from unittest import mock

import nbformat

sys.path.insert(0, str(Path(__file__).parents[1] / "course" / "exercises"))

from sample_exercises import NEXT, REPAIR, SHARE, VALUE

from course_lib.course.exercises import judge
from course_lib.course.exercises.render import render_html
from course_lib.publishing import assets, html, site, slides
from course_lib.publishing.html import static_notebook
from course_lib.publishing.notebooks import NOTEBOOK_METADATA

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def words(text, slide="fragment"):
    return nbformat.v4.new_markdown_cell(text, metadata={"slideshow": {"slide_type": slide}})


def code(source, printed=None, slide="fragment", **data):
    outputs = [nbformat.v4.new_output("stream", text=printed)] if printed else []
    if data:
        data = {mime.replace("_", "/"): value for mime, value in data.items()}
        outputs.append(nbformat.v4.new_output("display_data", data=data, metadata={"alt": "一点"}))
    return nbformat.v4.new_code_cell(source, outputs=outputs, metadata={"slideshow": {"slide_type": slide}})


def guess(question, answer, *options):
    listed = "\n".join(f"- {letter}. {says}" for letter, says in zip("ABCDE", options))
    return words(
        f":::{{admonition}} 先猜再跑\n:class: guess{answer and f' answer-{answer}'}\n{question}\n\n{listed}\n:::"
    )


def asks(exercise, slide="skip"):
    blank = judge(exercise, ...)._repr_html_()
    return [
        code(f'exercise("{exercise.id}")', text_html=render_html(exercise), slide=slide),
        code(f'answer = ...\n\ncheck("{exercise.id}", answer)', text_html=blank, slide="skip"),
    ]


CELLS = [
    words("# 试一页\n\n话在最前。", "slide"),
    words("## 一问\n\n前文。", "slide"),
    code("before = 1", "问题之前\n"),
    guess("每个数都乘 2，$\\bar x$ 变成多少？", "b", "不变", "**2 倍**", "$4$ 倍"),
    code("x = [1, 2, 3]", slide="skip"),
    code("print('甲')", "甲的结果\n"),
    words('答案是 B，<a href="#part">后文</a>。'),
    code("print('乙')", "乙的结果\n", text_html='<a id="part" href="#part">有名字的地方</a><h3>卡片里的标题</h3>'),
    words("接着的一页。", "slide"),
    code("show_figure(fig)", image_png=DOT, text_plain="一点"),
    guess("再加 3 呢？", "a", "加 3", "不变"),
    code("print('丙')", "丙的结果\n"),
    words("丙的解释。"),
    words("停三分钟，然后说出结果。", "notes"),
    words("### 小节\n\n小节的话。", "slide"),
    code("print('丁')", "丁的结果\n"),
    guess("第一版的框，没有答案。", "", "甲", "乙"),
    code("print('戊')", "戊的结果\n"),
    words("## 练习", "slide"),
    *asks(VALUE, "fragment"),
    *asks(SHARE),
    *asks(REPAIR),
]
EXERCISES = {each.id: each for each in (VALUE, NEXT, SHARE, REPAIR)}


def build(folder, cells=CELLS):
    """Write page.html and slides/sample.html into a folder below this one, and return it."""
    with mock.patch.object(html, "get_exercise", EXERCISES.__getitem__):
        return _build(folder, nbformat.v4.new_notebook(cells=cells, metadata=NOTEBOOK_METADATA))


def _build(folder, notebook):
    page = static_notebook(notebook)
    page.cells = [cell for cell in page.cells if cell.metadata.slideshow.slide_type != "notes"]
    source = folder / "src"
    source.mkdir()
    for file in assets.BOOK.glob("*.py"):
        shutil.copy(file, source)
    shutil.copy(assets.BOOK / "_config.yml", source)
    (source / "_toc.yml").write_text(json.dumps({"format": "jb-book", "root": "page"}))
    assets.copy_assets(source / "assets")
    nbformat.write(page, source / "page.ipynb")
    site.run_jupyter_book(source, folder)
    built = folder / "_build" / "html"
    deck = slides.deck_notebook(notebook, "notebooks", {})
    resources = {"metadata": {"name": "sample"}, "course": {"title": "试一页", "page": "../page.html", "number": "98"}}
    slides.build({}, built / "slides")
    text, _ = slides.exporter().from_notebook_node(deck, resources=resources)
    (built / "slides" / "sample.html").write_text(assets.guarded(text), "utf-8")
    for file in built.glob("*.html"):
        file.write_text(assets.guarded(file.read_text("utf-8")), "utf-8")
    assets.web_font(built)
    return built

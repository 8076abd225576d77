"""Each rule of the second edition refuses the notebook made to break it, and lets the mended one pass."""

from dataclasses import dataclass, replace

import nbformat
import pytest
from pair import HEADER, code, markdown, notebook, shown, stream

from course_lib.course import claims, outline
from course_lib.publishing import lint, lint_teaching
from course_lib.publishing.lint_teaching import MOULD
from course_lib.publishing.notebooks import read_source

EXERCISES, LAST = markdown("## 练习"), markdown("## 证据与考据")


def said(rule, *cells):
    return list(rule(notebook(code('start("03")'), *cells)))


def claim(name):
    return code(f'show_claim("{name}")')


def erratum(name):
    return code(f'show_erratum("{name}")')


def quick(verdict):
    html = claims.render_html(claims.load_record("C05") | {"kind": "quick", "verdict": verdict})
    return code('run_claim("C05")', shown(text_html=html))


@pytest.mark.parametrize(
    ("cells", "number", "complaint"),
    [
        ([claim("C05"), claim("C05b"), claim("C06"), EXERCISES], 4, "C06: more than 2 claims"),
        ([erratum("K03-1"), erratum("K03-2"), erratum("K03-3"), EXERCISES], 4, "K03-3: more than 2 考据"),
        ([EXERCISES, claim("C05"), LAST], 3, "C05 stands between"),
        ([EXERCISES, erratum("K03-1")], 3, "K03-1 stands between"),
        ([claim("C05"), EXERCISES, LAST, claim("C05")], None, "C05 is shown 2 times"),
        ([quick("fails"), EXERCISES, LAST], 2, "quick run of C05 shows 不成立, its record 成立"),
        ([EXERCISES, quick("partly"), LAST], 3, "shows 部分成立"),
    ],
)
def test_evidence_out_of_its_place_is_refused(cells, number, complaint):
    found = said(lint_teaching.evidence_in_place, *cells)
    assert [at for at, _ in found] == [number] and complaint in found[0][1]


def test_two_of_each_and_the_rest_at_the_end_pass():
    main = [claim("C05"), quick("holds"), claim("C05b"), erratum("K03-1"), erratum("K03-2")]
    cells = [*main, EXERCISES, LAST, claim("C06"), erratum("K03-3"), quick("fails")]
    assert said(lint_teaching.evidence_in_place, *cells) == []


@pytest.mark.parametrize("text", ["课件第二句说", "见幻灯片", "slide 3 says", "Slides 12"])
def test_a_deck_that_the_reader_lacks_is_not_mentioned(text):
    asked = shown(text_html=f'<div class="exercise">{text}</div>')
    for cell in (markdown(text), code("exercise('03-rope-1')", asked)):
        assert [at for at, _ in said(lint_teaching.no_deck, cell)] == [2]


def test_notes_and_evidence_may_say_what_a_slide_says():
    box = shown(text_html='<details class="course-card course-erratum"><th>幻灯片</th></details>')
    cells = (markdown("看课件第二句", slide="notes"), code('show_erratum("K03-1")', box), markdown("一张图 slide"))
    assert said(lint_teaching.no_deck, *cells) == []


@dataclass(frozen=True)
class Asked:
    id: str
    kind: str = "write"
    follow_up: object = "asked"
    minutes: int = 3


def exercises(monkeypatch, *asked):
    monkeypatch.setattr(lint_teaching, "exercises_of", lambda number: list(asked))
    return [text for _, text in said(lint_teaching.exercises_that_teach)]


FOUR = [Asked("03-a-1"), Asked("03-a-2"), Asked("03-a-3", "repair"), Asked("03-a-4", "repair")]


def test_four_exercises_two_repairs_and_their_follow_ups_pass(monkeypatch):
    assert exercises(monkeypatch, *FOUR, Asked("03-a-1-next", "value", None)) == []


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (FOUR[1:], "3 exercises; at least 4"),
        ([*FOUR[:3], Asked("03-a-4-next", follow_up=None)], "3 exercises; at least 4"),
        ([*FOUR[:3], Asked("03-a-4")], '1 exercises of kind "repair"'),
        ([*FOUR[1:], Asked("03-a-1", follow_up=None)], "03-a-1 has no follow_up"),
    ],
)
def test_exercises_that_teach_too_little_are_refused(monkeypatch, asked, complaint):
    assert any(complaint in text for text in exercises(monkeypatch, *asked))


def header(reading, asked):
    return markdown(f"**阅读** 约 {reading} 分钟，练习另加 {asked} 分钟。")


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ([header(2, 40), markdown("字" * 700)], "约 2 分钟，练习另加 9 分钟"),
        ([header(3, 9), markdown("字" * 700)], "约 2 分钟，练习另加 9 分钟"),
        ([markdown("字" * 700)], "约 2 分钟，练习另加 9 分钟"),
        ([header(46, 9), markdown("字" * 350 * 46)], "46 minutes, more than 45"),
    ],
)
def test_minutes_that_are_not_counted_or_too_many_are_refused(monkeypatch, cells, complaint):
    monkeypatch.setattr(lint_teaching, "exercise_minutes", lambda number: 9)
    found = said(lint_teaching.counted_minutes, *cells)
    assert len(found) == 1 and complaint in found[0][1]


def test_counted_minutes_up_to_45_pass(monkeypatch):
    monkeypatch.setattr(lint_teaching, "exercise_minutes", lambda number: 9)
    assert said(lint_teaching.counted_minutes, header(45, 9), markdown("字" * 350 * 45)) == []


def as_draft(monkeypatch, draft):
    planned = [replace(chapter, draft=draft and chapter.number == "03") for chapter in outline.planned()]
    monkeypatch.setattr(outline, "planned", lambda: planned)


def test_the_mould_is_refused_once_the_chapter_is_no_draft(monkeypatch, tmp_path):
    (tmp_path / "a.py").write_text(MOULD.read_text("utf-8").replace("@number@", "03").replace("@name@", "a"), "utf-8")
    mould = read_source(tmp_path / "a.py")
    as_draft(monkeypatch, True)
    assert list(lint_teaching.mould_replaced(mould)) == list(lint_teaching.exercises_that_teach(mould)) == []
    as_draft(monkeypatch, False)
    found = {at for at, _ in lint_teaching.mould_replaced(mould)}
    with_mark = {at for at, cell in enumerate(mould.cells, 1) if cell.cell_type == "markdown" and "这里" in cell.source}
    assert with_mark and with_mark <= found


def test_a_chapters_own_sentence_may_begin_as_the_moulds_do(monkeypatch):
    as_draft(monkeypatch, False)
    assert said(lint_teaching.mould_replaced, markdown("这里 d 是头宽。")) == []
    found = said(lint_teaching.mould_replaced, code('exercise("03-rope-1")', stream("样题，请替换：矩阵")))
    assert [at for at, _ in found] == [2]


def test_no_chapter_that_readers_get_is_a_draft():
    assert not [chapter.stem for chapter in outline.opened() if chapter.draft]


@pytest.mark.parametrize("first", [True, False])
def test_chapters_of_the_first_edition_are_passed_over_by_name(monkeypatch, tmp_path, first):
    source = tmp_path / "notebooks" / "1_foundations" / "03_probe.py"
    source.parent.mkdir(parents=True)
    source.write_text(HEADER + '# %%\nstart("03")\n\n# %% [markdown]\n# 课件第二句\n', "utf-8")
    nbformat.write(read_source(source), source.with_suffix(".ipynb"))
    monkeypatch.setattr(lint, "FIRST_EDITION", ("03",) if first else ())
    assert any("the reader has no slides" in problem.text for problem in lint.lint(source)) is not first

"""What a published notebook must not contain, each with the place and the mend.

    python -m course_lib.publishing lint [03 …]            the pairs as they are committed
    python -m course_lib.publishing lint --twice [03 …]    also execute twice and compare the tagged outputs

Chapters of the second edition keep to more rules (`lint_teaching`, `lint_echo`, `lint_words`); `editions.py` names the
chapters that these pass over. A cell tagged `nbval-check-output` promises the same output at every run: nbval compares
it with the committed pair, `--twice` compares two runs with each other.
"""

import argparse
import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from nbformat import NotebookNode

from course_lib.publishing import lint_deck, lint_echo, lint_guess, lint_teaching, lint_words
from course_lib.publishing.cells import Found, calls, code_cells, first_arguments, parse, slide_type
from course_lib.publishing.editions import FIRST_EDITION
from course_lib.publishing.html import REPR
from course_lib.publishing.notebooks import (
    ROOT,
    WIDGET,
    ExecutionFailed,
    cache_path,
    drift,
    execute,
    is_fresh,
    settled_text,
    sources,
    strip,
    text_of,
)
from course_lib.widgets.style import missing_glyphs

MAX_BYTES = 1_000_000
SLIDES = range(15, 26)
MIN_EXERCISES = 3
MAX_CODE_ON_SLIDE = 12
DEAD_NAMES = {"interact", "interactive", "interactive_output", "interact_manual", "observe", "on_click", "on_submit"}
HEADINGS = ("小结", "延伸阅读")
CHECKED = "nbval-check-output"
HIDDEN = {"hide-input", "remove-input", "remove-cell"}
ACTING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assert, ast.AugAssign, ast.Delete)
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
_MACHINE_PATH = re.compile(
    r"(?<![\w./])(?:/(?:home|Users|root|work|tmp|opt|var)/[\w.-]+|[A-Z]:\\Users\\\w+)|site-packages"
)
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
_NOT_PROSE = re.compile(r"^\s*:{3,}.*$|\${1,2}[^$]+\${1,2}", re.M)  # fences of boxes, formulae
_TOFU = re.compile(r"Glyph \d+ \(.*?\) missing from")


@dataclass(frozen=True)
class Problem:
    """One thing to mend: notebook file, cell number from 1 (None: the notebook as a whole), what and how."""

    file: str
    cell: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.file}{f' cell {self.cell}' if self.cell else ''}: {self.text}"


def lint(source: Path) -> list[Problem]:
    """All problems of one pair, given its .py file."""
    pair = source.with_suffix(".ipynb")
    apart = drift(source)
    if not pair.is_file():
        return [Problem(pair.name, None, f"{apart}; run sync {source.stem[:2]}")]
    found: list[tuple[int | None, str]] = []
    if apart:
        found.append((None, f"the pair has drifted: {apart}; run sync {source.stem[:2]}"))
    if pair.stat().st_size > MAX_BYTES:
        found.append((None, f"{pair.stat().st_size:,} bytes, more than {MAX_BYTES:,}; draw fewer or smaller pictures"))
    notebook = nbformat.read(pair, as_version=4)
    full = nbformat.read(cache_path(source), as_version=4) if is_fresh(source) else None
    for rule in (*EVERY, *(OF_THE_FIRST if source.stem[:2] in FIRST_EDITION else SECOND_EDITION)):
        found += rule(notebook)
    found += chapter_parts(notebook, full)
    found += tofu_when_drawn(full) if full else []
    return [Problem(pair.name, cell, text) for cell, text in sorted(found, key=lambda each: each[0] or 0)]


def purposes(notebook: NotebookNode) -> Found:
    """A code cell imports, defines, asserts, shows something, changes something or assigns what is used later."""
    code = [(number, cell, parse(cell.source)) for number, cell in code_cells(notebook)]
    for number, cell in enumerate(notebook.cells, 1):
        if not cell.source.strip():
            yield number, "the cell is empty; delete it"
    for at, (number, cell, tree) in enumerate(code):
        if not cell.source.strip() or cell.get("outputs"):
            continue
        if tree is None:
            yield number, "the cell is not Python; correct its syntax"
        elif all(isinstance(node, ast.Pass) or _is_constant(node) for node in tree.body):
            yield number, "the cell holds only comments or pass; delete it, or write it as prose"
        elif not any(map(_acts, tree.body)):
            assigned = _names(tree, ast.Store)
            used = set().union(*(_names(later, ast.Load) for _, _, later in code[at + 1 :] if later))
            if not assigned & used:
                yield number, "the cell shows nothing and no later cell uses what it assigns; show it or delete it"


def explanations(notebook: NotebookNode) -> Found:
    """Prose stands within the two cells before a code cell; an exercise's box explains the cells that answer it."""
    without = 0
    for number, cell in enumerate(notebook.cells, 1):
        called = calls(parse(cell.source)) if cell.cell_type == "code" else set()
        if cell.cell_type != "code" or called & {"exercise", "start"}:
            without = 0
            continue
        without += "check" not in called
        if without > 2:
            yield number, "the third code cell in a row without a word; say before it what to look at"


def emphasis(notebook: NotebookNode) -> Found:
    """No asterisks left over: CommonMark does not end **bold** between a full stop and the next 汉字."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            prose = _NOT_PROSE.sub("x", cell.source)
            for block in MarkdownIt("commonmark").enable("table").parse(prose):
                for piece in block.children or ():
                    if piece.type == "text" and "**" in piece.content:
                        place = piece.content[piece.content.index("**") :][:20]
                        yield number, f"{place!r} would show its asterisks; put the punctuation after the closing **"


def dead_widgets(notebook: NotebookNode) -> Found:
    """Nothing that answers only in a running kernel."""
    for number, cell in code_cells(notebook):
        tree = parse(cell.source)
        for node in ast.walk(tree) if tree else ():
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import | ast.ImportFrom) else set()
            module = getattr(node, "module", None) or "" if isinstance(node, ast.ImportFrom) else ""
            if any(name.split(".")[0] == "ipywidgets" for name in (*names, module)):
                yield number, "ipywidgets is dead on a page without a kernel; use explore(draw, alt, …)"
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
            for dead in DEAD_NAMES & ({name} | names):
                yield number, f"{dead} is dead on a page without a kernel; use explore(draw, alt, …)"


def outputs(notebook: NotebookNode) -> Found:
    """No stored error, no stderr, nothing huge, and nothing that only this machine or this run would say."""
    for number, cell in code_cells(notebook):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield number, f"stored error {output.ename}: {output.evalue[:80]}; correct the cell and sync"
                continue
            if output.output_type == "stream" and output.name == "stderr":
                yield number, "stored stderr (warning or progress bar); sync removes it"
            if len(str(output)) > MAX_BYTES:
                yield number, f"an output of more than {MAX_BYTES:,} characters; show less"
            if WIDGET in output.get("data", {}) or "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                yield number, "stored widget state; sync keeps its first frame only"
            text = text_of(output)
            if path := _MACHINE_PATH.search(text):
                yield number, f"the output holds a path of one machine ({path[0]!r}); print the file's name only"
            if address := _ADDRESS.search(text):
                yield (
                    number,
                    f"the output holds a memory address ({address[0]!r}); show something else",
                )


def pictures(notebook: NotebookNode) -> Found:
    """Every picture says in words what it shows."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"])", cell.source):
            yield number, "a picture without alt text; write ![what it shows](…)"
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if any(mime in data for mime in PICTURES) and not _alt(output):
                yield number, 'a picture without alt text; show it by show_figure(fig, alt="…")'
            if re.search(r"<img(?![^>]*\balt=\"[^\"])", data.get("text/html", "")):
                yield number, 'an <img> without alt text; give it alt="…"'


def tofu(notebook: NotebookNode) -> Found:
    """Every character of a cell that draws is in the course's font."""
    for number, cell in code_cells(notebook):
        if any(mime in output.get("data", {}) for output in cell.get("outputs", []) for mime in PICTURES):
            for text in _drawn_texts(parse(cell.source)):
                if missing := "".join(sorted(missing_glyphs(text))):
                    yield number, f"{missing!r} in {text[:30]!r} would be drawn as empty boxes; write it otherwise"
        for output in cell.get("outputs", []):
            if glyph := _TOFU.search(text_of(output)):
                yield number, f"matplotlib says {glyph[0]!r}; the figure shows an empty box, write it otherwise"


def tofu_when_drawn(full: NotebookNode) -> Found:
    """matplotlib's own warnings, which only the executed copy still holds."""
    for number, cell in code_cells(full):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr" and (glyph := _TOFU.search(output.text)):
                yield number, f"matplotlib says {glyph[0]!r}; the figure shows an empty box, write it otherwise"


def code_on_slides(notebook: NotebookNode) -> Found:
    """A slide shows at most a dozen lines of code; hidden input does not count."""
    first, n_lines = None, 0
    for number, cell in enumerate(notebook.cells, 1):
        kind = slide_type(cell)
        if kind in ("slide", "subslide"):
            first, n_lines = number, 0
        if kind not in ("slide", "subslide", "fragment", "-"):
            continue
        before, n_lines = n_lines, n_lines + _lines_of_code(cell)
        if before <= MAX_CODE_ON_SLIDE < n_lines:
            yield (
                number,
                f"the slide that begins at cell {first} shows more than {MAX_CODE_ON_SLIDE} lines of code; "
                "give the cell slide_type skip or the tag hide-input",
            )


def chapter_parts(notebook: NotebookNode, full: NotebookNode | None = None) -> Found:
    """A chapter has a summary, further reading, exercises with their checks, and a figure that answers."""
    headings = [line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.split("\n")]
    for wanted in HEADINGS:
        if not any(wanted in line for line in headings if line.startswith(("#", ":::"))):
            yield None, f"no heading {wanted}; add the passage"
    asked, checked = first_arguments(notebook, "exercise"), first_arguments(notebook, "check")
    if len(asked) < MIN_EXERCISES:
        yield None, f"{len(asked)} exercises; at least {MIN_EXERCISES} are needed"
    for missing in sorted(asked - checked):
        yield None, f"exercise {missing} is never checked; add a cell check({missing!r}, answer)"
    if not _widget_calls(notebook) and not (full and _has_widget(full)):
        yield None, "no figure that answers; add explore(draw, alt, …)"


def slides_of_the_first_edition(notebook: NotebookNode) -> Found:
    """15 to 25; `lint_deck` has the second edition's rules."""
    n_slides = sum(slide_type(cell) in ("slide", "subslide") for cell in notebook.cells)
    if n_slides not in SLIDES:
        yield None, f"{n_slides} slides; tag cells so that the deck has {SLIDES.start} to {SLIDES.stop - 1}"


def headings(notebook: NotebookNode) -> Found:
    """No two headings with the same words: they are their addresses on the page."""
    seen = {}
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            for heading in re.findall(
                r"^#{1,4} +(.+?) *$", re.sub(r"^```.*?^```", "", cell.source, flags=re.M | re.S), re.M
            ):
                if heading in seen:
                    yield number, f"the heading {heading!r} stands in cell {seen[heading]} too; say what differs"
                seen.setdefault(heading, number)


# What every notebook must keep to, and what the chapters of the second edition add.
EVERY = (purposes, explanations, emphasis, dead_widgets, outputs, pictures, tofu, code_on_slides, headings)
OF_THE_FIRST = (slides_of_the_first_edition,)
SECOND_EDITION = (*lint_teaching.RULES, lint_echo.echo, *lint_words.RULES, *lint_deck.RULES, lint_guess.guesses)


def differs_between_runs(source: Path) -> list[Problem]:
    """Execute twice; every tagged cell must say the same. Raises ExecutionFailed if a cell fails."""
    runs = [strip(execute(source)) for _ in range(2)]
    found = []
    for number, (one, other) in enumerate(zip(*(run.cells for run in runs)), 1):
        if CHECKED in one.metadata.get("tags", []) and _said(one) != _said(other):
            found.append(
                Problem(
                    source.with_suffix(".ipynb").name,
                    number,
                    f"tagged {CHECKED}, but two runs differ; seed it, round it, or remove the tag",
                )
            )
    return found


def _said(cell: NotebookNode) -> list[str]:
    return [settled_text(text_of(output)) for output in cell.outputs]


def _names(tree: ast.Module, context: type[ast.expr_context]) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}


def _drawn_texts(tree: ast.Module | None) -> list[str]:
    """The strings of a cell that may end up in its figure: all but alt texts."""
    nodes = list(ast.walk(tree)) if tree else []
    described = [word.value for word in nodes if isinstance(word, ast.keyword) and word.arg == "alt"]
    spared = {id(node) for value in described for node in ast.walk(value)}
    strings = (node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.value for node in strings if id(node) not in spared]


def _acts(node: ast.stmt) -> bool:
    if isinstance(node, ACTING):
        return True
    if isinstance(node, ast.Expr):
        return any(isinstance(each, ast.Call | ast.Await) for each in ast.walk(node))
    if isinstance(node, ast.Assign):
        return any(not isinstance(target, ast.Name | ast.Tuple | ast.List) for target in node.targets)
    if isinstance(node, ast.For | ast.While | ast.If | ast.With | ast.Try):
        return any(map(_acts, node.body))
    return False


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _widget_calls(notebook: NotebookNode) -> set[str]:
    trees = [tree for _, cell in code_cells(notebook) if (tree := parse(cell.source))]
    offered = {
        alias.asname or alias.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib.widgets")
        for alias in node.names
    } - {"Knob"}
    return offered & set().union(*map(calls, trees))


def _has_widget(full: NotebookNode) -> bool:
    return any(WIDGET in output.get("data", {}) for _, cell in code_cells(full) for output in cell.get("outputs", []))


def _alt(output: NotebookNode) -> str:
    text = output.metadata.get("alt") or output.data.get("text/plain", "")
    return "" if REPR.match(text.strip()) else text.strip()


def _lines_of_code(cell: NotebookNode) -> int:
    if cell.cell_type == "code" and not HIDDEN & set(cell.metadata.get("tags", [])):
        shown = cell.source
    elif cell.cell_type == "markdown":
        shown = "\n".join(re.findall(r"^```\w*\n(.*?)^```", cell.source, re.DOTALL | re.MULTILINE))
    else:
        shown = ""
    return sum(bool(line.strip()) for line in shown.split("\n"))


def main(args: argparse.Namespace, root: Path = ROOT) -> int:
    """`lint [--twice] [chapters]`; exit status 1 if there is anything to mend."""
    try:
        chosen = sources(args.chapters, root)
        problems = [problem for source in chosen for problem in lint(source)]
        if getattr(args, "twice", False):
            problems += [problem for source in chosen for problem in differs_between_runs(source)]
    except (ValueError, ExecutionFailed) as error:
        print(error, file=sys.stderr)
        return 1
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(chosen)} notebooks, {len(problems)} problems")
    return 1 if problems else 0

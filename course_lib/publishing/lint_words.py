"""Words and symbols: a term is explained where it first appears, a symbol stands in the table at the top.

Both look at the main line without what is folded, code and headings.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator

from nbformat import NotebookNode

from course_lib.course import outline
from course_lib.publishing import glossary
from course_lib.publishing.cells import Found, chapter_of
from course_lib.publishing.minutes import main_line, unfolded

FOR_ALL = "00"  # the chapter that every other supposes
FREE = {"e", "π"}  # symbols that mean the same everywhere
_GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon
phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"""
GREEK = dict(zip(_GREEK.split(), "αβγδεεζηθικλμνξπρστυφφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
_NOT_PROSE = re.compile(
    r"^(`{3,}).*?^\1`*$|\$\$.*?\$\$|\$[^$]+\$|`[^`\n]*`|<[^>]+>|^#+ [^\n]*$|^:{3,}[^\n]*$|^:class:[^\n]*$", re.M | re.S
)
_BOLD = re.compile(r"\*\*[^*]+\*\*")
_LINK = re.compile(r"\[[^\]]*\]\([^)]*?(?:(\d\d)_\w+\.ipynb|glossary\.md)[^)]*\)")
_FORMULA = re.compile(r"\$\$(.*?)\$\$|\$([^$]+)\$", re.DOTALL)
_WORDS = r"\\(?:text|mathrm|operatorname|mathbb|mathsf|texttt|textbf|tag|label|begin|end)\*?\{[^{}]*\}"
_SUBSCRIPT = re.compile(r"_\{?\\(?:text|mathrm)\{([^{}]*)\}\}?")
_SYMBOL = re.compile(r"([A-Za-zα-ωΓ-Ω])(?:_‹([^›]*)›|_\{([A-Za-z0-9α-ω]+)\}|_([A-Za-z0-9α-ω]))?")
_TABLE = re.compile(r"^(:{3,})\{[\w-]+\} *符号[^\n]*\n:class:[^\n]*dropdown.*?^\1$", re.MULTILINE | re.DOTALL)


def first_use(notebook: NotebookNode) -> Found:
    """A term of the glossary is bold where it is first used, or linked to its home; or its home is read before."""
    number = chapter_of(notebook)
    known = _read_before(notebook) | {FOR_ALL} - {number}
    rows = {name: term for term in glossary.terms() for name in term.names if len(name) > 1}
    names = re.compile("|".join(_pattern(name) for name in sorted(rows, key=len, reverse=True)))
    seen = set()
    for at, text in _prose(notebook):
        bold = [found.span() for found in _BOLD.finditer(text)]
        for found in names.finditer(text):
            term = rows[found[0]]
            if term in seen:
                continue
            seen.add(term)
            explained = term.home in known or _inside(found.span(), bold)
            if term.home != number:
                explained |= term.home in _links_beside(text, found.start())
            if not explained:
                where = "here" if term.home == number else f"here, or link to chapter {term.home}"
                yield (
                    at,
                    f"{found[0]!r} is first used here unexplained; write **{term.names[0]}**（{term.english}） {where}",
                )


def symbols(notebook: NotebookNode) -> Found:
    """The symbols of the formulae are those of the table 符号, each with one meaning."""
    table = [symbol for cell in notebook.cells if cell.cell_type == "markdown" for symbol in _listed(cell.source)]
    if not table:
        yield None, "no table of symbols; add the folded box 符号 with | 符号 | 意思 | 形状 | near the top"
        return
    for symbol in sorted({symbol for symbol in table if table.count(symbol) > 1}):
        yield None, f"the table of symbols has {symbol} twice; one symbol has one meaning in a chapter"
    used, plain = set(), ""
    cells = {id(cell): number for number, cell in enumerate(notebook.cells, 1)}
    for cell in main_line(notebook):
        is_prose = cell.cell_type == "markdown"
        text = _TABLE.sub("", cell.source) if is_prose else ""
        plain += _FORMULA.sub(" ", text) if is_prose else cell.source
        for formula in _FORMULA.finditer(text):
            for whole, letters in _symbols_of(formula[1] or formula[2]):
                for symbol in [whole] if whole in table else letters:
                    if symbol not in {*table, *FREE, *used}:
                        yield cells[id(cell)], f"the symbol {symbol} is not in the table 符号; say there what it is"
                    used.add(symbol)
    for symbol in table:
        letter = re.escape(symbol.partition("_")[0])
        if symbol not in used and not re.search(rf"(?<![A-Za-z]){letter}(?![a-z])", plain):
            yield None, f"the table of symbols has {symbol}, which the main line never uses; delete the row"


RULES = (first_use, symbols)


def _read_before(notebook: NotebookNode) -> set[str]:
    """The chapters that 先修 links to, and all that those need."""
    cell = next((cell.source for cell in notebook.cells if "**先修**" in cell.source), "")
    linked = {found[1] for found in _LINK.finditer(cell) if found[1]}
    return linked.union(*(outline.needs(chapter) for chapter in linked))


def _prose(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Cell and words of the main line; not the title with its promises, nor 先修."""
    cells = {id(cell): number for number, cell in enumerate(notebook.cells, 1)}
    for cell in main_line(notebook):
        if cell.cell_type == "markdown" and not cell.source.startswith("# ") and "**先修**" not in cell.source:
            yield cells[id(cell)], _NOT_PROSE.sub(lambda found: " " * len(found[0]), unfolded(cell.source))


def _pattern(name: str) -> str:
    return rf"(?<![A-Za-z0-9-]){re.escape(name)}(?![A-Za-z0-9-])" if name.isascii() else re.escape(name)


def _inside(span: tuple[int, int], spans: list[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in spans)


def _links_beside(text: str, at: int) -> set[str]:
    """Chapters linked in the sentence around a place of the text."""
    stops = [0, *(found.end() for found in re.finditer(r"[。？\n]", text)), len(text) + 1]
    i = bisect(stops, at)
    return {found[1] for found in _LINK.finditer(text, stops[i - 1], stops[i]) if found[1]}


def _listed(source: str) -> list[str]:
    """The symbols of the first column of the table 符号."""
    box = _TABLE.search(source)
    if not box:
        return []
    cells = re.findall(r"^\| *([^|]+?) *\|", box[0], re.MULTILINE)[2:]  # without the head and the rule
    parts = [part for cell in cells for part in re.split(r"[、，,]", cell)]
    return [whole for part in parts for whole, _ in _symbols_of(part.strip(" $`"))]


def _symbols_of(formula: str) -> Iterator[tuple[str, list[str]]]:
    """Each symbol with its index, d_k, and what stands for it where the table does not have it whole: d and k.

    A subscript in words, d_\\text{model}, belongs to its symbol.
    """
    text = _SUBSCRIPT.sub(lambda found: f"_‹{found[1]}›", formula)
    text = re.sub(_WORDS, " ", text)
    text = re.sub(r"\^\{?(?:T\b|\\top)\}?", " ", text)
    text = re.sub(r"\\([A-Za-z]+)", lambda found: GREEK.get(found[1], " "), text)
    for letter, words, *index in _SYMBOL.findall(text):
        below = words or "".join(index)
        whole = f"{letter}_{below}" if below else letter
        yield whole, [whole] if words else [letter, *(each for each in below if each.isalpha())]

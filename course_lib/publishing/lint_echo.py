"""No echo: what an exercise asks for stands nowhere on the page, nor does its twin.

A twin has the same syntax tree after names that it binds itself, docstrings and annotations are taken away; or the last
expression of the solution, with what it assigned before put in, is one that the page computes. A value of four digits
or letters, or of three items, stands in no output. The box of the exercise itself, which folds the solution, is not
looked at.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from numbers import Number
from typing import Any

from nbformat import NotebookNode

from course_lib.course.exercises.core import Exercise
from course_lib.course.exercises.registry import chapters, exercises_of
from course_lib.course.exercises.render import solution_source
from course_lib.publishing.cells import Found, calls, chapter_of, parse
from course_lib.publishing.notebooks import text_of

MIN_STEPS = 4  # operations of an expression that is worth asking for
MIN_DIGITS, MIN_LETTERS, MIN_ITEMS = 4, 4, 3
MODULES = {"F", "math", "nn", "np", "torch"}
_FENCE = re.compile(r"^(`{3,})python\n(.*?)^\1", re.MULTILINE | re.DOTALL)
_STEP = (ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.Compare, ast.IfExp, ast.Subscript, ast.UnaryOp)
_STEP += (ast.DictComp, ast.GeneratorExp, ast.ListComp, ast.SetComp)
Function = ast.FunctionDef | ast.Lambda


def echo(notebook: NotebookNode) -> Found:
    """The rule: each solution against the page's code, shown sources and outputs."""
    number = chapter_of(notebook)
    if number not in chapters():
        return
    wanted = [(exercise.id, *_forms(exercise)) for exercise in exercises_of(number)]
    for at, cell in enumerate(notebook.cells, 1):
        here = set().union(*map(forms, _code_of(cell)))
        outputs = _outputs_of(cell)
        for name, shapes, values in wanted:
            if shapes & here:
                yield (
                    at,
                    f"the solution of exercise {name}, or its twin, stands here; ask for a neighbour of what is shown",
                )
            for value in values:
                if re.search(rf"(?<![\w.]){re.escape(value)}(?!\.?\w)", outputs):
                    yield at, f"{value}, the answer of exercise {name}, is printed here; ask for another number"


def forms(tree: ast.Module) -> set[str]:
    """Everything on the page that could be a solution: functions, classes and expressions, without their names."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, Function):
            found |= _function_forms(node)
        elif isinstance(node, ast.ClassDef):
            found.add(_shape(node))
        elif isinstance(node, ast.expr) and _steps(node) >= MIN_STEPS:
            found.add(_expression(node))
    return found


def _forms(exercise: Exercise) -> tuple[set[str], list[str]]:
    """What a solution would look like: shapes of code, texts of a value."""
    if not callable(exercise.solution):
        return set(), [] if getattr(exercise, "choices", None) else list(_texts(exercise.solution))
    last = ast.parse(solution_source(exercise)).body[-1]
    return (_function_forms(last) if isinstance(last, Function) else {_shape(last)}), []


def _function_forms(function: Function) -> set[str]:
    """A function as a whole, and what it returns as one expression; nothing for one that does next to nothing."""
    lines = [ast.Return(function.body)] if isinstance(function, ast.Lambda) else function.body
    whole = ast.FunctionDef(name="_", args=function.args, body=lines, decorator_list=[])
    found = {_shape(whole)} if _steps(whole) >= MIN_STEPS - 1 else set()
    value = _value(lines)
    return found | ({_expression(value)} if value is not None and _steps(value) >= MIN_STEPS else set())


def _value(lines: list[ast.stmt]) -> ast.expr | None:
    """The returned expression with earlier assignments put in; None where something else happens on the way."""
    known: dict[str, ast.expr] = {}
    for line in lines:
        if isinstance(line, ast.Return) and line.value:
            return _put_in(line.value, known)
        if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
            known[line.targets[0].id] = _put_in(line.value, known)
        elif not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)):
            return None
    return None


def _put_in(expression: ast.expr, known: Mapping[str, ast.expr]) -> ast.expr:
    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return copy.deepcopy(known.get(node.id, node))

    return Put().visit(copy.deepcopy(expression))


def _expression(node: ast.expr) -> str:
    """An expression whose variables are counted in order; modules and functions keep their names."""
    called = {id(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name) and id(each) not in called]
    return _renamed(node, {each.id for each in names} - MODULES)


def _shape(node: ast.AST) -> str:
    """A function or class without its own names, docstrings and annotations."""
    bound = {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
    bound |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    bound |= {each.name for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    return _renamed(node, bound)


def _renamed(node: ast.AST, names: set[str]) -> str:
    order: dict[str, str] = {}

    class Bare(ast.NodeTransformer):
        def new(self, name: str) -> str:
            return order.setdefault(name, f"_{len(order)}") if name in names else name

        def visit_Name(self, node: ast.Name) -> ast.Name:
            return ast.Name(self.new(node.id), ast.Load())

        def visit_arg(self, node: ast.arg) -> ast.arg:
            return ast.arg(self.new(node.arg))

        def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | None:
            return self.visit(ast.Assign([node.target], node.value)) if node.value else None

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
            lines = node.body[1:] if ast.get_docstring(node) is not None else node.body
            arguments = self.visit(copy.deepcopy(node.args))
            body = [line for each in lines if (line := self.visit(each))]
            return ast.FunctionDef(name="_", args=arguments, body=body, decorator_list=[])

        def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
            lines = node.body[1:] if ast.get_docstring(node) is not None else node.body
            body = [line for each in lines if (line := self.visit(each))]
            return ast.ClassDef(name="_", bases=node.bases, keywords=[], body=body, decorator_list=[])

    return ast.dump(Bare().visit(copy.deepcopy(node)))


def _steps(node: ast.AST) -> int:
    return sum(isinstance(each, _STEP) for each in ast.walk(node))


def _code_of(cell: NotebookNode) -> Iterator[ast.Module]:
    """The Python of a cell: its source, its fences, and the sources that it shows."""
    texts = [cell.source] if cell.cell_type == "code" else [found[2] for found in _FENCE.finditer(cell.source)]
    for output in cell.get("outputs", []):
        texts += [found[2] for found in _FENCE.finditer(output.get("data", {}).get("text/markdown", ""))]
    return (tree for text in texts if (tree := parse(text)))


def _outputs_of(cell: NotebookNode) -> str:
    """What a code cell prints and says; nothing where it is an exercise's own box."""
    if cell.cell_type != "code" or calls(parse(cell.source)) & {"exercise", "check", "solution", "hint"}:
        return ""
    return "\n".join([cell.source, *map(text_of, cell.get("outputs", []))])


def _texts(value: Any) -> Iterator[str]:
    """How a page would print a value that nobody hits by chance."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, Number) and not isinstance(value, complex):
        for text in {f"{value}", f"{value:,}", f"{value:.4g}"}:
            if len(re.sub(r"\D", "", text.partition("e")[0]).strip("0")) >= MIN_DIGITS:
                yield text
    elif isinstance(value, str):
        if len(value) >= MIN_LETTERS:
            yield value
    elif hasattr(value, "tolist"):
        yield from _texts(value.tolist())
    elif isinstance(value, list | tuple | set | frozenset) and len(value) >= MIN_ITEMS:
        yield str(value)
        yield "、".join(map(str, value))

"""Which code made a record: a hash over meaning, not over text.

Comments, layout, docstrings and the annotations of signatures do not count, nor does the Python version that parses.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import course_lib

ROOT = Path(course_lib.__file__).parent
MEASURING_ARGUMENTS = {"id", "seeds", "measure", "full"}


def code_hash(experiment: Path) -> str:
    """Hash of what can change the figures: the experiment and every `course_lib` module it imports, transitively.

    Left out of the experiment: the function `judge` and the arguments of `Claim(...)` that only say or judge something.
    """
    parts = [_canonical(_measuring_part(_parse(experiment)))]
    for module in imported_modules(experiment):
        parts += [module.relative_to(ROOT).as_posix(), _canonical(_parse(module))]
    return _sha256("\n".join(parts))


def judging_hash(experiment: Path) -> str:
    """Hash of the whole experiment file: texts and judge included."""
    return _sha256(_canonical(_parse(experiment)))


def imported_modules(start: Path) -> list[Path]:
    """Files of `course_lib` that `start` imports, transitively, sorted; the claims framework itself is not counted."""
    seen: set[Path] = set()
    queue = [start]
    while queue:
        for module in _imports(queue.pop()):
            if module not in seen and module != start and not _is_framework(module):
                seen.add(module)
                queue.append(module)
    return sorted(seen)


def _is_framework(module: Path) -> bool:
    return module.parent == ROOT / "course" / "claims" or module == ROOT / "chapter_files.py"


def _imports(path: Path) -> Iterator[Path]:
    package = list(path.relative_to(ROOT.parent).with_suffix("").parts[:-1]) if path.is_relative_to(ROOT) else []
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            names = []
            for alias in node.names:
                submodule = ".".join([*base, alias.name])
                names.append(submodule if _file_of(submodule) else ".".join(base))
        else:
            continue
        yield from (file for name in names if (file := _file_of(name)) and file != ROOT / "__init__.py")


def _file_of(module: str) -> Path | None:
    first, *rest = module.split(".")
    if first != ROOT.name:
        return None
    for file in (ROOT.joinpath(*rest).with_suffix(".py"), ROOT.joinpath(*rest, "__init__.py")):
        if file.is_file() and file != ROOT.with_suffix(".py"):
            return file
    return None


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _measuring_part(tree: ast.Module) -> ast.Module:
    tree.body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "judge")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Claim":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg in MEASURING_ARGUMENTS]
    return tree


def _canonical(node: object) -> str:
    """Text of a syntax tree that is the same under every Python version: empty fields and type parameters left out."""
    if isinstance(node, list):
        return "[" + ",".join(map(_canonical, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value is not None and value != []}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = node.body[1:]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        fields.pop("returns", None)
    if isinstance(node, ast.arg):
        fields.pop("annotation", None)
    for name in ("kind", "type_comment"):
        fields.pop(name, None)
    inside = ",".join(f"{name}={_canonical(value)}" for name, value in sorted(fields.items()))
    return f"{type(node).__name__}({inside})"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

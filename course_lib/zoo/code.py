"""Which code makes a model: a hash that changes with what the files say, not with comments, docstrings or layout."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import course_lib

ROOT = Path(course_lib.__file__).parent
FRAMEWORK = ROOT / "zoo"  # how weights are stored does not change them


def code_hash(start: Path, *more: str) -> str:
    """12 hex digits for a file, every file of course_lib that it imports, directly or not, and more texts."""
    seen, queue = set(), [start]
    while queue:
        file = queue.pop()
        if file not in seen:
            seen.add(file)
            queue += [each for each in imports(file) if each.parent != FRAMEWORK or each.stem not in ("core", "store")]
    told = "\n".join([*(f"{file.name} {meaning(file)}" for file in sorted(seen)), *more])
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def imports(file: Path) -> Iterator[Path]:
    """Files of course_lib that a file names after import or from."""
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for first, *rest in (name.split(".") for name in names):
            found = ROOT.joinpath(*rest).with_suffix(".py")
            if first == ROOT.name and rest and found.is_file():
                yield found


def meaning(file: Path) -> str:
    """The syntax tree as text, without docstrings."""
    tree = parse(file)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))

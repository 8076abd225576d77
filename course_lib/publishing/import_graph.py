"""Which module of this project depends on which, read from their text: imports anywhere in a file, nothing is run."""

import ast
import re
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]


class ImportGraph:
    """The modules of course_lib, tests and notebooks below a root; each is named by its path there, with /."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        found = (file for top in ("course_lib", "tests", "notebooks") for file in root.glob(f"{top}/**/*.py"))
        self.files = {file.relative_to(root).as_posix() for file in found}
        self.tests = {f for f in self.files if f.startswith("tests/") and PurePosixPath(f).name.startswith("test_")}
        self.read = cache(self._read)

    def _read(self, file: str) -> tuple[set[str], set[str]]:
        """The paths where what a module imports may lie, and the strings that stand in it.

        A module that a test names in a string is run by it, as in `python -m course_lib.zoo`.
        """
        nodes = list(ast.walk(ast.parse((self.root / file).read_text("utf-8"))))
        strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        said = re.findall(r"\bcourse_lib(?:\.\w+)*", "\n".join(strings)) if file.startswith("tests/") else ()
        names = {*said, *(f"{name}.__main__" for name in said)}
        for node in nodes:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                package = PurePosixPath(file).parts[: -node.level] if node.level else ()
                base = ".".join([*package, *filter(None, [node.module])])
                names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        paths = {"/".join(name.split(".")[:n]) for name in names for n in range(1, name.count(".") + 2)}
        packages = {f"{folder}/__init__.py" for folder in PurePosixPath(file).parents}
        return packages | {f"{path}{end}" for path in paths for end in (".py", "/__init__.py")}, strings

    def reach(self, *files: str) -> set[str]:
        """The files and the paths of all that they depend on, also of modules that are gone."""
        found, waiting = set(), list(files)
        while waiting:
            if (file := waiting.pop()) not in found:
                found.add(file)
                waiting += self.read(file)[0] if file in self.files else ()
        return found

    def of_test(self, test: str) -> set[str]:
        """What a test depends on, with the helpers of its folder and of those above."""
        folders = PurePosixPath(test).parents
        return self.reach(test, *(f for f in self.files - self.tests if PurePosixPath(f).parent in folders))

    def touched(self, changed: set[str]) -> set[str]:
        """The changed files and, for each that is no module, the modules of its folder and those that name it."""
        found = set(changed)
        for path in map(PurePosixPath, changed):
            top = path.parts[0]
            if path.suffix == ".ipynb":
                found.add(str(path.with_suffix(".py")))
            elif path.suffix != ".py" or top not in ("course_lib", "tests"):
                names = {path.name} if top in ("course_lib", "tests", "notebooks") else {path.name, top}
                beside = ({f for f in self.files if PurePosixPath(f).parent == folder} for folder in path.parents)
                found |= next(filter(None, beside), set()) | {f for f in self.files if names & self.read(f)[1]}
        return found

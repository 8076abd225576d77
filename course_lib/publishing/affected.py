"""A pytest plugin that runs only the tests which a change can affect, found by following imports.

    pytest -p course_lib.publishing.affected tests        changed since origin/main or the last commit, or not committed
    pytest -p course_lib.publishing.affected --since REV tests   changed since another revision; --all runs every test
    pytest -p course_lib.publishing.affected --chapter 05 tests  the tests of one chapter, whatever was changed

A test depends on the modules that it and the helpers of its folder import or name in strings, and on what these import.
A file that is no module counts as the modules of its folder and those that name it. Tests that go through chapter_files
run for the chapters affected, which they name in their ids, and a changed notebook concerns tests/notebooks alone.
Without git every test runs.
"""

import ast
import re
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from course_lib.chapter_files import recipe_files
from course_lib.course.claims import experiment_files

ROOT = Path(__file__).resolve().parents[2]
ALL = {"Makefile", "pyproject.toml", "requirements.lock"}
BY_NAME = "course_lib/chapter_files.py"  # imports chapters by name, where no import can be seen
NUMBER = re.compile(r"^(?:course_lib|tests)/chapters/ch(\d\d)_|^notebooks/.*/(\d\d)_[^/]+$")
IN_ID = re.compile(r"\bK?(\d\d)[-_]|\b(C\d\d[a-z]?)\b")  # 03-rope-2, 03_rope, K03-1, C05b
Wanted = dict[
    str, set[str | None] | None
]  # test file -> chapters whose items run (None: of no chapter); None: all items


class Graph:
    """The modules below a folder and what each depends on; paths are relative, with /."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        found = (file for top in ("course_lib", "tests", "notebooks") for file in root.glob(f"{top}/**/*.py"))
        self.files = {file.relative_to(root).as_posix() for file in found}
        self.tests = {f for f in self.files if f.startswith("tests/") and PurePosixPath(f).name.startswith("test_")}
        self.read = cache(self.read)

    def read(self, file: str) -> tuple[set[str], set[str]]:
        """What a module imports, as the paths where that may lie, and the strings that stand in it."""
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
        return {f"{path}{end}" for path in paths for end in (".py", "/__init__.py")}, strings

    def reach(self, *files: str) -> set[str]:
        """The files and all that they depend on, also modules that are gone."""
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
        """The changed files with the modules that stand for those that are none."""
        found = set(changed)
        for path in map(PurePosixPath, changed):
            top = path.parts[0]
            if top == "notebooks":
                found.add(str(path.with_suffix(".py")))
            elif path.suffix != ".py" or top not in ("course_lib", "tests"):
                known = {path.name} if top in ("course_lib", "tests") else {path.name, top}
                beside = ({f for f in self.files if PurePosixPath(f).parent == folder} for folder in path.parents)
                found |= next(filter(None, beside), set()) | {f for f in self.files if known & self.read(f)[1]}
        return found

    def affected(self, changed: set[str]) -> Wanted:
        """The tests that a change of these files can affect."""
        if changed & ALL:
            return dict.fromkeys(self.tests)
        touched = self.touched(changed)
        hit = {f for f in touched | self.files - self.tests if chapter(f) and self.reach(f) & touched}
        pages = {f for f in hit if f.startswith("notebooks/")}
        wanted: Wanted = {}
        for test in self.tests:
            reach = self.of_test(test)
            chapters = {chapter(f) for f in (hit if test.startswith("tests/notebooks/") else hit - pages)}
            if reach & touched or BY_NAME in reach and chapter(test) in chapters:
                wanted[test] = None
            elif BY_NAME in reach and chapters and not chapter(test):
                wanted[test] = chapters | {None}
        return wanted

    def of_chapter(self, number: str) -> Wanted:
        """The tests of one chapter. Raises pytest.UsageError if there is none."""
        own = {test for test in self.tests if chapter(test) == number}
        if not own:
            known = ", ".join(sorted({number for test in self.tests if (number := chapter(test))}))
            raise pytest.UsageError(f"no tests of chapter {number!r}; there are {known}")
        return {test: {number} for test in self.tests if BY_NAME in self.of_test(test)} | dict.fromkeys(own)


def chapter(file: str) -> str | None:
    """The number of the chapter that a file belongs to."""
    return next(filter(None, match.groups())) if (match := NUMBER.search(file)) else None


def changed(since: str | None, root: Path = ROOT) -> set[str] | None:
    """Files changed since a revision or not yet committed; None where git cannot say, unless `since` was asked for."""

    def git(*words: str) -> list[str]:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True, encoding="utf-8")
        return done.stdout.rstrip("\n").split("\0")

    try:
        if Path(git("rev-parse", "--show-toplevel")[0]).resolve() != root.resolve():
            raise FileNotFoundError(f"{root} is no repository of its own")
        if since is None:
            since = "HEAD~1"
            with suppress(subprocess.CalledProcessError):
                since = git("merge-base", "HEAD", "origin/main")[0]
        found = git("diff", "--name-only", "--no-renames", "-z", since)
        return {*found, *git("ls-files", "--others", "--exclude-standard", "-z")} - {""}
    except (OSError, subprocess.CalledProcessError) as error:
        if since not in (None, "HEAD~1"):
            raise pytest.UsageError(f"--since {since}: {getattr(error, 'stderr', None) or error}") from None
        return None


WANTED = pytest.StashKey[Wanted]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("affected")
    group.addoption("--all", action="store_true", dest="every", help="run every test, whatever was changed")
    group.addoption("--since", metavar="REV", help="run what was affected since this revision")
    group.addoption("--chapter", metavar="NN", help="run the tests of one chapter")


def pytest_configure(config: pytest.Config) -> None:
    graph, files = Graph(), None
    if number := config.getoption("chapter"):
        config.stash[WANTED] = graph.of_chapter(number)
    elif not config.getoption("every") and (files := changed(config.getoption("since"))) is not None:
        config.stash[WANTED] = graph.affected(files)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    file = collection_path.relative_to(ROOT).as_posix() if collection_path.is_relative_to(ROOT) else ""
    unwanted = file.startswith("tests/") and file.endswith(".py") and file not in config.stash.get(WANTED, (file,))
    return unwanted or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted, kept = config.stash.get(WANTED, {}), []
    for item in items:
        chapters = wanted.get(item.path.relative_to(ROOT).as_posix())
        if chapters is None or of_item(item) in chapters:
            kept.append(item)
    items[:] = kept


def of_item(item: pytest.Item) -> str | None:
    """The chapter that a test names in its id, itself or by a claim or a model of the zoo."""
    if not (callspec := getattr(item, "callspec", None)):
        return None
    if (named := IN_ID.search(callspec.id)) and named[1]:
        return named[1]
    files = [experiment_files().get(named[2])] if named else recipe_files(callspec.id)
    return chapter(files[0].relative_to(ROOT).as_posix()) if files and files[0] else None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and WANTED in session.config.stash:
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if WANTED in config.stash:
        terminalreporter.write_line(
            f"ran what concerns the change: {len(config.stash[WANTED])} files of tests (--all: every one)"
        )

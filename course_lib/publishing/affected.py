"""A pytest plugin that runs only the tests which a change can affect, found by following imports.

    pytest -p course_lib.publishing.affected tests        changed since origin/main or the last commit, or not committed
    pytest -p course_lib.publishing.affected --since REV tests   changed since another revision; --all runs every test
    pytest -p course_lib.publishing.affected --chapter 05 tests  the tests of one chapter, whatever was changed

Tests that load chapters by their names run for the chapters affected, which their ids name; a changed notebook concerns
tests/notebooks alone. Where git cannot say what was changed, every test runs.
"""

import re
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from course_lib.chapter_files import recipe_files
from course_lib.course.claims import experiment_files
from course_lib.publishing.import_graph import ROOT, ImportGraph

ALL = {"Makefile", "pyproject.toml", "requirements.lock"}
BY_NAME = "course_lib/chapter_files.py"  # imports chapters where no import can be seen
FILE = re.compile(r"(?:course_lib|tests)/chapters/ch(\d\d)_|notebooks/.*/(\d\d)_[^/]+$")
ID = re.compile(r"\bK?(\d\d)[-_]|\b(C\d\d[a-z]?)\b")  # 03-rope-2, 03_rope, K03-1; C05b
Wanted = dict[
    str, set[str | None] | None
]  # test file -> chapters whose items run (None: of no chapter); None: all items
WANTED = pytest.StashKey[Wanted]()


def affected(changed: set[str], graph: ImportGraph) -> Wanted:
    """The tests that a change of these files can affect."""
    if changed & ALL:
        return dict.fromkeys(graph.tests)
    touched = graph.touched(changed)
    hit = {f for f in touched | graph.files - graph.tests if chapter(f) and graph.reach(f) & touched}
    pages = {f for f in hit if f.startswith("notebooks/")}
    wanted: Wanted = {}
    for test in graph.tests:
        reach = graph.of_test(test)
        chapters = {chapter(f) for f in (hit if test.startswith("tests/notebooks/") else hit - pages)}
        if reach & touched or (BY_NAME in reach and chapter(test) in chapters):
            wanted[test] = None
        elif BY_NAME in reach and chapters and not chapter(test):
            wanted[test] = chapters | {None}
    return wanted


def of_chapters(numbers: set[str], graph: ImportGraph) -> Wanted:
    """The tests of these chapters. Raises pytest.UsageError if there is none."""
    own = {test for test in graph.tests if chapter(test) in numbers}
    if missing := numbers - {chapter(test) for test in own}:
        raise pytest.UsageError(f"no tests of chapter {', '.join(sorted(missing))}; write two digits, as in 05")
    through_all = {test for test in graph.tests if not chapter(test) and BY_NAME in graph.of_test(test)}
    return dict.fromkeys(through_all, numbers) | dict.fromkeys(own)


def changed_files(since: str | None = None, root: Path = ROOT) -> set[str] | None:
    """Files changed since a revision or not yet committed; None where git cannot say."""

    def git(*words: str) -> list[str]:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, encoding="utf-8", check=True)
        return done.stdout.rstrip("\n").split("\0")

    try:
        if Path(*git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return None  # a folder inside another repository
        if since is None:
            since = "HEAD~1"
            with suppress(subprocess.CalledProcessError):
                (since,) = git("merge-base", "HEAD", "origin/main")
        found = git("diff", "--name-only", "--no-renames", "-z", since, "--")
        return {*found, *git("ls-files", "--others", "--exclude-standard", "-z")} - {""}
    except (OSError, subprocess.CalledProcessError):
        return None


def chapter(file: str) -> str | None:
    """The number of the chapter that a file belongs to."""
    return next(filter(None, match.groups())) if (match := FILE.match(file)) else None


def chapter_of_item(item: pytest.Item) -> str | None:
    """The chapter that a test names in its id, by its number, a claim or a model of the zoo."""
    if not (callspec := getattr(item, "callspec", None)):
        return None
    if (named := ID.search(callspec.id)) and named[1]:
        return named[1]
    file = experiment_files().get(named[2]) if named else next(iter(recipe_files(callspec.id)), None)
    return chapter(file.relative_to(ROOT).as_posix()) if file else None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("affected", "choose tests by the import graph")
    group.addoption("--all", action="store_true", dest="every", help="run every test, whatever was changed")
    group.addoption("--since", metavar="REV", help="run what a change since this revision can affect")
    group.addoption("--chapter", metavar="NN", action="append", help="run the tests of one chapter, or of several")


def pytest_configure(config: pytest.Config) -> None:
    graph = ImportGraph()
    if numbers := config.getoption("chapter"):
        config.stash[WANTED] = of_chapters(set(numbers), graph)
    elif not config.getoption("every") and (changed := changed_files(config.getoption("since"))) is not None:
        config.stash[WANTED] = affected(changed, graph)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    file = collection_path.relative_to(ROOT).as_posix() if collection_path.is_relative_to(ROOT) else ""
    return (
        collection_path.is_file() and file.startswith("tests/") and file not in config.stash.get(WANTED, {file})
    ) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.stash.get(WANTED, {})
    chapters = [wanted.get(item.path.relative_to(ROOT).as_posix()) for item in items]
    items[:] = [each for each, run in zip(items, chapters) if run is None or chapter_of_item(each) in run]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and WANTED in session.config.stash:
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if WANTED in config.stash:
        terminalreporter.write_line(f"chosen: {len(config.stash[WANTED])} files of tests; --all runs every one")

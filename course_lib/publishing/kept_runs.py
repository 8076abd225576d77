"""A pytest plugin for nbval: what it executes is kept for site and decks, so that no chapter is executed twice.

    pytest -p course_lib.publishing.kept_runs --nbval-lax notebooks

Kept only when every cell of a notebook passed and the pair agrees; the key is that of the code as the run began.
"""

import os

import pytest
from nbval.plugin import IPyNbCell

from course_lib.publishing import notebooks

KEY = pytest.StashKey[str]()
PASSED = pytest.StashKey[list]()


def pytest_configure() -> None:
    os.environ["COURSE_PUBLISH"] = "1"  # the kernels draw every frame of a widget


def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, IPyNbCell) and PASSED not in item.parent.stash:
        item.parent.stash[KEY] = notebooks.key(item.parent.path.with_suffix(".py"))
        item.parent.stash[PASSED] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    result = yield
    if isinstance(item, IPyNbCell):
        item.parent.stash[PASSED].append(item)
    return result


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if isinstance(item, IPyNbCell) and (nextitem is None or nextitem.parent is not item.parent):
        source = item.parent.path.with_suffix(".py")
        notebook = notebooks.read_source(source)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        passed = item.parent.stash[PASSED]
        if [cell.source for cell in code] == [each.cell.source for each in passed]:
            for count, (cell, each) in enumerate(zip(code, passed), 1):
                cell.execution_count, cell.outputs = count, each.test_outputs
                for output in cell.outputs:
                    if output.output_type == "execute_result":
                        output.execution_count = count
            notebooks.keep(source, notebook, item.parent.stash[KEY])

"""A way to run a widget's JavaScript: node where there is one, else Chromium."""

import base64
import json
import shutil
import subprocess

import pytest

from course_lib.publishing import browser
from course_lib.widgets.figure import source


@pytest.fixture(autouse=True)
def as_in_a_notebook(monkeypatch):
    monkeypatch.delenv("COURSE_PUBLISH", raising=False)


@pytest.fixture
def publish(monkeypatch):
    monkeypatch.setenv("COURSE_PUBLISH", "1")


def _address(module: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(source(module).encode()).decode()


@pytest.fixture(scope="session")
def run_js():
    """run_js(module, expression): JSON value of an expression in which `widget` is the module's default export."""
    node = shutil.which("node")

    def in_node(module, expression):
        script = f"const {{ default: widget }} = await import({json.dumps(_address(module))});"
        script += f"process.stdout.write(JSON.stringify({expression}));"
        done = subprocess.run([node, "--input-type=module"], input=script, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    if node:
        yield in_node
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.require(), args=list(browser.FLAGS[1:]))
        page = chromium.new_page()
        yield lambda module, expression: json.loads(
            page.evaluate(
                f"import({json.dumps(_address(module))}).then(({{ default: widget }}) => JSON.stringify({expression}))"
            )
        )
        chromium.close()

"""The built site on localhost, and a browser that keeps account of what goes wrong on a page."""

import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

import sample_page

from course_lib.publishing import browser, site
from course_lib.publishing.assets import guarded
from course_lib.publishing.html import bundle, widget, widget_script
from course_lib.publishing.models import write_models
from course_lib.publishing.serve import server


@pytest.fixture(scope="session")
def folder():
    """The site as `make site` built it; $COURSE_SITE names a folder to test as it is."""
    if os.environ.get("COURSE_SITE"):
        return Path(os.environ["COURSE_SITE"])
    assert site.is_built(), "the site is not built from today's files; run make site ARGS=--no-serve first"
    return site.HTML


@pytest.fixture(scope="session")
def address(folder):
    """http://127.0.0.1:PORT/ of the site."""
    with server(folder) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """http://127.0.0.1:PORT/ of a small site of its own: page.html and slides/sample.html."""
    with server(sample_page.build(tmp_path_factory.mktemp("site"))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="session")
def pages(folder):
    """Every page of the book below the site's root, decks apart."""
    return sorted(
        str(p.relative_to(folder).as_posix())
        for p in folder.rglob("*.html")
        if not {"_static", "slides"} & set(p.relative_to(folder).parts)
    )


@pytest.fixture(scope="session")
def decks(folder):
    """Every deck below the site's root."""
    return sorted(str(p.relative_to(folder).as_posix()) for p in (folder / "slides").glob("*.html"))


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser.require(), args=list(browser.FLAGS[1:]))
        yield running
        running.close()


@pytest.fixture
def visit(chromium):
    """visit(url, trouble, **context): an open page; what leaves the machine or fails is added to `trouble`."""

    @contextmanager
    def opened(url, trouble, **context):
        here = url.split("/", 3)[:3] if url.startswith("http") else ["file:", "", ""]
        local = ("/".join(here) + "/", "data:", "blob:")
        with chromium.new_context(**context) as fresh:
            page = fresh.new_page()
            page.on("request", lambda r: r.url.startswith(local) or trouble.append(f"{url} asks for {r.url}"))
            page.on("response", lambda r: r.status < 400 or trouble.append(f"{url}: {r.status} {r.url}"))
            page.on("console", lambda m: m.type != "error" or trouble.append(f"{url}: {m.text[:300]}"))
            page.on("pageerror", lambda e: trouble.append(f"{url}: {str(e)[:300]}"))
            page.goto(url, wait_until="load")
            page.wait_for_function("document.querySelectorAll('.course-widget:not([data-live])').length === 0")
            yield page

    return opened


@pytest.fixture
def page(sample, visit):
    """The small site's page, open; fails if anything on it failed."""
    trouble = []
    with visit(sample + "page.html", trouble) as page:
        yield page
    assert trouble == []


@pytest.fixture
def laid(tmp_path, chromium):
    """laid(html, scheme, **files): an open page of these files, from http or from the disk; fails on any error."""
    trouble, contexts = [], []
    with server(tmp_path) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()

        def opened(body, scheme="file", files=None, **context):
            (tmp_path / "models").mkdir(exist_ok=True)
            for name, text in (files or {}).items():
                (tmp_path / name).write_text(text, "utf-8")
            page = '<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>t</title></head><body>'
            (tmp_path / "page.html").write_text(guarded(page) + body, "utf-8")
            http = f"http://127.0.0.1:{running.server_port}/page.html"
            contexts.append(chromium.new_context(**context))
            page = contexts[-1].new_page()
            page.asked = []
            page.on("request", lambda request: page.asked.append(request.url.rsplit("/", 1)[1]))
            page.on("pageerror", lambda error: trouble.append(str(error)))
            page.goto(http if scheme == "http" else (tmp_path / "page.html").as_uri())
            return page

        yield opened
        for context in contexts:
            context.close()
        running.shutdown()
    assert not trouble


@pytest.fixture
def published(laid, monkeypatch, tmp_path):
    """published(make, scheme, **context): a page with the widget that make() gives, as publishing lays it out."""
    monkeypatch.setenv("COURSE_PUBLISH", "1")

    def shown(make, scheme="file", **context):
        data = make()._repr_mimebundle_()[0]
        notebook = new_notebook(cells=[new_code_cell(outputs=[new_output("display_data", data)])])
        write_models([notebook], tmp_path)
        body = f'{widget(bundle(data), data["image/png"])}<p id="after">…</p><script src="course-widgets.js"></script>'
        return laid(body, scheme, {"course-widgets.js": widget_script()}, **context)

    return shown

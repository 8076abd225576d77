"""The built site on localhost, and a browser that keeps account of what goes wrong on a page."""

import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

import sample_page

from course_lib.publishing import browser, site
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

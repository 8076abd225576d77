"""Progress of tests goes to an empty folder, never to the reader's own."""

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("COURSE_PUBLISH", raising=False)
    return tmp_path

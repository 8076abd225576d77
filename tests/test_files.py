"""A file is there whole or not at all, and what killed writers left goes at the next write."""

import os
import subprocess
import sys
import time

import pytest

from course_lib import files
from course_lib.files import sweep, whole, write_whole

KILLED = """
import os, signal, sys
from course_lib.files import whole
with whole(sys.argv[1]) as beside:
    beside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
"""


def names(folder):
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("content", ["字\nzwei\r\n", b"\x00\xff\r\n", ""])
def test_what_is_written_is_read_and_nothing_lies_beside(tmp_path, content):
    path = tmp_path / "new" / "it.json"
    for _ in range(2):
        write_whole(path, content)
        assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert names(path.parent) == ["it.json"]
    assert path.stat().st_mode & 0o444 == 0o444, "whoever may enter the folder may read it"


@pytest.mark.parametrize("moment", ["writing", "flushing", "renaming"])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, moment):
    path = tmp_path / "it"
    write_whole(path, "old")

    def full(*args):
        raise OSError("disk full")

    if moment == "flushing":
        monkeypatch.setattr(files, "flush", full)
    if moment == "renaming":
        monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="disk full"), whole(path) as beside:
        beside.write_text("new")
        if moment == "writing":
            full()
    assert path.read_text() == "old" and names(tmp_path) == ["it"]


def test_what_a_killed_writer_left_goes_at_the_next_write(tmp_path):
    path = tmp_path / "it.json"
    write_whole(path, "old")
    subprocess.run([sys.executable, "-c", KILLED, path], timeout=100)
    assert len(names(tmp_path)) == 2 and path.read_text() == "old"
    write_whole(path, "new")
    assert names(tmp_path) == ["it.json"] and path.read_text() == "new"


def test_what_a_living_writer_has_begun_stays(tmp_path):
    path = tmp_path / "it"
    with whole(path) as first:
        first.write_text("first")
        write_whole(path, "second")
    assert path.read_text() == "first" and names(tmp_path) == ["it"]


def test_writers_who_cannot_be_asked_have_an_hour(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    other = [tmp_path / f".it.{dead.pid}@elsewhere.xy.part", tmp_path / ".it.123.part"]
    foreign = tmp_path / ".that.123.part"
    for file in (*other, foreign):
        file.write_text("half")
    sweep(tmp_path / "it")
    assert all(file.exists() for file in other)
    for file in (*other, foreign):
        os.utime(file, (time.time() - files.LEFTOVER_SECONDS - 1,) * 2)
    sweep(tmp_path / "it")
    assert names(tmp_path) == [foreign.name]

"""Progress is kept whole: two kernels lose nothing, a failed write changes nothing, a damaged file stops nobody."""

import errno
import json
import os
import subprocess
import sys

import pytest

from course_lib.course.exercises import check, exercise, hint, kept, progress

TRIES = 60
KERNEL = """
import sys, time, pathlib
from course_lib.course.exercises import kept
name, reader = sys.argv[1], kept.path().parent
(reader / name).touch()
while len(list(reader.glob("kernel-*"))) < 2:
    time.sleep(0.001)
for i in range(int(sys.argv[2])):
    kept.remember(f"{name}-{i}", tries=1)
    kept.remember("both", tries=1, hints=i)
"""


def test_two_kernels_at_full_speed_lose_nothing(reader):
    kernels = [
        subprocess.Popen([sys.executable, "-c", KERNEL, f"kernel-{i}", str(TRIES)], env=os.environ) for i in range(2)
    ]
    assert [kernel.wait(120) for kernel in kernels] == [0, 0]
    known = kept.load()
    assert known.pop("both") == {"tries": 2 * TRIES, "hints": TRIES - 1, "passed": None}
    assert known.keys() == {f"kernel-{i}-{n}" for i in range(2) for n in range(TRIES)}


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_write_that_fails_leaves_what_was_there(reader, monkeypatch, call):
    check("03-rope-1", 0.5)
    before = (reader / "progress.json").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    outcome = check("03-rope-2", lambda *_: 0)
    assert "进度没能保存：[Errno 28] No space left on device" in outcome.message
    shown = repr(hint("03-rope-1"))
    assert shown.startswith("提示 1/3") and "进度没能保存" in shown
    assert (reader / "progress.json").read_bytes() == before
    assert {file.name for file in reader.iterdir()} <= {"progress.json", ".progress.lock"}


def test_tries_do_not_forget_the_hints():
    hint("03-rope-1")
    hint("03-rope-1")
    check("03-rope-1", -0.5)
    check("03-rope-1", 0.5)
    assert repr(hint("03-rope-1")).startswith("提示 3/3")
    assert kept.load()["03-rope-1"] | {"passed": None} == {"tries": 2, "hints": 3, "passed": None}


@pytest.mark.parametrize(
    "home_of",
    [
        lambda folder: folder / "file",  # a file where the folder should be
        lambda folder: folder / "file" / "deeper",
        lambda folder: "/proc/no/such",
        lambda folder: folder / ("x" * 300),
    ],
    ids=["file", "below a file", "proc", "long name"],
)
def test_a_home_that_cannot_be_written_spoils_nothing(reader, monkeypatch, home_of):
    (reader / "file").write_text("")
    monkeypatch.setenv("COURSE_HOME", str(home_of(reader)))
    assert check("03-rope-1", 0.5).passed
    shown = hint("03-rope-1")
    assert "提示 1/3" in repr(shown) and "进度没能保存" in repr(shown) and "进度没能保存" in shown._repr_html_()
    assert "03-rope-1" in repr(progress()) and "练习 03-rope-1" in repr(exercise("03-rope-1"))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10**5,
        "[]",
        "{}",
        '{"exercises": []}',
        '{"exercises": {"03-rope-1": 5}}',
        '{"exercises": {"03-rope-1": {"tries": null}}}',
        '{"exercises": {"03-rope-1": {"hints": "many"}}}',
        "\x80",
    ],
)
def test_a_damaged_file_is_set_aside_and_the_work_goes_on(reader, text):
    (reader / "progress.json").write_bytes(text.encode("latin-1"))
    assert repr(hint("03-rope-1")).startswith("提示 1/3")
    assert check("03-rope-1", 0.5).passed
    assert "✓ 03-rope-1" in repr(progress())
    assert (reader / "progress.damaged.json").read_bytes() == text.encode("latin-1")


def test_a_file_of_the_first_version_is_read(reader):
    entry = {"tries": 3, "hints": 1, "passed": "2026-01-02"}
    (reader / "progress.json").write_text(json.dumps({"version": 1, "exercises": {"03-rope-1": entry}}))
    assert kept.load() == {"03-rope-1": entry}
    assert kept.remember("03-rope-1", tries=1, passed=True) == entry | {"tries": 4}

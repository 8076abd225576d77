"""`python -m course_lib.course.claims`."""

import multiprocessing
import os
import re
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from course_lib.course import claims
from course_lib.course.claims import storage
from course_lib.course.claims.__main__ import main
from course_lib.course.claims.jobs import in_processes


def test_list_names_every_claim_with_its_verdict_and_state(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(claims.experiment_files())
    assert all("最新" in line and any(word in line for word in claims.OUTCOMES.values()) for line in lines)


def test_show_takes_any_case_and_prints_the_record(capsys):
    assert main(["show", "c05B"]) == 0
    assert claims.load_record("C05b")["sentence"] in capsys.readouterr().out


def test_an_unknown_id_is_answered_with_the_known_ones(capsys):
    assert main(["show", "C98"]) == 2
    assert "C01, C02" in capsys.readouterr().err


def test_quick_run_shows_figures_and_leaves_the_record(capsys):
    before = claims.load_record("C07")
    assert main(["run", "C07", "--quick"]) == 0
    assert "快速版" in capsys.readouterr().out
    assert claims.load_record("C07") == before


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "C01", "--stale"], ["run", "--stale", "--quick"], ["run", "C01", "--jobs", "0"], []]
)
def test_bad_usage_is_refused(arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_reading_records_loads_no_torch():
    code = (
        "import sys; from course_lib.course import claims; claims.show('C05'); claims.is_stale('C05'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("encoding", "arrives"), [("gbk", "gbk"), ("cp1252", "utf-8"), ("ascii", "utf-8")])
def test_a_terminal_without_our_signs_is_no_obstacle(encoding, arrives):
    command = [sys.executable, "-m", "course_lib.course.claims", "show", "C05"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode(arrives)
    assert "C05" in done.stdout.decode(arrives)


def test_a_damaged_record_is_one_line_on_stderr(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(storage, "record_path", lambda claim_id, directory: tmp_path / f"{claim_id}.json")
    (tmp_path / "C05.json").write_text("[" * 10**5, encoding="utf-8")
    assert main(["show", "C05"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "C05.json is damaged" in told


def stop_or_answer(name: str, folder: str) -> str:
    """What a process does in these tests: answer, fail, die, or wait until it is ended."""
    if name == "fails":
        raise ValueError("no figure")
    if name == "dies":
        os._exit(7)
    if name == "waits":
        (Path(folder) / "started").touch()
        threading.Event().wait()
    return f"{name} on {os.environ['OMP_NUM_THREADS']} thread, {os.getpid()}"


def test_work_is_done_in_processes_of_one_thread_and_failures_are_told():
    before = os.environ.get("OMP_NUM_THREADS")
    found = dict(in_processes(partial(stop_or_answer, folder=""), ["a", "fails", "dies", "b"], jobs=2))
    assert found.keys() == {"a", "fails", "dies", "b"}
    answers = [re.fullmatch(r"([ab]) on 1 thread, (\d+)", found[name]) for name in "ab"]
    assert len({answers[0][2], answers[1][2], str(os.getpid())}) == 3
    assert str(found["fails"]) == "no figure" and "exit code 7" in str(found["dies"])
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_whoever_stops_listening_ends_the_processes(tmp_path):
    results = in_processes(partial(stop_or_answer, folder=str(tmp_path)), ["waits", "a", "waits"], jobs=2)
    assert next(results)[0] == "a"
    running = multiprocessing.active_children()
    assert running
    results.close()
    assert not any(process.is_alive() for process in running)


def test_two_jobs_tell_each_claim_apart(capfd):
    assert main(["run", "C00", "C07", "--quick", "--jobs", "2"]) == 0
    shown = capfd.readouterr()
    assert shown.out.count("（快速版）") == 2 and "── 1/2  C" in shown.out and "── 2/2  C" in shown.out
    assert "C07 种子 0（1/5）" in shown.err

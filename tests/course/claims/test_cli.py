"""`python -m course_lib.course.claims`."""

import subprocess
import sys

import pytest

from course_lib.course import claims
from course_lib.course.claims.__main__ import main


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


@pytest.mark.parametrize("arguments", [["run"], ["run", "C01", "--stale"], ["run", "--stale", "--quick"], []])
def test_bad_usage_is_refused(arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_reading_records_loads_no_torch():
    code = (
        "import sys; from course_lib import claims; claims.show('C05'); claims.is_stale('C05'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

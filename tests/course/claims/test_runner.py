"""What running a claim promises: every seed, one record, nothing lost."""

import json
import os

import numpy as np
import pytest
import torch

from course_lib.course.claims import Claim, Verdict, figures_of, runner, storage
from course_lib.course.claims.storage import load_record, partial_path, record_path, write_record


class Experiment:
    """A claim whose measuring can be watched and made to stop."""

    def __init__(self, file):
        self.file = file
        self.measured: list[int] = []
        self.stop_at: int | None = None
        self.sentence = "均值 {:.1f}"
        self.threads: int | None = None

    def measure(self, seed, *, progress, n):
        if seed == self.stop_at:
            raise KeyboardInterrupt
        for _ in progress(range(n), "步"):
            pass
        self.measured.append(seed)
        self.threads = torch.get_num_threads()
        return {"a": seed + 0.25, "curve": [float(seed), float(n)]}

    def judge(self, figures):
        mean = float(figures["a"].mean)
        return Verdict("holds" if mean > 1 else "fails", self.sentence.format(mean))

    @property
    def claim(self):
        return Claim(
            id="C99",
            chapter="00",
            title="题",
            statement="主张",
            question="问",
            refuted_if="若",
            seeds=(0, 1, 2),
            measure=self.measure,
            judge=self.judge,
            quick={"n": 2},
            full={"n": 20},
            quick_seeds=(0, 1),
        )

    def edit(self, text):
        self.file.write_text(text, encoding="utf-8")


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    made = Experiment(tmp_path / "c99_it.py")
    made.edit("x = 1\n")
    monkeypatch.setattr(runner, "get_claim", lambda claim_id: made.claim)
    for module in (runner, storage):
        monkeypatch.setattr(module, "experiment_file", lambda claim_id: made.file)
    monkeypatch.setattr(storage, "known_id", lambda claim_id: "C99")
    return made


def test_full_run_measures_every_seed_and_writes_the_record_it_returns(experiment, tmp_path):
    record = runner.run("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2]
    assert record == load_record("C99", tmp_path)
    assert record["kind"] == "full" and record["seeds"] == [0, 1, 2] and record["settings"] == {"n": 20}
    assert record["figures"]["a"] == {"mean": 1.25, "std": 1.0, "values": [0.25, 1.25, 2.25]}
    assert record["figures"]["curve"]["mean"] == [1.0, 20.0]
    assert (record["verdict"], record["sentence"]) == ("holds", "均值 1.2")
    assert record["seconds"] >= 0
    assert {"course_lib", "python", "torch", "numpy"} <= set(record["versions"])
    assert not partial_path("C99", tmp_path).exists()


def test_quick_run_returns_and_writes_nothing(experiment, tmp_path):
    before = set(tmp_path.iterdir())
    record = runner.run("C99", quick=True, progress=False, directory=tmp_path)
    assert set(tmp_path.iterdir()) == before
    assert record["kind"] == "quick" and record["settings"] == {"n": 2} and experiment.measured == [0, 1]


def test_judge_sees_the_same_figures_when_it_reads_the_record(experiment, tmp_path):
    record = runner.run("C99", progress=False, directory=tmp_path)
    verdict = experiment.judge(figures_of(load_record("C99", tmp_path)))
    assert (verdict.outcome, verdict.sentence) == (record["verdict"], record["sentence"])


def test_interrupted_run_goes_on_from_the_finished_seeds(experiment, tmp_path):
    experiment.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        runner.run("C99", progress=False, directory=tmp_path)
    assert partial_path("C99", tmp_path).exists() and not record_path("C99", tmp_path).exists()
    experiment.stop_at = None
    record = runner.run("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2]
    assert record["figures"]["a"]["values"] == [0.25, 1.25, 2.25]
    assert not partial_path("C99", tmp_path).exists()


def test_seeds_finished_by_other_code_are_measured_again(experiment, tmp_path):
    experiment.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        runner.run("C99", progress=False, directory=tmp_path)
    experiment.stop_at = None
    experiment.edit("x = 2\n")
    runner.run("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 0, 1, 2]


def test_an_interrupted_second_run_leaves_the_first_record(experiment, tmp_path):
    first = runner.run("C99", progress=False, directory=tmp_path)
    experiment.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        runner.run("C99", progress=False, directory=tmp_path)
    assert load_record("C99", tmp_path) == first


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "C99.json"
    write_record({"a": 1}, path)

    def no_disk(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", no_disk)
    with pytest.raises(OSError, match="disk full"):
        write_record({"a": 2}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_progress_bar_counts_seeds_and_shows_the_inner_loop(experiment, tmp_path, capsys):
    runner.run("C99", quick=True, directory=tmp_path)
    shown = capsys.readouterr().err
    assert "C99" in shown and "2/2" in shown and "步" in shown


def test_no_bar_unless_asked(experiment, tmp_path, capsys):
    runner.run("C99", quick=True, progress=False, directory=tmp_path)
    assert capsys.readouterr().err == ""


def test_measures_on_one_thread_and_gives_the_threads_back(experiment, tmp_path):
    torch.set_num_threads(2)
    try:
        runner.run("C99", quick=True, progress=False, directory=tmp_path)
        assert experiment.threads == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_record_is_stale_when_missing_or_when_the_experiment_changed(experiment, tmp_path):
    assert storage.is_stale("C99", tmp_path)
    runner.run("C99", progress=False, directory=tmp_path)
    assert not storage.is_stale("C99", tmp_path)
    experiment.edit("x = 2\n")
    assert storage.is_stale("C99", tmp_path)


def test_refresh_judges_anew_without_measuring_when_only_the_judge_changed(experiment, tmp_path):
    runner.run("C99", progress=False, directory=tmp_path)
    experiment.edit('x = 1\ndef judge(figures):\n    return "new"\n')
    experiment.sentence = "平均 {:.2f}"
    record = runner.refresh("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2]
    assert record["sentence"] == "平均 1.25" == load_record("C99", tmp_path)["sentence"]
    assert not storage.is_stale("C99", tmp_path)


def test_refresh_measures_when_the_measuring_changed(experiment, tmp_path):
    runner.run("C99", progress=False, directory=tmp_path)
    experiment.edit("x = 2\n")
    runner.refresh("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2] * 2


def test_a_record_reads_back_exactly(tmp_path):
    figures = {"a": {"mean": 0.1, "std": 0.0, "values": np.linspace(0, 1, 7).tolist()}}
    write_record({"id": "C99", "title": "“引号”\n换行", "figures": figures}, tmp_path / "C99.json")
    assert json.loads((tmp_path / "C99.json").read_text(encoding="utf-8")) == {
        "id": "C99",
        "title": "“引号”\n换行",
        "figures": figures,
    }

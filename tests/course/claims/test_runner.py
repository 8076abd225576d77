"""What running a claim promises: every seed, one record, nothing lost."""

import datetime
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.course.claims import Claim, Verdict, figures_of, runner, storage
from course_lib.course.claims.render import judge_changed
from course_lib.course.claims.storage import load_record, partial_path, record_path, write_record
from course_lib.provenance import code_hash

FILE = """
def measure(seed, *, progress, n):
    return {"a": seed + 0.25}

def judge(figures):
    return figures

CLAIM = Claim(id="C99", title="题", seeds=(0, 1, 2), measure=measure, judge=judge, full={"n": 20})
"""
OTHER_CODE = FILE.replace("0.25", "0.5 / 2")  # says another thing, measures the same


class Experiment:
    """A claim whose measuring can be watched and made to stop."""

    def __init__(self, file):
        self.file = file
        self.measured: list[int] = []
        self.stop_at: int | None = None
        self.shift = 0.25
        self.sentence = "均值 {:.1f}"
        self.threads: int | None = None

    def measure(self, seed, *, progress, n):
        if seed == self.stop_at:
            raise KeyboardInterrupt
        for _ in progress(range(n), "步"):
            pass
        self.measured.append(seed)
        self.threads = torch.get_num_threads()
        return {"a": seed + self.shift, "curve": [float(seed), float(n)]}

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
    made.edit(FILE)
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
    assert not list(tmp_path.glob("*.partial.json"))


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
    assert partial_path("C99", 1, tmp_path).exists() and not record_path("C99", tmp_path).exists()
    experiment.stop_at = None
    record = runner.run("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2]
    assert record["figures"]["a"]["values"] == [0.25, 1.25, 2.25]
    assert not list(tmp_path.glob("*.partial.json"))


def test_seeds_finished_by_other_code_are_measured_again(experiment, tmp_path):
    experiment.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        runner.run("C99", progress=False, directory=tmp_path)
    experiment.stop_at = None
    experiment.edit(OTHER_CODE)
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


def test_twelve_killed_runs_measure_twelve_seeds(experiment, tmp_path, monkeypatch):
    """Killed as soon as a seed is done, that seed is kept."""
    claim = replace(experiment.claim, seeds=tuple(range(12)))
    monkeypatch.setattr(runner, "get_claim", lambda claim_id: claim)
    write = runner.write_record

    def killed_after(record, path):
        write(record, path)
        if path.name.endswith(".partial.json"):
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "write_record", killed_after)
    for _ in range(12):
        with pytest.raises(KeyboardInterrupt):
            runner.run("C99", progress=False, directory=tmp_path)
    record = runner.run("C99", progress=False, directory=tmp_path)
    assert experiment.measured == record["seeds"] == list(range(12))


def test_seeds_kept_in_a_damaged_file_are_measured_again(experiment, tmp_path):
    partial_path("C99", 0, tmp_path).write_text("{", encoding="utf-8")
    runner.run("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2]


def test_each_seed_is_told_in_a_line_for_several_runs_at_once(experiment, tmp_path, capsys):
    runner.run("C99", progress="lines", directory=tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("）")[0] for line in lines] == [f"C99 种子 {seed}（{seed + 1}/3" for seed in range(3)]


@pytest.mark.parametrize("text", [OTHER_CODE, FILE + 'judge = "new"', FILE.replace("题", "新题")])
def test_a_record_is_stale_when_missing_or_when_measuring_judge_or_words_changed(experiment, tmp_path, text):
    assert storage.is_stale("C99", tmp_path)
    runner.run("C99", progress=False, directory=tmp_path)
    assert not storage.is_stale("C99", tmp_path)
    experiment.edit(text)
    assert storage.is_stale("C99", tmp_path)
    assert storage.needs_measuring("C99", tmp_path) == (text is OTHER_CODE)


NEW_JUDGE = FILE.replace("return figures", 'return "new"')


def test_refresh_judges_anew_without_measuring_when_only_the_judge_changed(experiment, tmp_path):
    measured = runner.run("C99", progress=False, directory=tmp_path)
    assert not judge_changed(measured)
    experiment.edit(NEW_JUDGE)
    experiment.sentence = "平均 {:.2f}"
    record = runner.refresh("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2]
    assert record["sentence"] == "平均 1.25" == load_record("C99", tmp_path)["sentence"]
    assert not storage.is_stale("C99", tmp_path)
    assert judge_changed(record) and record["judge"] == measured["judge"]


def test_a_judge_that_changed_stays_marked_until_the_figures_are_measured_anew(experiment, tmp_path):
    runner.run("C99", progress=False, directory=tmp_path)
    experiment.edit(NEW_JUDGE)
    runner.refresh("C99", progress=False, directory=tmp_path)
    experiment.edit(NEW_JUDGE.replace("0.25", "0.5 / 2"))
    assert judge_changed(runner.refresh("C99", progress=False, directory=tmp_path))  # reproduced, not measured anew
    assert not judge_changed(runner.run("C99", progress=False, directory=tmp_path))


def test_a_judge_that_came_back_is_not_marked(experiment, tmp_path):
    runner.run("C99", progress=False, directory=tmp_path)
    for text in (NEW_JUDGE, FILE):
        experiment.edit(text)
        record = runner.refresh("C99", progress=False, directory=tmp_path)
    assert not judge_changed(record)


def test_refresh_reproduces_one_seed_and_puts_the_new_code_beside_the_old(experiment, tmp_path):
    before = runner.run("C99", progress=False, directory=tmp_path)
    experiment.edit(OTHER_CODE)
    record = runner.refresh("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2, 0]
    assert record["code"][0] == before["code"][0]
    assert record["code"][1] == {
        "code": code_hash(experiment.file),
        "date": datetime.date.today().isoformat(),
        "reproduced": 0,
    }
    assert record | {"code": before["code"]} == before
    assert not storage.is_stale("C99", tmp_path) and not list(tmp_path.glob("*.partial.json"))
    experiment.edit(FILE)
    assert not storage.is_stale("C99", tmp_path)  # the code that measured it is still its code


@pytest.mark.parametrize("change", [1e-5, -1e-5])
def test_refresh_measures_all_seeds_if_one_figure_differs_in_its_last_digit(experiment, tmp_path, change):
    experiment.shift = 0.251234  # of which six digits are kept, also with 1 and 2 before it
    record = runner.run("C99", progress=False, directory=tmp_path)
    record["figures"]["a"]["values"][0] += change / 10
    write_record(record, record_path("C99", tmp_path))
    experiment.edit(OTHER_CODE)
    record = runner.refresh("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2, 0, 1, 2]  # the seed measured for comparison is kept
    assert record["figures"]["a"]["values"][0] == 0.251234
    assert len(record["code"]) == 1 and "reproduced" not in record["code"][0]


@pytest.mark.parametrize("change", [{"seeds": (0, 1, 2, 3)}, {"full": {"n": 30}}])
def test_other_seeds_or_settings_cannot_be_reproduced(experiment, tmp_path, monkeypatch, change):
    runner.run("C99", progress=False, directory=tmp_path)
    claim = replace(experiment.claim, **change)
    monkeypatch.setattr(runner, "get_claim", lambda claim_id: claim)
    experiment.edit(OTHER_CODE)
    runner.refresh("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0, 1, 2, *claim.seeds]


@pytest.mark.parametrize("same_verdict", [True, False])
def test_a_record_of_before_dates_is_reproduced_and_its_figures_stay(experiment, tmp_path, same_verdict):
    old = runner.run("C99", progress=False, directory=tmp_path)
    for name in ("judge", "judged", "words"):
        del old[name]
    old |= {"code": "0123", "judging": "4567"}
    write_record(old, record_path("C99", tmp_path))
    experiment.measured.clear()
    if not same_verdict:
        experiment.sentence = "平均 {:.2f}"
    record = runner.refresh("C99", progress=False, directory=tmp_path)
    assert experiment.measured == [0]
    assert record["figures"] == old["figures"] and record["seconds"] == old["seconds"]
    assert [each["code"] for each in record["code"]] == ["0123", code_hash(experiment.file)]
    assert judge_changed(record) != same_verdict and "judging" not in record
    assert not storage.is_stale("C99", tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "[" * 10**5, '{"a": ' * 10**5, '{"id": "C99", "code": []}', "\udc80"]
)
def test_a_damaged_record_is_refused_in_one_sentence(experiment, tmp_path, text):
    record_path("C99", tmp_path).write_text(text, encoding="utf-8", errors="surrogateescape")
    for read in (load_record, storage.is_stale):
        with pytest.raises(ValueError, match=r"C99\.json is damaged, it .*(restore it)"):
            read("C99", tmp_path)
    runner.run("C99", progress=False, directory=tmp_path)
    assert not storage.is_stale("C99", tmp_path)


def test_a_record_reads_back_exactly(tmp_path):
    figures = {"a": {"mean": 0.1, "std": 0.0, "values": np.linspace(0, 1, 7).tolist()}}
    write_record({"id": "C99", "title": "“引号”\n换行", "figures": figures}, tmp_path / "C99.json")
    assert json.loads((tmp_path / "C99.json").read_text(encoding="utf-8")) == {
        "id": "C99",
        "title": "“引号”\n换行",
        "figures": figures,
    }

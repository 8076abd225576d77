"""Running a claim: every seed behind a progress bar, then the verdict, then the record."""

from __future__ import annotations

import datetime
import json
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from course_lib import __version__
from course_lib.course.claims.core import Claim, round_significant, rounded_figures, summarise
from course_lib.course.claims.registry import experiment_file, get_claim
from course_lib.course.claims.storage import (
    codes,
    figures_of,
    load_record,
    partial_path,
    read_json,
    record_path,
    said_by,
    write_record,
)
from course_lib.provenance import code_hash


def run(
    claim_id: str, quick: bool = False, progress: bool | str = True, directory: Path | None = None
) -> dict[str, Any]:
    """Measure every seed of a claim, judge, and return the record; the full form also writes it.

    A full run that is interrupted keeps the seeds it has finished and goes on from there, as long as the measuring code
    is the same. Runs on one thread, so that a figure does not depend on the number of cores. `progress="lines"` tells
    each seed in a line of its own, for several runs at once. Raises `KeyError` for an unknown id, `ValueError` for a
    figure that is not finite.
    """
    claim = get_claim(claim_id)
    experiment = experiment_file(claim.id)
    code, said = code_hash(experiment), said_by(experiment)
    kept = None if quick else Kept(claim.id, code, directory)
    record = measure_and_judge(claim, quick=quick, progress=progress, kept=kept)
    record |= {"code": [{"code": code, "date": _today()}], "judge": said["judged"]} | said
    if kept:
        write_record(record, record_path(claim.id, directory))
        kept.clear()
    return record


def refresh(claim_id: str, progress: bool | str = True, directory: Path | None = None) -> dict[str, Any]:
    """Bring a stale record up to date with as little work as possible.

    Figures that still stand are judged anew. Where the code has changed, one seed is measured: if every figure is the
    recorded one the record takes the new code beside the old; if not, the other seeds are measured, too.
    """
    try:
        record = load_record(claim_id, directory)
    except FileNotFoundError:
        return run(claim_id, progress=progress, directory=directory)
    claim = get_claim(claim_id)
    experiment = experiment_file(claim.id)
    code, said = code_hash(experiment), said_by(experiment)
    if code not in [each["code"] for each in codes(record)]:
        kept, seed = Kept(claim.id, code, directory), claim.seeds[0]
        if not _same_question(claim, record):
            return run(claim_id, progress=progress, directory=directory)
        if not reproduces(record, seed, _measure_seeds(claim, (seed,), claim.full, progress, kept)[0]["figures"]):
            return run(claim_id, progress=progress, directory=directory)
        record["code"] = [*codes(record), {"code": code, "date": _today(), "reproduced": seed}]
    verdict = _verdict(claim, record)
    if "judge" not in record:  # made before records kept it: the same verdict in the same words is the same judge
        unchanged = verdict.items() <= record.items()
        record["judge"] = said["judged"] if unchanged else None
        record.pop("judging", None)
    record |= _words(claim) | verdict | said
    write_record(record, record_path(claim.id, directory))
    Kept(claim.id, code, directory).clear()
    return record


def reproduces(record: Mapping[str, Any], seed: int, figures: Mapping[str, Any]) -> bool:
    """Whether the figures of one seed, measured again, are those of the record to the last digit that it holds."""
    number = record["seeds"].index(seed)
    return figures == {name: each["values"][number] for name, each in record["figures"].items()}


def measure_and_judge(
    claim: Claim, *, quick: bool = False, progress: bool | str = True, kept: Kept | None = None
) -> dict[str, Any]:
    """The record of a claim (without hashes); `kept` holds finished seeds until all are done."""
    seeds = claim.quick_seeds if quick and claim.quick_seeds is not None else claim.seeds
    settings = dict(claim.quick if quick else claim.full)
    done = _measure_seeds(claim, seeds, settings, progress, kept)
    summaries = summarise([each["figures"] for each in done])
    figures = {
        name: {
            "mean": round_significant(each.mean).tolist(),
            "std": round_significant(each.std).tolist(),
            "values": each.values.tolist(),
        }
        for name, each in summaries.items()
    }
    record = {"id": claim.id, "kind": "quick" if quick else "full"} | _words(claim)
    record |= {"seeds": list(seeds), "settings": settings, "figures": figures}
    record |= _verdict(claim, record)
    record["seconds"] = round(sum(each["seconds"] for each in done), 2)
    record["versions"] = _versions()
    return record


@dataclass(frozen=True)
class Kept:
    """Finished seeds of an unfinished run, a file each, valid for the code that measured them."""

    claim_id: str
    code: str
    directory: Path | None = None

    def read(self, seed: int) -> dict[str, Any] | None:
        """What was kept of a seed; None if there is nothing, or nothing that is of use."""
        try:
            found = read_json(partial_path(self.claim_id, seed, self.directory))
        except (FileNotFoundError, ValueError):
            return None
        return found if found.get("code") == self.code else None

    def write(self, seed: int, done: Mapping[str, Any]) -> None:
        write_record({"code": self.code, **done}, partial_path(self.claim_id, seed, self.directory))

    def clear(self) -> None:
        every = partial_path(self.claim_id, "*", self.directory)
        for file in every.parent.glob(every.name):
            file.unlink(missing_ok=True)


def _measure_seeds(
    claim: Claim, seeds: Sequence[int], settings: Mapping[str, Any], progress: bool | str, kept: Kept | None
) -> list[dict[str, Any]]:
    """Figures and seconds of each seed, measured or kept from before."""
    finished = []
    bar_shown = progress is True
    with _one_thread(), tqdm(total=len(seeds), desc=claim.id, unit="seed", disable=not bar_shown) as bar:
        for seed in seeds:
            done = kept.read(seed) if kept else None
            if done is None:
                started = time.perf_counter()
                figures = claim.measure(seed, progress=_progress(bar_shown), **settings)
                done = {
                    "figures": rounded_figures(claim.id, seed, figures),
                    "seconds": time.perf_counter() - started,
                }
                if kept:
                    kept.write(seed, done)
            finished.append(done)
            bar.update()
            if progress == "lines":
                told = f"{claim.id} 种子 {seed}（{len(finished)}/{len(seeds)}）{done['seconds']:.1f} 秒"
                print(told, file=sys.stderr, flush=True)
    return finished


def _same_question(claim: Claim, record: Mapping[str, Any]) -> bool:
    """Whether the record was measured with today's seeds and settings, so that a seed of it can be compared."""
    settings = json.loads(json.dumps(dict(claim.full)))
    return record["seeds"] == list(claim.seeds) and record["settings"] == settings


def _today() -> str:
    return datetime.date.today().isoformat()


def _words(claim: Claim) -> dict[str, Any]:
    names = ("chapter", "title", "question", "statement", "refuted_if", "limits")
    return {name: getattr(claim, name) for name in names} | {"labels": dict(claim.labels)}


def _verdict(claim: Claim, record: dict[str, Any]) -> dict[str, str]:
    verdict = claim.judge(figures_of(record))
    return {"verdict": verdict.outcome, "sentence": verdict.sentence}


def _progress(visible: bool) -> Callable[..., Iterable[Any]]:
    def progress(iterable: Iterable[Any], label: str = "") -> Iterable[Any]:
        return tqdm(iterable, desc=f"  {label}" if label else None, leave=False, disable=not visible)

    return progress


def _versions() -> dict[str, str]:
    versions = {"course_lib": __version__, "python": platform.python_version()}
    for name in ("torch", "numpy"):
        if name in sys.modules:
            versions[name] = sys.modules[name].__version__
    return {name: str(version) for name, version in versions.items()}


@contextmanager
def _one_thread() -> Iterator[None]:
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

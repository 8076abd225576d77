"""Running a claim: every seed behind a progress bar, then the verdict, then the record."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from course_lib import __version__
from course_lib.course.claims.core import Claim, round_significant, rounded_figures, summarise
from course_lib.course.claims.registry import experiment_file, get_claim
from course_lib.course.claims.storage import (
    figures_of,
    load_record,
    needs_measuring,
    partial_path,
    record_path,
    write_record,
)
from course_lib.course.provenance import code_hash, judging_hash


def run(claim_id: str, quick: bool = False, progress: bool = True, directory: Path | None = None) -> dict[str, Any]:
    """Measure every seed of a claim, judge, and return the record; the full form also writes it.

    A full run that is interrupted keeps the seeds it has finished and goes on from there, as long as the measuring code
    is the same. Runs on one thread, so that a figure does not depend on the number of cores. Raises `KeyError` for an
    unknown id, `ValueError` for a figure that is not finite.
    """
    claim = get_claim(claim_id)
    code = code_hash(experiment_file(claim.id))
    kept = None if quick else partial_path(claim.id, directory)
    record = measure_and_judge(claim, code=code, quick=quick, progress=progress, kept=kept)
    record |= {"code": code, "judging": judging_hash(experiment_file(claim.id))}
    if kept:
        write_record(record, record_path(claim.id, directory))
        kept.unlink(missing_ok=True)
    return record


def refresh(claim_id: str, progress: bool = True, directory: Path | None = None) -> dict[str, Any]:
    """Bring a stale record up to date with as little work as possible: judge anew if the figures still stand."""
    if needs_measuring(claim_id, directory):
        return run(claim_id, progress=progress, directory=directory)
    record = load_record(claim_id, directory)
    claim = get_claim(claim_id)
    record |= _words(claim) | _verdict(claim, record) | {"judging": judging_hash(experiment_file(claim.id))}
    write_record(record, record_path(claim.id, directory))
    return record


def measure_and_judge(
    claim: Claim, *, code: str = "", quick: bool = False, progress: bool = True, kept: Path | None = None
) -> dict[str, Any]:
    """The record of a claim (without hashes); `kept` is the file that holds finished seeds until all are done."""
    seeds = claim.quick_seeds if quick and claim.quick_seeds is not None else claim.seeds
    settings = dict(claim.quick if quick else claim.full)
    done = _finished_seeds(kept, code)
    with _one_thread(), tqdm(total=len(seeds), desc=claim.id, unit="seed", disable=not progress) as bar:
        for seed in seeds:
            if str(seed) not in done:
                started = time.perf_counter()
                figures = claim.measure(seed, progress=_progress(progress), **settings)
                done[str(seed)] = {
                    "figures": rounded_figures(claim.id, seed, figures),
                    "seconds": time.perf_counter() - started,
                }
                if kept:
                    write_record({"code": code, "seeds": done}, kept)
            bar.update()
    summaries = summarise([done[str(seed)]["figures"] for seed in seeds])
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
    record["seconds"] = round(sum(done[str(seed)]["seconds"] for seed in seeds), 2)
    record["versions"] = _versions()
    return record


def _words(claim: Claim) -> dict[str, Any]:
    names = ("chapter", "title", "question", "statement", "refuted_if", "limits")
    return {name: getattr(claim, name) for name in names} | {"labels": dict(claim.labels)}


def _verdict(claim: Claim, record: dict[str, Any]) -> dict[str, str]:
    verdict = claim.judge(figures_of(record))
    return {"verdict": verdict.outcome, "sentence": verdict.sentence}


def _finished_seeds(kept: Path | None, code: str) -> dict[str, Any]:
    if kept is None or not kept.is_file():
        return {}
    partial = json.loads(kept.read_text(encoding="utf-8"))
    return partial["seeds"] if partial["code"] == code else {}


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

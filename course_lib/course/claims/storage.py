"""Records: the measured figures of a claim, one JSON file each, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.course.claims.core import Summary
from course_lib.course.claims.registry import experiment_file, known_id
from course_lib.files import write_whole
from course_lib.provenance import code_hash, judge_hash, words_hash

FIELDS = {"id", "kind", "title", "statement", "refuted_if", "limits", "labels", "seeds", "settings", "figures"}
FIELDS |= {"verdict", "sentence", "seconds", "versions", "code"}


def record_path(claim_id: str, directory: Path | None = None) -> Path:
    """`records/` beside the chapter's `experiments/`, unless another folder is given."""
    return (directory or experiment_file(claim_id).parents[1] / "records") / f"{claim_id}.json"


def partial_path(claim_id: str, seed: int | str, directory: Path | None = None) -> Path:
    """Where an unfinished full run keeps a seed that it has finished; `*` is every seed."""
    return record_path(claim_id, directory).with_suffix(f".seed{seed}.partial.json")


def load_record(claim_id: str, directory: Path | None = None) -> dict[str, Any]:
    """The full record of a claim (id in upper or lower case), without importing torch.

    Raises `FileNotFoundError` that says how to make it, `KeyError` for an unknown id, `ValueError` for a damaged file.
    """
    claim_id = known_id(claim_id)
    path = record_path(claim_id, directory)
    if not path.is_file():
        raise FileNotFoundError(f"{claim_id} has no record yet; python -m course_lib.course.claims run {claim_id}")
    record = read_json(path)
    missing = sorted(FIELDS - set(record))
    if missing:
        mend = f"restore it, or python -m course_lib.course.claims run {claim_id}"
        raise ValueError(f"{path} is damaged, it has no {', '.join(missing)}; {mend}")
    return record


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object. Raises `ValueError` that names the file where it holds anything else."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged, it is no JSON ({error}); restore it, or measure the claim again"
        ) from error
    if not isinstance(value, dict):
        raise ValueError(
            f"{path} is damaged, it holds a {type(value).__name__}; restore it, or measure the claim again"
        )
    return value


def figures_of(record: Mapping[str, Any]) -> dict[str, Summary]:
    """What `judge` reads, from a record."""
    return {name: Summary(np.array(figure["values"], dtype=np.float64)) for name, figure in record["figures"].items()}


def codes(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The code that measured the figures, and after it each that reproduced a seed of them: hash, date, seed.

    Records made before a record had dates hold the bare hash of whole modules.
    """
    return [{"code": record["code"]}] if isinstance(record["code"], str) else record["code"]


def needs_measuring(claim_id: str, directory: Path | None = None) -> bool:
    """True if there is no record, or the code that measures is none of those that its figures stand for."""
    try:
        record = load_record(claim_id, directory)
    except FileNotFoundError:
        return True
    return code_hash(experiment_file(claim_id)) not in [each["code"] for each in codes(record)]


def is_stale(claim_id: str, directory: Path | None = None) -> bool:
    """True if there is no record, or the experiment has changed since: its measuring, its judge or its words."""
    if needs_measuring(claim_id, directory):
        return True
    record = load_record(claim_id, directory)
    return {name: record.get(name) for name in ("judged", "words")} != said_by(experiment_file(claim_id))


def said_by(experiment: Path) -> dict[str, str]:
    """Hashes of what made the verdict and the texts of a record."""
    return {"judged": judge_hash(experiment), "words": words_hash(experiment)}


def write_record(record: Mapping[str, Any], path: Path) -> None:
    """Write atomically: a reader sees the old file or the new one, never a part."""
    lines = []
    for name, value in record.items():
        if name == "figures":
            inner = ",\n".join(f"    {_json(key)}: {_json(figure)}" for key, figure in value.items())
            lines.append(f'  "figures": {{\n{inner}\n  }}')
        else:
            lines.append(f"  {_json(name)}: {_json(value)}")
    write_whole(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

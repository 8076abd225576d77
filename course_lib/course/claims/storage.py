"""Records: the measured figures of a claim, one JSON file each, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from course_lib.course.claims.core import Summary
from course_lib.course.claims.registry import experiment_file, known_id
from course_lib.course.provenance import code_hash, judging_hash


def record_path(claim_id: str, directory: Path | None = None) -> Path:
    """`records/` beside the chapter's `experiments/`, unless another folder is given."""
    return (directory or experiment_file(claim_id).parents[1] / "records") / f"{claim_id}.json"


def partial_path(claim_id: str, directory: Path | None = None) -> Path:
    """Where an unfinished full run keeps the seeds it has finished."""
    return record_path(claim_id, directory).with_suffix(".partial.json")


def load_record(claim_id: str, directory: Path | None = None) -> dict[str, Any]:
    """The full record of a claim (id in upper or lower case), without importing torch.

    Raises `FileNotFoundError` that says how to make it, `KeyError` for an unknown id.
    """
    claim_id = known_id(claim_id)
    path = record_path(claim_id, directory)
    if not path.is_file():
        raise FileNotFoundError(f"{claim_id} has no record yet; python -m course_lib.course.claims run {claim_id}")
    return json.loads(path.read_text(encoding="utf-8"))


def figures_of(record: Mapping[str, Any]) -> dict[str, Summary]:
    """What `judge` reads, from a record."""
    return {name: Summary(np.array(figure["values"], dtype=np.float64)) for name, figure in record["figures"].items()}


def needs_measuring(claim_id: str, directory: Path | None = None) -> bool:
    """True if there is no record, or the code that measures is no longer the one that made it."""
    try:
        record = load_record(claim_id, directory)
    except FileNotFoundError:
        return True
    return record["code"] != code_hash(experiment_file(claim_id))


def is_stale(claim_id: str, directory: Path | None = None) -> bool:
    """True if there is no record, or the experiment has changed since: its measuring, its judge or its texts."""
    if needs_measuring(claim_id, directory):
        return True
    return load_record(claim_id, directory)["judging"] != judging_hash(experiment_file(claim_id))


def write_record(record: Mapping[str, Any], path: Path) -> None:
    """Write atomically: a reader sees the old file or the new one, never a part."""
    lines = []
    for name, value in record.items():
        if name == "figures":
            inner = ",\n".join(f"    {_json(key)}: {_json(figure)}" for key, figure in value.items())
            lines.append(f'  "figures": {{\n{inner}\n  }}')
        else:
            lines.append(f"  {_json(name)}: {_json(value)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write("{\n" + ",\n".join(lines) + "\n}\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

"""What a learner has passed, kept across restarts in one small file, written whole or not at all."""

import json
import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import platformdirs


def path() -> Path:
    """Where progress is kept; the environment variable COURSE_HOME names another folder."""
    return Path(os.environ.get("COURSE_HOME") or platformdirs.user_data_dir("course_lib")) / "progress.json"


def load() -> dict[str, dict[str, Any]]:
    """Exercise id -> {"tries", "hints", "passed": ISO date or None}. A damaged file is set aside, not overwritten."""
    file = path()
    if not file.is_file():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): dict(value) for key, value in kept["exercises"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        os.replace(file, file.with_suffix(".damaged.json"))
        return {}


def remember(exercise_id: str, *, tries: int = 0, hints: int = 0, passed: bool = False) -> dict[str, Any]:
    """Add to what is kept about one exercise and return it; once passed stays passed. Raises OSError if unwritable."""
    everything = load()
    entry = {"tries": 0, "hints": 0, "passed": None} | everything.get(exercise_id, {})
    entry["tries"] += tries
    entry["hints"] = max(entry["hints"], hints)
    if passed and not entry["passed"]:
        entry["passed"] = date.today().isoformat()
    _write({"version": 1, "exercises": everything | {exercise_id: entry}})
    return entry


def _write(content: dict[str, Any]) -> None:
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".progress-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(content, out, ensure_ascii=False, indent=1)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

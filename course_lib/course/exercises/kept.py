"""What a learner has passed, kept across restarts in one small file, written whole or not at all.

One kernel at a time reads, changes and writes: two chapters may be open at once.
"""

import json
import os
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from course_lib.files import write_whole

PATIENCE = 10  # seconds that a kernel waits for its turn


def path() -> Path:
    """Where progress is kept; the environment variable COURSE_HOME names another folder."""
    return Path(os.environ.get("COURSE_HOME") or platformdirs.user_data_dir("course_lib")) / "progress.json"


def load() -> dict[str, dict[str, Any]]:
    """Exercise id -> {"tries", "hints", "passed": ISO date or None}. A damaged file is set aside, not overwritten.

    Raises OSError if it is there and cannot be read.
    """
    file = path()
    if not file.is_file():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): _entry(**value) for key, value in kept["exercises"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        with suppress(OSError):  # a folder that cannot be written: said when something is to be kept
            os.replace(file, file.with_suffix(".damaged.json"))
        return {}


def remember(exercise_id: str, *, tries: int = 0, hints: int = 0, passed: bool = False) -> dict[str, Any]:
    """Add to what is kept about one exercise and return it; once passed stays passed. Raises OSError if unwritable."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(".progress.lock"), timeout=PATIENCE):
        everything = load()
        entry = everything.get(exercise_id) or _entry()
        entry["tries"] += tries
        entry["hints"] = max(entry["hints"], hints)
        if passed and not entry["passed"]:
            entry["passed"] = date.today().isoformat()
        content = {"version": 1, "exercises": everything | {exercise_id: entry}}
        write_whole(file, json.dumps(content, ensure_ascii=False, indent=1))
    return entry


def _entry(tries: int = 0, hints: int = 0, passed: str | None = None, **more: Any) -> dict[str, Any]:
    return {"tries": int(tries), "hints": int(hints), "passed": passed, **more}

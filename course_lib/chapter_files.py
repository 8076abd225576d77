"""Where chapters keep their things, course_lib/chapters/chNN_name/: found by name, imported only when asked for."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

CHAPTERS = Path(__file__).parent / "chapters"
FOLDER = re.compile(r"ch(\d\d)_\w+")


def folders() -> dict[str, Path]:
    """Number -> folder of every chapter, in order. Raises ValueError if two have one number."""
    found: dict[str, Path] = {}
    for folder in sorted(CHAPTERS.iterdir()):
        if match := FOLDER.fullmatch(folder.name):
            if match[1] in found:
                raise ValueError(f"{found[match[1]].name} and {folder.name} are both chapter {match[1]}; rename one")
            found[match[1]] = folder
    return found


def having(name: str) -> dict[str, Path]:
    """Number -> file of this name, for the chapters that have one."""
    return {number: folder / name for number, folder in folders().items() if (folder / name).is_file()}


def load(file: Path) -> ModuleType:
    """Import one file of a chapter, and no other chapter."""
    return importlib.import_module(".".join((__package__, *file.relative_to(CHAPTERS.parent).with_suffix("").parts)))

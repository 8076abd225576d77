"""Finding claims: the file name gives the id (`c05b_decay.py` is C05b), so that looking one up imports one file."""

from __future__ import annotations

import re
from pathlib import Path

from course_lib import chapter_files
from course_lib.course.claims.core import Claim

FILE_NAME = re.compile(r"c(\d\d)([a-z]?)_\w+\.py")


def experiment_files() -> dict[str, Path]:
    """Experiment file by claim id, in order of id. Imports nothing."""
    files = {}
    for file in sorted(chapter_files.CHAPTERS.glob("ch*/experiments/c*.py")):
        if match := FILE_NAME.fullmatch(file.name):
            claim_id = f"C{match[1]}{match[2]}"
            if claim_id in files:
                raise ValueError(f"two experiments for {claim_id}: {files[claim_id].name} and {file.name}")
            files[claim_id] = file
    return dict(sorted(files.items()))


def experiment_file(claim_id: str) -> Path:
    """The file of one claim; upper or lower case. Raises `KeyError` that lists the ids there are."""
    files = experiment_files()
    for known, file in files.items():
        if known.lower() == str(claim_id).lower():
            return file
    raise KeyError(f"no claim {claim_id!r}; there are {', '.join(files)}")


def known_id(claim_id: str) -> str:
    """The id as registered: C05b for c05B. Raises `KeyError` for an unknown id."""
    stem = experiment_file(claim_id).stem.split("_")[0]
    return "C" + stem[1:]


def get_claim(claim_id: str) -> Claim:
    """Import one experiment (and torch with it) and return its claim. Raises `KeyError` for an unknown id."""
    file = experiment_file(claim_id)
    claim = chapter_files.load(file).CLAIM
    if claim.id.lower() != file.stem.split("_")[0]:
        raise ValueError(f"{file.name} holds claim {claim.id}; name the file {claim.id.lower()}_….py")
    return claim


def registry() -> dict[str, Claim]:
    """All claims by id, in order. Imports every experiment."""
    return {claim_id: get_claim(claim_id) for claim_id in experiment_files()}

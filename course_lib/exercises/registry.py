"""Finding exercises: the first two digits of an id name the file, so that looking one up imports one chapter."""

import importlib
from pathlib import Path

from course_lib.exercises.core import ID, Exercise

FOLDER = Path(__file__).parent


def chapters() -> list[str]:
    """Chapters that have exercises, as "03"; imports nothing."""
    return sorted(file.stem.removeprefix("ch") for file in FOLDER.glob("ch[0-9][0-9].py"))


def exercises_of(chapter: str) -> list[Exercise]:
    """The exercises of one chapter, in their order.

    Raises KeyError for a chapter without exercises, ValueError if two share an id or one belongs to another chapter.
    """
    if chapter not in chapters():
        raise KeyError(f"第 {chapter} 章没有练习；有练习的章：{'、'.join(chapters())}")
    found = importlib.import_module(f"{__package__}.ch{chapter}").EXERCISES
    ids = [exercise.id for exercise in found]
    if len(set(ids)) != len(ids) or any(exercise.chapter != chapter for exercise in found):
        raise ValueError(f"ch{chapter}.py holds the ids {ids}; each should be there once and begin with {chapter}-")
    return list(found)


def get_exercise(exercise_id: str) -> Exercise:
    """One exercise. Raises KeyError that lists the ids of its chapter."""
    if not (isinstance(exercise_id, str) and ID.fullmatch(exercise_id)):
        raise KeyError(f"没有练习 {exercise_id!r}；编号由章、题目和序号组成，像 03-rope-1")
    found = {exercise.id: exercise for exercise in exercises_of(exercise_id[:2])}
    if exercise_id not in found:
        raise KeyError(f"没有练习 {exercise_id!r}；这一章有 {'、'.join(found)}")
    return found[exercise_id]


def registry() -> dict[str, Exercise]:
    """All exercises by id. Imports every chapter."""
    return {exercise.id: exercise for chapter in chapters() for exercise in exercises_of(chapter)}

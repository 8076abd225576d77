"""Finding exercises: the first two digits of an id name the file, so that looking one up imports one chapter."""

from course_lib import chapter_files
from course_lib.course.exercises.core import ID, Exercise


def chapters() -> list[str]:
    """Chapters that have exercises, as "03"; imports nothing."""
    return list(chapter_files.having("exercises.py"))


def exercises_of(chapter: str) -> list[Exercise]:
    """The exercises of one chapter in their order, each before its follow-up.

    Raises KeyError for a chapter without exercises, ValueError if two share an id or one belongs to another chapter.
    """
    if chapter not in chapters():
        raise KeyError(f"第 {chapter} 章没有练习；有练习的章：{'、'.join(chapters())}")
    found = chapter_files.load(chapter_files.having("exercises.py")[chapter]).EXERCISES
    found = [each for exercise in found for each in (exercise, exercise.follow_up) if each]
    ids = [exercise.id for exercise in found]
    if len(set(ids)) != len(ids) or any(exercise.chapter != chapter for exercise in found):
        raise ValueError(f"chapter {chapter} holds the ids {ids}; each should be there once and begin with {chapter}-")
    return found


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

"""One folder a chapter: figures, 考据, exercises, experiments with their records, recipe, and what only it needs.

Chapters are independent of each other: what two of them need stands on a floor below. Nothing below imports from here;
the registries of `course/` and `zoo/` look into these folders and load the chapter that is asked for.
"""

"""The laws are tried on the same examples every time, without a clock: a shared machine may pause."""

from hypothesis import settings

settings.register_profile("laws", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("laws")

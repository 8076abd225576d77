"""Headings keep their words in their addresses: `#手算`, where docutils, which drops all but ASCII, counts `#id5`.

The words alone make the id, so that it stays when other headings come and go. Two headings of one page with the same
words would share it; lint refuses them.
"""

from __future__ import annotations

import re

from docutils import nodes

_ASCII = nodes.make_id


def make_id(words: str) -> str:
    """Letters and digits of any script, one - between words; ASCII as docutils has it."""
    if words.isascii():
        return _ASCII(words)
    return re.sub(r"[\W_]+", "-", words.lower()).strip("-")


def setup(app) -> dict:
    """Sphinx calls this; everything that names a heading (contents, search, links) asks docutils for its id."""
    nodes.make_id = make_id
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

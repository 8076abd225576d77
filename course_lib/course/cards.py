"""Evidence as a folded card: what it says stands open, how it was found is one press away. Needs no style sheet."""

from __future__ import annotations

from html import escape


def badge(text: str, colour: str) -> str:
    """White words on a ground that they can be read on, in light and in dark."""
    return (
        f'<span class="verdict" style="background:{colour};color:#fff;border-radius:.8em;padding:.1em .7em;'
        f'white-space:nowrap">{escape(text)}</span>'
    )


def first_sentence(text: str) -> tuple[str, str]:
    """A text up to its first full stop, and what follows."""
    first, stop, rest = text.partition("。")
    return first + stop, rest


def card(*, kind: str, name: str, colour: str, verdict: str, title: str, sentence: str, inside: str) -> str:
    """A `<details class="course-card KIND">`. verdict and inside are HTML, title and sentence are text.

    name: the page's anchor for it, "C05"; "" where another card of the page owns that.
    """
    anchor = f' id="{escape(name)}"' if name else ""
    return (
        f'<details class="course-card {kind}"{anchor} style="border-left:4px solid {colour};padding:.3em 0 .3em 1em;'
        f'margin:1em 0"><summary style="cursor:pointer;display:list-item">{verdict} <b>{escape(title)}</b><br>'
        f"{escape(sentence)}</summary>{inside}</details>"
    )

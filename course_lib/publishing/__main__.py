"""`python -m course_lib.publishing sync | lint | site | slides | browser`: from notebooks to what readers see."""

from __future__ import annotations

import argparse
import importlib
import sys

MODULES = {"sync": "notebooks", "lint": "lint", "site": "site", "slides": "slides"}


def parser() -> argparse.ArgumentParser:
    """The command line; `chapters` are numbers ("03") or names ("03_rope"), none means all."""
    top = argparse.ArgumentParser(prog="python -m course_lib.publishing", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync", help="make every .py and .ipynb agree and execute what changed")
    lint = commands.add_parser("lint", help="refuse what would be wrong in a published notebook")
    site = commands.add_parser("site", help="build the book (and its decks) into book/_build/html")
    slides = commands.add_parser("slides", help="build the lecture decks into book/_build/html/slides")
    for command in (sync, lint, slides):
        command.add_argument("chapters", nargs="*")
    sync.add_argument("--check", action="store_true", help="only say which pairs do not agree")
    lint.add_argument(
        "--twice", action="store_true", help="execute twice and compare the cells tagged nbval-check-output"
    )
    site.add_argument("--serve", action=argparse.BooleanOptionalAction, default=False, help="serve it on localhost")
    site.add_argument("--port", type=int, default=8000)
    commands.add_parser("browser", help="find the browser of the site tests, or say what to install")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = parser().parse_args(argv)
    if args.command == "browser":
        from course_lib.publishing import browser

        return browser.main()
    return importlib.import_module(f"course_lib.publishing.{MODULES[args.command]}").main(args) or 0


if __name__ == "__main__":
    sys.exit(main())

"""From notebooks to what readers see: `python -m course_lib.publishing sync | lint | site | slides | readmes | new`."""

from __future__ import annotations

import argparse
import errno
import importlib
import socket
import sys

from course_lib.console import speak_chinese

MODULES = {"sync": "notebooks", "lint": "lint", "site": "site", "slides": "slides", "readmes": "readmes", "new": "new"}


def port(text: str) -> int:
    """A port number; 0 takes a free one."""
    if not 0 <= int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text} is no port; choose from 0 (any that is free) to {2**16 - 1}")
    return int(text)


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
    site.add_argument("--port", type=port, default=8000)
    readmes = commands.add_parser("readmes", help="write the READMEs' tables of chapters from notebooks/course.yml")
    readmes.add_argument("--check", action="store_true", help="only say which README is behind")
    new = commands.add_parser("new", help="lay an empty chapter that passes every check")
    new.add_argument("number", help="as planned in notebooks/course.yml: 10")
    new.add_argument("name", help="of its files and folders: vit")
    new.add_argument("title", help="ViT")
    new.add_argument("--claim", metavar="ID", help="lay a sample experiment, too: C14")
    commands.add_parser("browser", help="find the browser of the site tests, or say what to install")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status, 1 where there is no such chapter, no file, no space or no free port."""
    speak_chinese()
    args = parser().parse_args(argv)
    if args.command == "browser":
        from course_lib.publishing import browser

        return browser.main()
    try:
        if args.command == "site" and args.serve:  # a port that is taken: told before the book is built
            socket.create_server(("127.0.0.1", args.port)).close()
        return importlib.import_module(f"course_lib.publishing.{MODULES[args.command]}").main(args) or 0
    except (ValueError, OSError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            error = f"port {args.port} is taken, perhaps by the site itself; choose another: --port {args.port + 1}"
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

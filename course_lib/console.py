"""What a command prints arrives, whatever the terminal or the file that it goes to."""

import io
import sys


def speak_chinese() -> None:
    """Let stdout and stderr carry Chinese: in UTF-8 where their encoding has none (cp1252); what one lacks becomes ?
    (✓ in gbk). Without this the first such character ends the command."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):  # a notebook's own
            continue
        try:
            "中".encode(stream.encoding)
            stream.reconfigure(errors="replace")
        except UnicodeEncodeError:
            stream.reconfigure(encoding="utf-8")

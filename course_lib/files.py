"""Files that are written whole or not at all: beside their place first, flushed to the disk, then renamed.

A reader sees the old file or the new one, and a process killed at any moment leaves the last good one. What a killed
process left half-written is removed when the same file is written again.
"""

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LEFTOVER_SECONDS = 3600  # a half-written file that old belongs to nobody, even if its writer cannot be asked


def write_whole(path: Path | str, content: str | bytes) -> None:
    """Replace the file at `path` in one stroke; text is written in UTF-8 with "\\n". Makes the folder if need be."""
    with whole(path) as beside:
        beside.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


@contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A file beside `path` to be written to, which takes its place at the end of the block, unless that raises."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    handle, beside = tempfile.mkstemp(".part", f".{path.name}.{os.getpid()}@{platform.node()}.", path.parent)
    os.close(handle)
    beside = Path(beside)
    try:
        yield beside
        beside.chmod(0o644)
        flush(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    with suppress(OSError):  # the new name, too; Windows cannot open a folder
        flush(path.parent)


def sweep(path: Path) -> None:
    """Remove what writers of `path` left half-written: those of this machine that run no more, and very old ones."""
    start = f".{path.name}."
    for leftover in path.parent.iterdir():
        if leftover.name.startswith(start) and leftover.suffix == ".part":
            writer, _, place = leftover.stem[len(start) :].partition("@")
            gone = place.rpartition(".")[0] == platform.node() and writer.isdigit() and not running(int(writer))
            with suppress(OSError):
                if gone or time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    leftover.unlink()


def running(process: int) -> bool:
    """Whether a process of this machine is alive; yes on Windows, where asking would be a signal."""
    try:
        if os.name != "nt":
            os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def flush(path: Path) -> None:
    """Wait until the disk has it."""
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

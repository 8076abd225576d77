"""Several claims at once, each in a process and on a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context
from typing import Any


def in_processes(work: Callable[[str], Any], names: Iterable[str], jobs: int) -> Iterator[tuple[str, Any]]:
    """Yield each name with `work(name)` as it ends, or with the exception that it raised; at most `jobs` at a time.

    `work` must be importable. Whoever stops listening, by Ctrl-C too, ends the processes.
    """
    context, waiting, running = get_context("spawn"), list(names), {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name = waiting.pop(0)
                receiving, sending = context.Pipe(duplex=False)
                process = context.Process(target=_answer, args=(sending, work, name), daemon=True)
                with _single_threaded():
                    process.start()
                sending.close()
                running[receiving] = name, process
            for receiving in connection.wait(list(running)):
                name, process = running.pop(receiving)
                try:
                    outcome = receiving.recv()
                except EOFError:
                    process.join()
                    outcome = RuntimeError(f"{name}: the process ended with exit code {process.exitcode}; run it again")
                process.join()
                yield name, outcome
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _answer(sending: connection.Connection, work: Callable[[str], Any], name: str) -> None:
    try:
        outcome = work(name)
    except KeyboardInterrupt:
        return  # the parent tells of it
    except Exception as error:
        outcome = error
    sending.send(outcome)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes started inside compute on one thread from their first import on."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before

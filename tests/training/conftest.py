"""Ctrl-C raises KeyboardInterrupt in every test, also where the parent ignores it (`nohup make test &`)."""

import signal

import pytest


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

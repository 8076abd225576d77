"""Commands on a poor terminal, a full disk, a busy port: one line that says what to do, never a traceback."""

import errno
import os
import socket
import subprocess
import sys

import pytest

from course_lib.publishing import __main__ as publishing
from course_lib.publishing import site
from course_lib.zoo import __main__ as zoo


@pytest.mark.parametrize(("encoding", "read_as"), [("cp1252", "utf-8"), ("ascii", "utf-8"), ("gbk", "gbk")])
def test_the_list_of_models_arrives_in_any_encoding(tmp_path, encoding, read_as):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COURSE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "course_lib.zoo", "list"], capture_output=True, env=environment)
    assert done.returncode == 0 and not done.stderr
    assert "随课程发布" in done.stdout.decode(read_as)


def test_a_character_that_the_terminal_lacks_becomes_a_question_mark():
    code = "from course_lib.console import speak_chinese; speak_chinese(); print('✓ 通过')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | {"PYTHONIOENCODING": "gbk"}
    )
    assert done.stdout.decode("gbk").strip() == "? 通过"


def test_a_full_disk_ends_training_in_one_line(capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "weights")

    monkeypatch.setattr(zoo, "_train", full)
    assert zoo.main(["train", "numerals"]) == 2
    assert capsys.readouterr().err.strip() == "[Errno 28] No space left on device: 'weights'"


@pytest.mark.parametrize("command", ["slides", "lint", "sync"])
def test_an_unknown_chapter_is_one_line(capsys, command):
    assert publishing.main([command, "77"]) == 1
    said = "".join(capsys.readouterr())
    assert "no chapter" in said and "03_rope" in said and said.count("\n") == 1


def test_a_busy_port_is_told_before_the_book_is_built(capsys, monkeypatch):
    monkeypatch.setattr(site, "build", lambda: pytest.fail("built first"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert publishing.main(["site", "--serve", "--port", str(taken)]) == 1
    assert capsys.readouterr().err.startswith(f"port {taken} is taken, perhaps by the site itself; choose another")


@pytest.mark.parametrize("wrong", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_refused(capsys, monkeypatch, wrong):
    monkeypatch.setattr(site, "build", lambda: pytest.fail("built first"))
    with pytest.raises(SystemExit):
        publishing.main(["site", "--serve", f"--port={wrong}"])
    assert "port" in capsys.readouterr().err


def test_a_full_disk_ends_the_site_in_one_line(capsys, monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(site, "build", full)
    assert publishing.main(["site"]) == 1
    assert capsys.readouterr().err == "[Errno 28] No space left on device\n"

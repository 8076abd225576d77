"""Both READMEs list the open chapters as the outline has them."""

import pytest

from course_lib.course import outline
from course_lib.publishing import readmes
from course_lib.publishing.__main__ import main


@pytest.mark.parametrize("name", readmes.READMES)
def test_the_committed_readme_is_in_step(name):
    text = (outline.ROOT / name).read_text("utf-8")
    assert readmes.filled(outline.ROOT / name) == text, "python -m course_lib.publishing readmes"
    assert all(f"({chapter.page}.ipynb)" in text for chapter in outline.opened())


def test_a_readme_that_is_behind_is_named_and_written(tmp_path, monkeypatch, capsys):
    for name in readmes.READMES:
        (tmp_path / name).write_text("a\n<!-- chapters -->\nold\n<!-- /chapters -->\nz\n", "utf-8")
    monkeypatch.setattr(readmes, "ROOT", tmp_path)
    assert main(["readmes", "--check"]) == 1 and "README.en.md is behind" in capsys.readouterr().err
    readmes.write(tmp_path)
    assert main(["readmes", "--check"]) == 0
    assert (tmp_path / "README.md").read_text("utf-8").startswith("a\n<!-- chapters -->\n| 章 ")


def test_a_readme_without_its_marks_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("nothing", "utf-8")
    with pytest.raises(ValueError, match=r"README\.md needs <!-- chapters -->"):
        readmes.filled(tmp_path / "README.md")

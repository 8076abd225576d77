"""运行这一章: one address makes all its links, and an address that readers cannot open makes none."""

import re
import subprocess

import pytest

from course_lib.course import outline
from course_lib.publishing import pages, run_box

ROPE = outline.choose(["03"])[0]
COURSE = "https://github.com/owner/course"


def repository_at(folder, remote):
    """A git repository with this origin."""
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "remote", "add", "origin", remote], check=True)
    return folder


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    monkeypatch.setattr(outline, "repository", lambda: "")


def test_the_setting_wins_over_environment_and_remote(monkeypatch, tmp_path):
    root = repository_at(tmp_path, "https://github.com/a/remote")
    monkeypatch.setattr(outline, "repository", lambda: "https://forge.example.org/group/sub/course.git/")
    found = run_box.repository({"GITHUB_REPOSITORY": "a/published"}, root)
    assert found == "https://forge.example.org/group/sub/course"


@pytest.mark.parametrize(
    "setting", ["github.com/a/b", "git@github.com:a/b", "https://a:b@github.com/a/b", "/srv/course"]
)
def test_a_setting_that_is_no_address_is_refused(monkeypatch, setting):
    monkeypatch.setattr(outline, "repository", lambda: setting)
    with pytest.raises(ValueError, match="write https://github.com/owner/name".replace(".", r"\.")):
        run_box.repository({})


def test_the_workflow_that_publishes_names_its_own_repository(tmp_path):
    root = repository_at(tmp_path, "https://github.com/a/remote")
    published = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "owner/course"}
    assert run_box.repository(published, root) == COURSE


@pytest.mark.parametrize(
    ("remote", "found"),
    [
        ("https://github.com/owner/course.git", COURSE),
        ("https://github.com/owner/course", COURSE),
        ("https://token@github.com/owner/course", ""),
        ("https://me:secret@github.com/owner/course", ""),
        ("git@github.com:owner/course.git", ""),
        ("http://127.0.0.1:3000/owner/course", ""),
        ("https://git.intranet/owner/course", ""),
        ("/srv/git/course", ""),
        ("file:///srv/git/course", ""),
        ("https://github.com/", ""),
    ],
)
def test_only_a_remote_that_everybody_can_open_counts(tmp_path, remote, found):
    assert run_box.repository({}, repository_at(tmp_path, remote)) == found


def test_the_repository_around_an_unpacked_course_is_not_the_courses(tmp_path):
    inner = repository_at(tmp_path, "https://github.com/somebody/else") / "course"
    inner.mkdir()
    assert run_box.repository({}, inner) == ""


def test_without_git_there_is_no_address(tmp_path):
    assert run_box.repository({}, tmp_path / "missing") == "" and run_box.repository({}, tmp_path) == ""


def links(box):
    return re.findall(r'href="([^"]+)"', box)


def test_the_box_of_a_known_repository_clones_installs_and_leads_to_colab_and_binder():
    box = run_box.run_box(ROPE, COURSE, "../../")
    page = "notebooks/1_foundations/03_rope.ipynb"
    assert box.startswith('<details id="run-this-chapter"') and "\n\n" not in box
    assert f"git clone {COURSE} course &amp;&amp; cd course\nmake lab" in box
    assert links(box) == [
        COURSE,
        f"../../_sources/{page}",
        f"https://colab.research.google.com/github/owner/course/blob/main/{page}",
        f"https://mybinder.org/v2/gh/owner/course/main?labpath={page.replace('/', '%2F')}",
    ]


def test_other_forges_get_the_services_that_know_them():
    assert list(run_box.services("https://gitlab.com/group/sub/course", "a")) == ["Binder"]
    assert "gl/group%2Fsub%2Fcourse/main" in run_box.services("https://gitlab.com/group/sub/course", "a")["Binder"]
    assert run_box.services("https://gitee.com/owner/course", "a") == {}


def test_without_an_address_the_box_tells_of_the_folder_and_links_nowhere_else():
    box = run_box.run_box(ROPE, "", "../../")
    assert "解压的课程文件夹" in box and "make lab" in box and "git clone" not in box
    assert links(box) == ["../../_sources/notebooks/1_foundations/03_rope.ipynb"]


def test_every_page_has_its_box_and_a_link_to_it():
    from nbformat.v4 import new_markdown_cell, new_notebook

    page = pages.chapter_page(ROPE, new_notebook(cells=[new_markdown_cell("# 题\n\n文")]), {})
    assert page.cells[0].source.count('id="run-this-chapter"') == page.cells[0].source.count('"#run-this-chapter"') == 1

"""运行这一章: the box of every chapter's page that says how to run it. All its links are made from one address.

That is `repository` in notebooks/course.yml; while it is empty, the repository that publishes (GITHUB_REPOSITORY), else
the git remote, if it is an address that every reader can open. With none the box tells of the unpacked folder alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

from course_lib.course import outline
from course_lib.course.outline import ROOT, Chapter

FORGES = ("github.com", "gitlab.com", "gitee.com", "codeberg.org", "bitbucket.org")  # known to be open to all
BRANCH = "main"  # from which the site is published


def public(address: str, hosts: tuple[str, ...] | None = FORGES) -> str:
    """The address of a repository, without .git; "" unless it is http(s)://host/owner/name without credentials.

    hosts: those that count; None: any.
    """
    try:
        parts = urlsplit(address.strip())
        named = bool(parts.hostname) and not (parts.username or parts.password or parts.port)
    except ValueError:
        return ""
    path = parts.path.strip("/").removesuffix(".git")
    known = hosts is None or parts.hostname in hosts
    if parts.scheme not in ("http", "https") or not named or not known or path.count("/") < 1:
        return ""
    return f"{parts.scheme}://{parts.hostname}/{path}"


def repository(environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> str:
    """Where readers find the course; "" where nobody has said. Raises ValueError for a setting that is no address."""
    if setting := outline.repository():
        if not public(setting, hosts=None):
            raise ValueError(f"repository in {outline.FILE.name} is {setting!r}; write https://github.com/owner/name")
        return public(setting, hosts=None)
    if name := environment.get("GITHUB_REPOSITORY"):
        return public(f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}", hosts=None)
    alone = _git(root, "rev-parse", "--show-prefix") == ""  # not a folder of somebody else's repository
    return public(_git(root, "remote", "get-url", "origin")) if alone else ""


def services(address: str, page: str) -> dict[str, str]:
    """Name -> link of what runs a notebook of this repository in the browser. page: path without suffix."""
    host, _, path = address.partition("://")[2].partition("/")
    binder = {"github.com": f"gh/{path}", "gitlab.com": f"gl/{quote(path, safe='')}"}.get(host)
    found = {}
    if host == "github.com":
        found["Colab"] = f"https://colab.research.google.com/github/{path}/blob/{BRANCH}/{page}.ipynb"
    if binder:
        found["Binder"] = f"https://mybinder.org/v2/{binder}/{BRANCH}?labpath={quote(f'{page}.ipynb', safe='')}"
    return found


def run_box(chapter: Chapter, address: str, up: str) -> str:
    """The box as one block of HTML. up: from the chapter's page to the site's root, "../../"."""
    notebook = f"{chapter.page}.ipynb"
    parts, fetch = [], []
    if address:
        parts.append(f'<p><b>课程仓库</b>：<a href="{escape(address)}">{escape(address)}</a></p>')
        fetch = [f"git clone {address} course && cd course"]
    where = "" if address else "在解压的课程文件夹里运行。"
    parts += [
        f"<p><b>Linux、macOS</b>：{where}要有 Python 3.10 以上和 make，装好约占 2.5 GB。</p>",
        _commands(*fetch, "make lab"),
        "<p><b>Windows</b>（PowerShell）：</p>",
        _commands(
            *(line.replace(" && ", "; ") for line in fetch),
            "py -3.11 -m venv .venv",
            ".venv\\Scripts\\python -m pip install -c requirements.lock -e .",
            ".venv\\Scripts\\jupyter lab --notebook-dir=.",
        ),
        f"<p>用 conda：<code>conda env create -f environment.yml</code>，<code>conda activate course</code>，"
        f"<code>jupyter lab</code>。然后打开 <code>{notebook}</code>。</p>",
        f'<p><a href="{up}_sources/{notebook}" download>单独下载的笔记本</a>要用到课程的代码 <code>course_lib</code>，'
        "放回课程文件夹里才能运行。</p>",
    ]
    if links := services(address, chapter.page):
        named = "、".join(f'<a href="{escape(link)}">{name}</a>' for name, link in links.items())
        parts.append(f"<p><b>不装，在浏览器里运行</b>：{named}。</p>")
        if "Colab" in links:
            parts.append("<p>在 Colab 里，先加一格装课程：</p>")
            parts.append(_commands(f"!git clone --depth 1 {address} course", "%pip install -q -e course", "%cd course"))
    return f'<details id="run-this-chapter" class="run-box"><summary>运行这一章</summary>{"".join(parts)}</details>'


def _commands(*lines: str) -> str:
    return f'<div class="highlight"><pre>{escape(chr(10).join(lines))}\n</pre></div>'


def _git(root: Path, *arguments: str) -> str:
    """What git answers; "-" where there is no git, no repository or no such thing."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return "-"
    return done.stdout.strip() if done.returncode == 0 else "-"

"""What site and decks share: where they lie, style sheets, scripts and the web font."""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

from course_lib.course.outline import ROOT
from course_lib.publishing.html import widget_script
from course_lib.widgets import page
from course_lib.widgets.style import FONT

BOOK = ROOT / "book"
BUILD = BOOK / "_build"
HTML = BUILD / "html"
# what a page may load: this site's own files (file: when it is opened from a disk), and what stands in the page itself;
# MathJax and Sphinx's scripts evaluate code of their own
POLICY = "default-src 'self' file: data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'"


def copy_assets(target: Path) -> None:
    """The assets of site and decks, the widgets' script built from its modules, and what pages do beyond widgets."""
    shutil.copytree(BOOK / "assets", target, dirs_exist_ok=True)
    (target / "vendor" / "README.md").unlink(missing_ok=True)
    (target / "course-widgets.js").write_text(widget_script(), encoding="utf-8")
    for name in page.SHARED:
        shutil.copy(page.FILES / name, target)


def readable(text: str) -> str:
    """The page with the sentences that its exercises keep packed."""
    packed = re.findall(r'data-check="([^"]+)"', text)
    return text + "".join(base64.b64decode(each).decode() for each in packed)


def web_font(folder: Path = HTML) -> None:
    """Subset of the course's font with the characters of the pages, of their scripts and of what live models can write,
    for systems without a Chinese font."""
    scripts = [name for name in ("course-widgets.js", *page.SHARED) if name.endswith(".js")]
    texts = [text for name in ("*.html", *scripts, "models/*.js") for text in folder.rglob(name)]
    characters = set().union(*(readable(text.read_text("utf-8")) for text in texts))
    options = subset.Options(flavor="woff", hinting=False, layout_features=[])
    font = TTFont(FONT)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in characters])
    subsetter.subset(font)
    for target in (folder / "_static", folder / "slides" / "assets"):
        if target.is_dir():
            subset.save_font(font, str(target / "CourseSans-SC.woff"), options)
            shutil.copy(FONT.with_name("OFL.txt"), target / "CourseSans-SC.OFL.txt")


def guarded(text: str) -> str:
    """The page with the policy that keeps it to its own site."""
    return text.replace("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1)

"""The READMEs' tables of chapters, made from the outline: `python -m course_lib.publishing readmes [--check]`.

They stand between <!-- chapters --> and <!-- /chapters -->; what is around them is written by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from course_lib.course import outline
from course_lib.course.outline import ROOT, Chapter

MARKED = re.compile(r"(?<=<!-- chapters -->\n).*?(?=<!-- /chapters -->)", re.DOTALL)


def chinese() -> str:
    """A row for each open chapter, and what is to come."""
    rows = ["| 章 | 内容 | 看得见的东西 | 阅读 |", "|---|---|---|---|"]
    for c in outline.opened():
        rows.append(f"| [{c.number} {c.title}]({c.page}.ipynb) | {c.about} | {c.shows} | {c.reading} 分钟 |")
    return "\n".join([*rows, "", *_to_come(lambda c: c.title, "、", "后面的 {n} 章（{names}）按同一个模子陆续加入。")])


def english() -> str:
    """The same, shorter."""
    rows = ["| Chapter | Reading |", "|---|---|"]
    rows += [f"| [{c.number} {c.english}]({c.page}.ipynb) | {c.reading} min |" for c in outline.opened()]
    sentence = "The other {n} chapters ({names}) follow in the same mould."
    return "\n".join([*rows, "", *_to_come(lambda c: c.english, ", ", sentence)])


READMES = {"README.md": chinese, "README.en.md": english}


def filled(file: Path) -> str:
    """A README with its table as the outline has it. Raises ValueError if it has not one pair of marks."""
    text = file.read_text("utf-8")
    if len(MARKED.findall(text)) != 1:
        raise ValueError(f"{file.name} needs <!-- chapters --> and <!-- /chapters --> on lines of their own, once")
    return MARKED.sub(lambda _: READMES[file.name](), text)


def write(root: Path = ROOT) -> None:
    """Bring both READMEs in step."""
    for name in READMES:
        (root / name).write_text(filled(root / name), "utf-8")


def main(args: argparse.Namespace) -> int:
    """Write, or with --check only say which README is behind (exit status 1)."""
    behind = [name for name in READMES if filled(ROOT / name) != (ROOT / name).read_text("utf-8")]
    if not args.check:
        write()
        return 0
    for name in behind:
        print(f"{name} is behind notebooks/course.yml; run python -m course_lib.publishing readmes", file=sys.stderr)
    return 1 if behind else 0


def _to_come(name, comma: str, sentence: str) -> list[str]:
    waiting: list[Chapter] = [c for c in outline.planned() if not c.is_open]
    return [sentence.format(n=len(waiting), names=comma.join(map(name, waiting))), ""] if waiting else []

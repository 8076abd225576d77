"""Make the emoji's files anew from the npm packages, byte for byte: `python -m course_lib.data.real.emoji.build`.

`--check` writes nothing and says whether the files that lie here are the ones that come out. Needs npm and the extra
`emoji` (resvg-py), which the lessons do not. Pillow 12.3 and 13.0 were seen to pack the same bytes.
"""

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from course_lib.console import speak_chinese
from course_lib.data.real.emoji.drawings import COLUMNS, FOLDER, HANDS, SIZE, Thing
from course_lib.data.real.emoji.families import families
from course_lib.data.real.emoji.names import GROUPS, mended
from course_lib.data.real.emoji.palette import quantize
from course_lib.data.real.emoji.sheet import SHEET, contact_sheet
from course_lib.files import write_whole


class Package(NamedTuple):
    """A tarball of the npm registry."""

    name: str
    version: str
    sha256: str


PACKAGES = {
    "noto": Package("@iconify-json/noto", "1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
    "twemoji": Package(
        "@iconify-json/twemoji", "1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7"
    ),
    "fluent": Package(
        "@iconify-json/fluent-emoji-flat", "1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"
    ),
    "names": Package("emojibase-data", "17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a"),
}
SKIN_TONES = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}
JOINER = "200d"
Pictures = UInt8[np.ndarray, "N 32 32 4"]


def fetch(folder: Path) -> dict[str, Path]:
    """The tarballs, through npm. Raises ValueError if one is not the one that was measured."""
    found = {}
    for key, package in PACKAGES.items():
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
        file = folder / subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest != package.sha256:
            raise ValueError(f"{file.name} has sha256 {digest}, not {package.sha256}; the registry has another file")
        found[key] = file
    return found


def read(tarball: Path, member: str) -> Any:
    """A JSON file of a package."""
    with tarfile.open(tarball) as archive:
        return json.load(archive.extractfile(f"package/{member}"))


def bare(hexcode: str) -> str:
    """Code points in lower case, without variation selectors: "2764-200d-1f525"."""
    return "-".join(part for part in hexcode.lower().split("-") if part != "fe0f")


def drawings(tarball: Path) -> dict[str, str]:
    """Code points -> SVG of SIZE × SIZE pixels, of an Iconify set; a drawing that is not square is centred."""
    icons, names = read(tarball, "icons.json"), read(tarball, "chars.json")

    def svg(name: str) -> str:
        while name not in icons["icons"]:
            name = icons["aliases"][name]["parent"]
        icon = {"left": 0, "top": 0, "width": icons["width"], "height": icons["height"]} | icons["icons"][name]
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            'viewBox="{left} {top} {width} {height}" '.format_map(icon)
            + f'width="{SIZE}" height="{SIZE}">{icon["body"]}</svg>'
        )

    return {bare(code): svg(name) for code, name in names.items()}


def catalogue(tarball: Path) -> list[Thing]:
    """What emojibase names, in its order; no skin tones, components, flags, or people joined of several signs."""
    meta = read(tarball, "meta/groups.json")
    english = {entry["hexcode"]: entry for entry in read(tarball, "en/data.json")}
    things = []
    for entry in sorted(read(tarball, "zh/data.json"), key=lambda entry: entry.get("order", 0)):
        code, group = bare(entry["hexcode"]), meta["groups"].get(str(entry.get("group")))
        parts = set(code.split("-"))
        if group not in GROUPS or parts & SKIN_TONES or (group == "people-body" and JOINER in parts):
            continue
        other = english[entry["hexcode"]]
        things.append(
            Thing(
                codepoints=code,
                group=GROUPS[group],
                kind=meta["subgroups"][str(entry["subgroup"])],
                family=len(things),
                name_zh=mended(code, entry["label"]),
                name_en=other["label"],
                keywords_zh=tuple(entry.get("tags", ())),
                keywords_en=tuple(other.get("tags", ())),
            )
        )
    return things


def render(svg: str) -> UInt8[np.ndarray, "32 32 4"]:
    """Drawn by resvg: red, green, blue and straight opacity."""
    import resvg_py

    with Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))) as image:
        return np.asarray(image.convert("RGBA"))


def atlas(cells: UInt8[np.ndarray, "N 32 32"], palette: UInt8[np.ndarray, "colours 4"]) -> bytes:
    """A PNG of COLUMNS cells a row, with the palette's opacities; cells left over are of colour 0."""
    rows = -(-len(cells) // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, SIZE, SIZE), np.uint8)
    sheet[: len(cells)] = cells
    image = Image.fromarray(sheet.reshape(rows, COLUMNS, SIZE, SIZE).swapaxes(1, 2).reshape(rows * SIZE, -1))
    image.putpalette(palette[:, :3].tobytes())
    return png(image, transparency=palette[:, 3].tobytes())


def png(image: Image.Image, **more: Any) -> bytes:
    """Packed as tightly as Pillow does; without date or text."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, **more)
    return file.getvalue()


def table(things: list[Thing]) -> str:
    """One line a thing under a line of names; keywords are parted by "|". Raises ValueError if a word holds a mark."""
    lines = [tuple(field.name for field in fields(Thing))]
    for thing in things:
        words = [*thing.keywords_zh, *thing.keywords_en]
        cells = ["|".join(cell) if isinstance(cell, tuple) else str(cell) for cell in astuple(thing)]
        if any("|" in word for word in words) or any(mark in cell for cell in cells for mark in "\t\n\r"):
            raise ValueError(f"{thing.name_en}: a word holds a tab, a line break or |, which part the table's cells")
        lines.append(tuple(cells))
    return "".join("\t".join(line) + "\n" for line in lines)


def build(tarballs: Mapping[str, Path], render: Callable[[str], np.ndarray] = render) -> dict[str, bytes]:
    """Name -> content of the files: a table and an atlas a hand, of the things that every hand drew."""
    svgs = {hand: drawings(tarballs[hand]) for hand in HANDS}
    things = [t for t in catalogue(tarballs["names"]) if all(t.codepoints in drawn for drawn in svgs.values())]
    pictures = {hand: np.stack([render(svgs[hand][thing.codepoints]) for thing in things]) for hand in HANDS}
    family = families([(thing.kind, thing.name_en) for thing in things], pictures)
    files = {"things.tsv": table([replace(thing, family=row) for thing, row in zip(things, family)]).encode()}
    return files | {f"{hand}.png": atlas(*quantize(pictures[hand])) for hand in HANDS}


def main(arguments: list[str] | None = None) -> int:
    """0 if the files were written, or are those that come out; 1 if they are others."""
    speak_chinese()
    parser = argparse.ArgumentParser(prog="python -m course_lib.data.real.emoji.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the files that lie here; write nothing")
    check = parser.parse_args(arguments).check
    with tempfile.TemporaryDirectory() as folder:
        files = {FOLDER / name: content for name, content in build(fetch(Path(folder))).items()}
    kept = {file: file.read_bytes() if file.is_file() else b"" for file in [*files, SHEET]}
    for file, content in files.items() if not check else ():
        write_whole(file, content)
    files[SHEET] = png(contact_sheet())
    if not check:
        write_whole(SHEET, files[SHEET])
    for file, content in files.items():
        state = "same" if content == kept[file] else "differs"
        print(f"{len(content):9,} bytes  {hashlib.sha256(content).hexdigest()}  {file.name}  {state}")
    return int(check and any(content != kept[file] for file, content in files.items()))


if __name__ == "__main__":
    sys.exit(main())

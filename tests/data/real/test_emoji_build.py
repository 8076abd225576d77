"""Each step from a package to the files, on hand-made packages of a few squares."""

import io
import json
import re
import tarfile
from itertools import product

import numpy as np
import pytest
from PIL import Image

from course_lib.data.real.emoji import build, drawings, families, names, palette

RED, BLUE = "#ff0000", "#0000ff"


def square(colour, side=128):
    return f'<rect x="0" y="0" width="{side}" height="{side}" fill="{colour}"/>'


def package(folder, name, **members):
    """A tarball as npm packs it."""
    file = folder / f"{name}.tgz"
    with tarfile.open(file, "w:gz") as archive:
        for member, content in members.items():
            data = json.dumps(content).encode()
            about = tarfile.TarInfo(f"package/{member}")
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return file


def iconify(folder, name, colours):
    """An icon set: code points in capitals with a selector; the first is not square and reached by an alias."""
    icons = {f"i{code}": {"body": square(colour)} for code, colour in colours.items()}
    first = next(iter(colours))
    icons[f"i{first}"] |= {"width": 128, "height": 64}
    chars = {f"{code.upper()}-FE0F": f"also{code}" if code == first else f"i{code}" for code in colours}
    aliases = {f"also{first}": {"parent": f"i{first}"}}
    content = {"width": 128, "height": 128, "icons": icons, "aliases": aliases}
    return package(folder, name, **{"icons.json": content, "chars.json": chars})


def entry(code, label, group, order, subgroup=0, tags=("a", "b")):
    return {"hexcode": code, "label": label, "group": group, "order": order, "subgroup": subgroup, "tags": list(tags)}


@pytest.fixture
def tarballs(tmp_path):
    meta = {
        "groups": {"0": "smileys-emotion", "1": "people-body", "2": "component", "3": "animals-nature", "9": "flags"},
        "subgroups": {"0": "animal-mammal", "1": "person"},
    }
    said = [
        entry("1F999", "美洲鸵", 3, 2),
        entry("1F436-FE0F", "狗脸", 3, 1),
        entry("1F415", "狗", 3, 3),
        entry("1F44B-1F3FB", "肤色", 1, 4),
        entry("1F3FB", "部件", 2, 5),
        entry("1F6A9", "旗", 9, 6),
        entry("1F468-200D-1F469", "一家", 1, 7),
        entry("1F916", "一位画手没画", 0, 8),
        {"hexcode": "1F1E6", "label": "没有组"},
    ]
    english = {"1F999": "llama", "1F436-FE0F": "dog face", "1F415": "dog"}
    other = [each | {"label": english.get(each["hexcode"], each["label"])} for each in said]
    every = {"1f999": RED, "1f436": BLUE, "1f415": "#00ff00", "1f916": RED}
    return {
        "noto": iconify(tmp_path, "noto", every),
        "twemoji": iconify(tmp_path, "twemoji", every),
        "fluent": iconify(tmp_path, "fluent", {code: colour for code, colour in every.items() if code != "1f916"}),
        "names": package(tmp_path, "names", **{"meta/groups.json": meta, "zh/data.json": said, "en/data.json": other}),
    }


def draw(svg):
    """A renderer that knows one rectangle: SIZE pixels square, half of it where the drawing is half as high."""
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    colour = [int(re.search(r'fill="#(\w+)"', svg)[1][i : i + 2], 16) for i in (0, 2, 4)]
    picture = np.zeros((32, 32, 4), np.uint8)
    edge = 32 * (width - height) // width // 2
    picture[edge : 32 - edge] = [*colour, 255]
    return picture


def test_a_drawing_is_found_by_bare_code_points_through_aliases_and_keeps_its_shape(tarballs):
    svgs = build.drawings(tarballs["noto"])
    assert list(svgs) == ["1f999", "1f436", "1f415", "1f916"]
    assert 'viewBox="0 0 128 64" width="32" height="32"' in svgs["1f999"] and RED in svgs["1f999"]
    assert 'viewBox="0 0 128 128"' in svgs["1f436"]


def test_the_catalogue_keeps_things_in_order_and_leaves_out_variants(tarballs):
    things = build.catalogue(tarballs["names"])
    assert [(t.codepoints, t.name_zh, t.name_en) for t in things] == [
        ("1f436", "狗脸", "dog face"),
        ("1f999", "美洲驼", "llama"),
        ("1f415", "狗", "dog"),
        ("1f916", "一位画手没画", "一位画手没画"),
    ]
    assert things[0].group == "动物与植物" and things[0].kind == "animal-mammal"


def test_the_files_say_what_the_packages_said(tarballs, tmp_path, monkeypatch):
    files = build.build(tarballs, draw)
    assert files == build.build(tarballs, draw), "the same input gives the same bytes"
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(drawings, "FOLDER", tmp_path)
    for cached in (drawings.emoji, drawings._cells):
        cached.cache_clear()
    try:
        data = drawings.emoji()
        assert [t.name_zh for t in data.things] == ["狗脸", "美洲驼", "狗"], "what one hand lacks is left out"
        assert [t.family for t in data.things] == [0, 1, 0], "a face and the animal are twins"
        assert data.things[1].keywords_en == ("a", "b")
        dog, llama, _ = data.pictures("fluent", (9, 9, 9))
        assert (dog == [0, 0, 255]).all()
        assert (llama[8:24] == [255, 0, 0]).all() and (llama[:8] == 9).all() and (llama[24:] == 9).all()
    finally:
        for cached in (drawings.emoji, drawings._cells):
            cached.cache_clear()


def test_a_tarball_that_is_another_one_is_refused(tmp_path, monkeypatch):
    class Done:
        stdout = "other.tgz\n"

    (tmp_path / "other.tgz").write_bytes(b"other")
    monkeypatch.setattr(build.subprocess, "run", lambda *_, **__: Done)
    with pytest.raises(ValueError, match=r"other.tgz has sha256 .* not 3e918d88"):
        build.fetch(tmp_path)


@pytest.mark.parametrize("word", ["a|b", "a\tb", "a\nb"])
def test_a_word_that_would_part_the_table_is_refused(word):
    thing = drawings.Thing("1f999", "动物与植物", "animal-mammal", 0, "美洲驼", "llama", (word,), ())
    with pytest.raises(ValueError, match="llama: a word holds"):
        build.table([thing])


def test_a_png_holds_nothing_but_the_picture():
    content = build.atlas(np.zeros((3, 32, 32), np.uint8), np.array([[1, 2, 3, 0], [9, 9, 9, 255]], np.uint8))
    chunks, at = [], 8
    while at < len(content):
        chunks.append(content[at + 4 : at + 8])
        at += int.from_bytes(content[at : at + 4], "big") + 12
    assert sorted(set(chunks)) == [b"IDAT", b"IEND", b"IHDR", b"PLTE", b"tRNS"]
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (40 * 32, 32) and image.convert("RGBA").getpixel((0, 0))[3] == 0


def test_names_are_mended_by_table_and_by_rule():
    assert names.mended("1f999", "美洲鸵") == "美洲驼"
    assert names.mended("30-20e3", "按键: 0") == "按键：0" and names.mended("1f17e", "O 型血") == "O型血"
    assert names.mended("1f600", "嘿嘿") == "嘿嘿"


# ---- colours ----


def test_few_colours_are_kept_as_they_are():
    colours = np.array([[255, 0, 0, 255], [0, 0, 255, 255], [0, 0, 0, 0], [10, 20, 30, 255]], np.uint8)
    pictures = colours[np.random.default_rng(0).integers(0, 4, (5, 8, 8))]
    cells, found = palette.quantize(pictures)
    assert (found[cells] == pictures).all() and len(found) == 4


def test_what_is_seen_on_white_and_black_gives_the_colour_back():
    levels = (0, 1, 100, 254, 255)
    colours = np.array([[*rgb, 255] for rgb in product(levels, repeat=3)], np.uint8)
    assert (palette.unseen(palette.seen(colours)) == colours).all()
    clear = np.array([[200, 100, 0, alpha] for alpha in range(64, 256)], np.uint8)
    back = palette.unseen(palette.seen(clear)).astype(int)
    assert (back[:, 3] == clear[:, 3]).all() and np.abs(back[:, :3] - clear[:, :3]).max() <= 2
    assert palette.seen(np.array([[200, 100, 0, 0]], np.uint8)).tolist() == [[255, 255, 255, 0, 0, 0]]


def test_many_colours_become_the_centres_of_their_clusters():
    rng = np.random.default_rng(1)
    middles = np.array([[40, 40, 40, 255], [200, 60, 60, 255], [60, 200, 90, 255]])
    pixels = middles[rng.integers(0, 3, 3000)] + np.pad(rng.integers(-9, 10, (3000, 3)), ((0, 0), (0, 1)))
    cells, found = palette.quantize(pixels.astype(np.uint8), n=3)
    for middle in middles:
        assert np.abs(found.astype(int) - middle).max(1).min() <= 1
    assert np.abs(found[cells].astype(int) - pixels).max() <= 11


def test_more_colours_fit_better():
    pixels = np.random.default_rng(2).integers(0, 256, (4000, 4), np.uint8)

    def error(n):
        cells, found = palette.quantize(pixels, n)
        return np.square(palette.seen(found[cells]) - palette.seen(pixels)).mean()

    assert error(256) < error(64) < error(16) < error(4)


# ---- families ----


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("six-thirty", []),
        ("twelve o’clock", []),
        ("up-right arrow", ["arrow"]),
        ("dog face", ["dog"]),
        ("keycap: 10", ["keycap"]),
        ("close-up", ["close-up"]),
    ],
)
def test_what_is_left_of_a_name(name, left):
    assert families.core(name) == left


def test_alike_in_name_counts_only_within_a_kind():
    said = [("a", "red apple"), ("a", "green apple"), ("b", "apple"), ("a", "pear")]
    nothing = {
        hand: np.zeros((4, 2, 2, 4), np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None] * 60
        for hand in "xyz"
    }
    assert families.families(said, nothing) == [0, 0, 2, 3]


def test_alike_in_pixels_needs_two_hands():
    apart = np.zeros((3, 4, 4, 4), np.uint8)
    apart[..., 3] = 255
    apart[1, ..., 0], apart[2, ..., 1] = 200, 200
    alike = apart.copy()
    alike[1] = alike[0] + np.array([families.DISTANCE - 1, 0, 0, 0], np.uint8)
    said = [("a", "x"), ("a", "y"), ("a", "z")]
    assert families.families(said, {"a": apart, "b": apart, "c": alike}) == [0, 1, 2]
    assert families.families(said, {"a": apart, "b": alike, "c": alike}) == [0, 0, 2]


def test_families_are_joined_in_a_chain():
    said = [("a", "x"), ("a", "red y"), ("a", "blue y")]
    drawn = np.zeros((3, 4, 4, 4), np.uint8)
    drawn[..., 3] = 255
    drawn[1] = [250, 0, 0, 255]
    assert families.families(said, {"a": drawn, "b": drawn}) == [0, 0, 0], (
        "x looks like blue y, which is named as red y"
    )

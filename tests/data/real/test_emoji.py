"""The emoji as they lie here: whole, distinct, drawable, and as their card says."""

import hashlib
import re
import subprocess
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from course_lib.data.real.emoji import drawings, names, sheet
from course_lib.data.real.emoji.drawings import FOLDER, GROUPS, HANDS, emoji, over
from course_lib.data.real.emoji.neighbours import nearest, recall
from course_lib.data.real.emoji.splits import LARGEST, hold_out_things, other_hands, quotas
from course_lib.widgets.style import missing_glyphs

DATA = emoji()
N = len(DATA.things)
CARD = (sheet.ROOT / "book" / "dataset-emoji.md").read_text("utf-8")
SAME = {"fluent": [{"grinning cat", "cat face"}]}  # one drawing for two things


@pytest.mark.parametrize("hand", HANDS)
def test_every_thing_is_drawn_once_and_not_blank(hand):
    pictures = DATA.pictures(hand, background=None)
    assert pictures.shape == (N, 32, 32, 4) and pictures.dtype == np.uint8
    assert ((pictures[..., 3] > 127).sum((1, 2)) > 50).all(), "a cell with hardly an opaque pixel"
    on_white = DATA.pictures(hand)
    assert on_white.shape == (N, 32, 32, 3)
    assert ((on_white.min(-1) < 245).sum((1, 2)) > 50).all(), "a picture that cannot be seen on white"
    alike = defaultdict(set)
    for thing, picture in zip(DATA.things, pictures):
        alike[picture.tobytes()].add(thing.name_en)
    assert [each for each in alike.values() if len(each) > 1] == SAME.get(hand, [])


def test_the_table_is_whole():
    assert N == 1393 and len({thing.codepoints for thing in DATA.things}) == N
    for name in ("name_zh", "name_en"):
        assert len({getattr(thing, name) for thing in DATA.things}) == N
    assert all(thing.keywords_zh and thing.keywords_en for thing in DATA.things)
    assert {thing.group for thing in DATA.things} == set(GROUPS) == set(names.GROUPS.values())
    assert Counter(DATA.labels.tolist()) == Counter(GROUPS.index(thing.group) for thing in DATA.things)
    assert DATA.things[DATA.index("熊猫")].name_en == "panda"


def test_every_name_can_be_drawn_by_the_course_font():
    tofu = {c: t.name_en for t in DATA.things for c in missing_glyphs(t.name_zh + t.name_en)}
    assert not tofu and not missing_glyphs("".join(GROUPS))


def test_corrections_stand_in_the_table_and_change_something():
    by_code = {thing.codepoints: thing for thing in DATA.things}
    for code, (name, reason) in names.CORRECTIONS.items():
        assert by_code[code].name_zh == name and reason and not reason.startswith(f"{name}:")


def test_transparency_is_laid_over_the_background():
    white, black, clear = (DATA.pictures("noto", background) for background in ((255,) * 3, (0, 0, 0), None))
    opaque, empty = clear[..., 3] == 255, clear[..., 3] == 0
    assert (white[opaque] == black[opaque]).all() and (white[opaque] == clear[opaque][:, :3]).all()
    assert (white[empty] == 255).all() and (black[empty] == 0).all()
    half = np.array([[200, 100, 0, 128]], np.uint8)
    assert over(half, (0, 0, 0)).tolist() == [[100, 50, 0]] and over(half, (255, 255, 255)).tolist() == [
        [227, 177, 127]
    ]


def test_what_is_handed_out_is_the_callers_own():
    DATA.pictures("noto", background=None)[:] = 0
    assert DATA.pictures("noto", background=None).any()


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: DATA.pictures("openmoji"), ValueError, "unknown hand 'openmoji'; known: noto, twemoji, fluent"),
        (lambda: DATA.pictures("noto", (0, 300, 0)), ValueError, r"background \(\(0, 300, 0\)\) must lie in 0 … 255"),
        (lambda: DATA.pictures("noto", (1.0, 1.0, 1.0)), TypeError, "a level of the background is 1.0"),
        (lambda: DATA.pictures("noto", "white"), ValueError, "background 'white' must be red, green and blue"),
        (lambda: DATA.pictures("noto", (0, 0)), ValueError, r"background \(0, 0\) must be red, green and blue"),
        (lambda: DATA.index("pandas"), KeyError, "no thing is called 'pandas'; there is panda"),
        (lambda: other_hands("apple"), ValueError, "unknown hand 'apple'"),
        (lambda: hold_out_things(DATA.things, 0), ValueError, r"n \(0\) must lie in 1 … 1,392"),
        (lambda: hold_out_things(DATA.things, 0.2), TypeError, "n is 0.2; a whole number"),
        (lambda: hold_out_things(DATA.things, 1392), ValueError, r"whole families of at most 5 give only \d+ of 1392"),
    ],
)
def test_refusals(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


# ---- splits ----


@given(st.integers(8, 600), st.integers(0, 99))
def test_things_are_held_out_by_group_with_their_twins(n, seed):
    train, held = hold_out_things(DATA.things, n, seed)
    assert sorted([*train, *held]) == list(range(N)) and len(held) == n
    assert max(Counter(DATA.things[i].family for i in held).values()) <= LARGEST
    assert not {DATA.things[i].family for i in train} & {DATA.things[i].family for i in held}
    sizes, taken = Counter(DATA.labels.tolist()), Counter(DATA.labels[held].tolist())
    assert all(abs(taken[group] - n * size / N) < 1 for group, size in sizes.items())


def test_the_split_of_the_course_stays_what_it_is():
    held = hold_out_things(DATA.things).held_out
    assert len(held) == 200 and set(DATA.labels[held]) == set(range(8))
    assert hashlib.sha256(",".join(map(str, held)).encode()).hexdigest()[:16] in CARD
    assert (held != hold_out_things(DATA.things, seed=1).held_out).any()


def test_quotas_give_all_that_is_asked_for():
    assert quotas(Counter(a=5, b=4, c=2), 5) == Counter(a=2, b=2, c=1)  # 2 + 3/11, 1 + 9/11, 10/11
    assert quotas(Counter(a=3, b=3), 3) == Counter(a=2, b=1)


@pytest.mark.parametrize(
    "twins",
    [
        ["三点", "七点半", "十二点"],
        ["满月", "上弦月", "微笑的朔月"],
        ["向上箭头", "左下箭头", "SOON箭头"],
        ["男人", "女孩", "老奶奶"],
        ["红心", "蓝心"],
        ["按键：1", "按键：#"],
        ["马", "马头"],
        ["红色方块", "白色小方块"],
        ["大笑的猫", "奸笑的猫"],
    ],
)
def test_near_twins_are_one_family(twins):
    assert len({DATA.things[DATA.index(name)].family for name in twins}) == 1


def test_what_is_no_twin_stays_apart():
    families = [
        DATA.things[DATA.index(name)].family
        for name in ("三点", "满月", "马", "斑马", "红心", "红桃", "蛇", "猫", "狗")
    ]
    assert len(set(families)) == len(families)


def test_a_hand_held_out_leaves_the_others():
    assert other_hands("twemoji") == ("noto", "fluent")
    assert all(set(other_hands(hand)) | {hand} == set(HANDS) for hand in HANDS)


# ---- the baseline ----


def test_nearest_is_what_the_distances_say():
    rng = np.random.default_rng(0)
    queries, gallery = (rng.integers(0, 256, (n, 4, 4, 3), np.uint8) for n in (5, 9))
    exact = np.square(queries[:, None].astype(int) - gallery.astype(int)).sum((2, 3, 4))
    assert (nearest(queries, gallery, 9) == exact.argsort(1)).all()
    assert (nearest(gallery, gallery)[:, 0] == np.arange(9)).all()


def test_recall_counts_right_answers_among_those_found():
    found = np.array([[1, 2], [3, 0], [2, 1]])
    assert recall(found, np.array([2, 3, 0])) == pytest.approx(2 / 3)
    assert recall(found[:, :1], np.array([2, 3, 0])) == pytest.approx(1 / 3)


# ---- the card ----


def test_the_card_names_the_files_as_they_are():
    for file in (*(FOLDER / f"{hand}.png" for hand in HANDS), FOLDER / "things.tsv"):
        content = file.read_bytes()
        row = next(line for line in CARD.splitlines() if line.startswith(f"| `{file.name}`"))
        assert f"{len(content):,}" in row and hashlib.sha256(content).hexdigest()[:16] in row
    assert sum(len(file.read_bytes()) for file in [*FOLDER.glob("*.png"), FOLDER / "things.tsv"]) < 1_250_000


def test_the_card_counts_groups_and_families():
    held = Counter(DATA.things[row].group for row in hold_out_things(DATA.things).held_out)
    for group, size in Counter(thing.group for thing in DATA.things).items():
        assert re.search(rf"\| {group} \| {size} \| {held[group]} \|", CARD)
    families = Counter(thing.family for thing in DATA.things)
    twins = [size for size in families.values() if size > 1]
    assert f"{len(families):,} 个族" in CARD and f"{len(twins)} 个族共 {sum(twins)} 样" in CARD


@pytest.mark.parametrize("hand", HANDS)
def test_the_card_has_the_pixel_baseline(hand):
    queries, others = DATA.pictures(hand), [DATA.pictures(other) for other in other_hands(hand)]
    found = nearest(queries, np.concatenate(others), 5) % N
    row = next(line for line in CARD.splitlines() if line.startswith(f"| {hand} |"))
    right = np.arange(N)
    alone = [f"{recall(nearest(queries, other), right):.1%}" for other in others]
    both = [f"{recall(found[:, :k], right):.1%}" for k in (1, 5)]
    assert [cell.strip().replace(" ", "") for cell in row.split("|")[2:6]] == [*alone, *both]


def test_the_contact_sheet_is_made_of_the_data():
    with Image.open(sheet.SHEET) as kept:
        made = sheet.contact_sheet()
        assert kept.size == made.size
        off = np.abs(np.asarray(kept.convert("RGB")).astype(int) - np.asarray(made.convert("RGB")))
    assert (off.max(-1) > 8).mean() < 0.01  # letters may differ by the version of the font engine
    assert sheet.SHEET.stat().st_size <= 250_000 and re.search(r"!\[[^\]]{40,}\]\(assets/emoji-sheet.png\)", CARD)


def test_reading_needs_nothing_of_the_build():
    code = (
        "import sys; from course_lib.data.real.emoji.drawings import emoji; emoji().pictures('noto');"
        "assert not {'resvg_py', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_licence_is_carried():
    notice = drawings.FOLDER.joinpath("NOTICE.txt").read_text("utf-8")
    for licence in re.findall(r"licences/[\w.-]+\.txt", notice):
        assert (FOLDER / licence).stat().st_size > 900
    assert len(set(re.findall(r"licences/[\w.-]+\.txt", notice))) == 4 == len(list((FOLDER / "licences").iterdir()))
    assert "https://creativecommons.org/licenses/by/4.0/" in notice and "Changed" in notice

"""The steps that make the poems, on a few lines written by hand."""

import gzip

import pytest

from course_lib.data.real import build_poems as build
from course_lib.data.real.poems import Poem, laid_out

POEM = Poem("登鹳雀楼", "王之涣", ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"))
LINES = ["白日依山盡，黃河入海流。", "欲窮千里目，更上一層樓。"]


def poem(*lines: str, author: str = "甲") -> Poem:
    return Poem("题", author, lines)


@pytest.mark.parametrize(
    ("paragraphs", "lines"),
    [
        (LINES, ("白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓")),
        (["白日依山盡（一作下），黃河入海流？", LINES[1]], ("白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓")),
        (LINES[:1], None),
        (LINES * 2, None),
        (["白日依山盡，黃河入海流。", "欲窮千里目，更上樓。"], None),
        (["白日依山□，黃河入海流。", LINES[1]], None),
        (["一二三四五六，一二三四五六。"] * 2, None),
    ],
)
def test_quatrains_are_told_by_their_form(paragraphs, lines):
    assert build.quatrain(paragraphs) == lines


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("帝京篇十首 一", "帝京篇"),
        ("杂曲歌辞 浪淘沙 其二", "浪淘沙"),
        ("送人（一作别）", "送人"),
        ("秋浦歌十七首", "秋浦歌"),
        ("一", "一"),
        ("", ""),
    ],
)
def test_titles_lose_what_the_collection_added(title, plain):
    assert build.plain_title(title) == plain


def test_variants_become_what_is_read_today():
    old = Poem("沈園", "沈佺期", ("鴈影沈沈去",) * 4)
    assert build.modern(old, lambda text: text.replace("園", "园")) == Poem("沈园", "沈佺期", ("雁影沉沉去",) * 4)
    assert not set(build.VARIANTS) & set(build.VARIANTS.values())


def test_near_copies_go_and_the_first_stays():
    changed = poem("白日依山下", "黄河入海流", "欲穷千里目", "更上一重楼")
    half = poem("白日依山尽", "黄河入海流", "春风吹又绿", "明月照孤舟")
    other = poem("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")
    assert build.without_copies([POEM, changed, other, half]) == [POEM, other]
    assert build.without_copies([other, changed]) == [other, changed]


def test_a_poet_is_new_with_all_poems_or_with_none(monkeypatch):
    names = [f"诗人{i}" for i in range(400)]
    kinds = {name: {build.split_of(poem("字" * 5, f"{i}" * 5, author=name)) for i in range(50)} for name in names}
    new = [name for name, splits in kinds.items() if "new-poets" in splits]
    assert all(kinds[name] == {"new-poets"} for name in new)
    assert len(new) / len(names) == pytest.approx(1 / build.NEW_POETS, abs=0.03)
    monkeypatch.setattr(build, "NOBODY", {new[0]})
    assert build.split_of(poem("字", author=new[0])) != "new-poets"


def test_rare_characters_take_their_poems_along_until_none_is_left():
    def in_training(text: str) -> Poem:
        return next(each for i in range(999) if build.split_of(each := poem(text, author=f"{i}")) == "train")

    often, rare, chained = in_training("天地"), in_training("玄黄"), in_training("天黄")
    assert build.common([often, often, chained, rare, rare], least=2) == [often, often, chained, rare, rare]
    assert build.common([often, often, rare, chained], least=2) == [often, often]
    held = next(each for i in range(999) if build.split_of(each := poem("天", "地" * i)) == "held-out")
    assert build.common([often, often, held], least=2) == [often, often, held]
    assert build.common([often, held], least=2) == []


def test_the_file_is_the_same_whenever_it_is_packed(monkeypatch):
    text = laid_out([("train", POEM)])
    assert text == "train\t王之涣\t登鹳雀楼\t白日依山尽\t黄河入海流\t欲穷千里目\t更上一层楼\n"
    once = build.packed(text)
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert build.packed(text) == once and gzip.decompress(once).decode() == text


def test_another_package_is_refused(tmp_path):
    (tmp_path / "other.tgz").write_bytes(b"")
    with pytest.raises(ValueError, match="npm pack chinese-poetry"):
        build.read(tmp_path / "other.tgz")

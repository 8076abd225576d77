"""The crawl: labels are true, shares are kept, the same seed gives the same text."""

from collections import Counter

import pytest

from course_lib.data.text.minhash import jaccard, shingles
from course_lib.data.text.web_text import BOILERPLATE, CLEAN, COPY, LABELS, SHARES, SHUFFLED, crawl, curated, near_copy
from course_lib.data.world.dice import Dice


def test_labels_come_in_the_shares_that_were_asked_for():
    counts = Counter(document.label for document in crawl(200, 0))
    assert counts == {label: 2 * SHARES[label] for label in LABELS}
    assert {document.label for document in crawl(20, 0, shares={CLEAN: 100})} == {CLEAN}


def test_what_percent_cannot_divide_is_clean():
    assert len(crawl(33, 1)) == 33


def test_a_seed_fixes_every_character_and_another_changes_them():
    assert crawl(40, 3) == crawl(40, 3)
    assert crawl(40, 3) != crawl(40, 4)
    assert curated(3, 5) == curated(9, 5)[:3]


def test_the_first_text_of_a_seed_is_this_one():
    assert curated(1, 0)[0] == (
        "右侧有一个红色的中号十字形，左下角有一个绿色的中号圆形，左上角有一个紫色的小圆环。上方有一个红色的小菱形，左侧有一个紫色的中号十字形，右侧有一个蓝色的中号圆形。右侧有一个白色的中号十字形，左上角有一个绿色的中号圆环，右上角有一个青色的中号菱形。"
    )


def test_copies_resemble_each_other_and_nothing_else():
    documents = crawl(400, 0)
    copies = {}
    for document in documents:
        assert (document.original is None) == (document.label != COPY)
        if document.label == COPY:
            copies.setdefault(document.original, []).append(shingles(document.text))
    for sets in copies.values():
        assert min(jaccard(sets[0], each) for each in sets[:20]) > 0.5
    clean = [shingles(document.text) for document in documents if document.label == CLEAN]
    assert max(jaccard(one, other) for i, one in enumerate(clean) for other in clean[:i]) < 0.6


def test_word_salad_keeps_the_characters_of_a_caption():
    salad = next(document.text for document in crawl(100, 0) if document.label == SHUFFLED)
    assert salad.count("有一个") < salad.count("有") / 3
    assert set(salad) <= set("".join(curated(300, 1)))


def test_boilerplate_says_nothing_of_scenes():
    assert not any("有一个" in document.text for document in crawl(100, 0) if document.label == BOILERPLATE)


def test_a_near_copy_changes_so_many_characters_and_adds_a_mark():
    text = curated(1, 2)[0]
    copy = near_copy(text, Dice(0, "copy"), edits=2)
    assert sum(a != b for a, b in zip(text, copy)) <= 2
    assert copy[len(text)] == "转"


@pytest.mark.parametrize("shares", [{CLEAN: 50}, {"good": 100}])
def test_shares_that_make_no_crawl_are_refused(shares):
    with pytest.raises(ValueError, match="sum to 100"):
        crawl(10, 0, shares=shares)


@pytest.mark.parametrize("make", [crawl, curated])
def test_no_documents_are_refused(make):
    with pytest.raises(ValueError, match="at least 1"):
        make(0, 0)

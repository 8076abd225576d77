import pytest
import torch

from course_lib.chapters.ch07_gpt1.painters import (
    COMMA,
    PAINTERS,
    STOP,
    THINGS,
    WORDS,
    best_possible,
    favourites,
    inventories,
    write,
)


def test_every_thing_has_a_name_of_its_own_and_one_painter():
    assert len(set(WORDS)) == len(WORDS) == 4 * 8 * 6 + 2
    own = favourites(3)
    assert [len(each) for each in own] == [48] * 4
    assert sorted(thing for each in own for thing in each) == list(range(len(THINGS)))
    assert favourites(3) == own != favourites(4)


def test_texts_name_things_and_close_with_a_stop():
    ids, painters = inventories(0, "test", 50, 3)
    assert ids.shape == (50, 6) and painters.shape == (50,)
    assert (ids[:, ::2] < len(THINGS)).all()
    assert (ids[:, 1:-1:2] == COMMA).all() and (ids[:, -1] == STOP).all()
    assert write(ids[0].tolist()).count("，") == 2 and write(ids[0].tolist()).endswith("。")


def test_nine_things_of_ten_are_favourites():
    ids, painters = inventories(1, "test", 500, 8)
    own = favourites(1)
    share = sum(int(i) in own[p] for row, p in zip(ids[:, ::2], painters) for i in row) / (500 * 8)
    assert share == pytest.approx(0.9 + 0.1 / 4, abs=0.02)
    assert torch.bincount(painters, minlength=len(PAINTERS)).min() > 80


def test_parts_are_independent_and_texts_do_not_depend_on_their_number():
    ids, _ = inventories(0, "test", 40, 4)
    assert torch.equal(inventories(0, "test", 10, 4)[0], ids[:10])
    assert not torch.equal(inventories(0, "labelled", 40, 4)[0], ids)


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="must be at least 1"):
        inventories(0, "test", 0, 4)


def test_the_best_possible_share():
    ids, painters = inventories(2, "test", 4000, 4)
    assert best_possible(2, ids[:, :0], painters) == pytest.approx(0.25)
    right, wrong = 0.9 + 0.1 / 4, 0.1 / 4  # that a thing is a favourite of the painter, of a certain other one
    assert best_possible(2, ids[:, :2], painters) == pytest.approx(right, abs=0.01)
    two = right**2 + right * 3 * wrong  # both agree; they differ, and one of the two is drawn
    assert best_possible(2, ids[:, :4], painters) == pytest.approx(two, abs=0.01)
    own = torch.tensor([favourites(2)[painter][0] for painter in painters])
    assert best_possible(2, own[:, None], painters) == 1

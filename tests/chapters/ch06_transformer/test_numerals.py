"""The task is what it says: one reading and one answer a value, known alignments, nothing held out is trained on."""

import re
from datetime import date, timedelta

import pytest
import torch

from course_lib.chapters.ch06_transformer import numerals
from course_lib.chapters.ch06_transformer.numerals import (
    DIGITS,
    END_ID,
    FIRST_DAY,
    LARGEST,
    LAST_DAY,
    SOURCE_ALPHABET,
    START_ID,
    TARGET_ALPHABET,
    Pair,
    date_pair,
    decode_target,
    edge_dates,
    edge_numbers,
    edge_pairs,
    encode,
    is_held_out,
    number_pair,
    pairs,
)
from course_lib.data.world.dice import Dice

UNITS = {"十": 10, "百": 100, "千": 1000}


def read_aloud(text: str) -> int:
    """The value of a Chinese numeral, found the other way round: by adding up what stands before each unit."""
    high, _, low = text.rpartition("万")
    return (10_000 * read_aloud(high) if high else 0) + section(low)


def section(text: str) -> int:
    total = digit = 0
    for char in text:
        if char in UNITS:
            total, digit = total + (digit or 1) * UNITS[char], 0
        else:
            digit = DIGITS.index(char)
    return total + digit


def every_kind() -> list[int]:
    drawn = torch.randint(LARGEST, (2000,), generator=torch.Generator().manual_seed(0)).tolist()
    return [*range(1200), *drawn, *edge_numbers()]


@pytest.mark.parametrize(
    ("n", "source"),
    [
        (0, "零"),
        (10, "十"),
        (11, "十一"),
        (110, "一百一十"),
        (1024, "一千零二十四"),
        (2000, "二千"),
        (10_010, "一万零一十"),
        (100_000, "十万"),
        (120_000, "十二万"),
        (1_000_001, "一百万零一"),
        (10_100_000, "一千零一十万"),
        (20_003_000, "二千万三千"),
        (99_999_999, "九千九百九十九万九千九百九十九"),
    ],
)
def test_numbers_are_read_as_a_teacher_would(n, source):
    assert (number_pair(n).source, number_pair(n).target) == (source, str(n))


def test_another_way_of_reading_gets_every_number_back():
    values = every_kind()
    assert [read_aloud(number_pair(n).source) for n in values] == values


def test_every_reading_is_of_one_value_only():
    values = sorted(set(every_kind()))
    assert len({number_pair(n).source for n in values}) == len(values)


@pytest.mark.parametrize(
    ("day", "source"),
    [
        (date(2024, 3, 15), "二〇二四年三月十五日"),
        (date(2000, 2, 29), "二〇〇〇年二月二十九日"),
        (date(1999, 12, 31), "一九九九年十二月三十一日"),
        (date(2010, 10, 10), "二〇一〇年十月十日"),
    ],
)
def test_dates_are_read_digit_by_digit_and_number_by_number(day, source):
    assert (date_pair(day).source, date_pair(day).target) == (source, day.isoformat())


def what_says(pair: Pair) -> list[str]:
    return ["".join(pair.source[i] for i in places) for places in pair.says]


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (number_pair(1024), ["一千", "零", "二十", "四"]),
        (number_pair(13), ["十", "三"]),
        (number_pair(1007), ["一千", "零", "零", "七"]),
        (number_pair(30_200), ["三", "零", "二百", "", ""]),
        (number_pair(20_003_000), ["二千", "", "", "", "三千", "", "", ""]),
        (date_pair(date(2024, 3, 15)), ["二", "〇", "二", "四", "年", "", "三", "月", "十", "五"]),
        (date_pair(date(2020, 12, 1)), ["二", "〇", "二", "〇", "年", "十", "二", "月", "", "一"]),
    ],
)
def test_the_alignment_names_the_characters_that_say_each_digit(pair, said):
    assert what_says(pair) == said


def test_a_digit_is_said_by_its_own_character_and_a_dash_by_its_unit():
    for pair in pairs(0, "train", 500):
        assert len(pair.says) == len(pair.target)
        for char, said in zip(pair.target, what_says(pair)):
            if char == "-":
                assert said in ("年", "月")
            elif char == "0":
                assert said in ("", "零", "〇", "十")
            elif said in UNITS:  # 十三: the 一 is not said
                assert char == "1"
            else:
                assert DIGITS[int(char)] == said[0]


def test_what_is_held_out_is_never_trained_on():
    trained = {pair.source for seed in (0, 1) for pair in pairs(seed, "train", 4000)}
    held_out = {pair.source for pair in pairs(0, "held out", 2000)}
    assert not trained & held_out
    assert not trained & {pair.source for pair in edge_pairs()}


def test_the_edges_are_the_ends_of_every_length_and_are_held_out():
    edges = edge_numbers()
    for length in range(2, 9):
        least = 10 ** (length - 1)
        assert {least, least + 1, least + 10, 10 * least - 1} <= set(edges)
    assert {0, 1, 9, LARGEST} <= set(edges) and {date(2000, 2, 29), date(2024, 2, 29), date(1900, 1, 1)} <= {
        *edge_dates()
    }
    assert all(map(is_held_out, [*edges, *edge_dates()]))
    assert max(edge_numbers(3)) == 999
    assert len(edge_pairs(with_dates=False)) == len(edges)


def test_a_tenth_is_held_out():
    shares = [
        sum(map(is_held_out, range(100_000, 110_000))) / 10_000,
        sum(is_held_out(FIRST_DAY + timedelta(days=n)) for n in range(20_000)) / 20_000,
    ]
    assert all(abs(share - 0.1) < 0.02 for share in shares)


def test_lengths_are_equally_usual_and_seeds_differ():
    drawn = pairs(0, "train", 4000, percent_dates=0)
    lengths = torch.bincount(torch.tensor([len(pair.target) for pair in drawn]), minlength=9)[1:]
    assert lengths.min() > 350 and lengths.max() < 650
    assert pairs(0, "train", 5) == pairs(0, "train", 5) != pairs(1, "train", 5)
    dates = sum("年" in pair.source for pair in pairs(0, "train", 4000)) / 4000
    assert abs(dates - 0.3) < 0.03


def test_ids_and_text_are_there_and_back():
    batch = [*pairs(0, "train", 50), *edge_pairs()]
    source, target = encode(batch)
    for pair, source_ids, target_ids in zip(batch, source.tolist(), target.tolist()):
        assert decode_target(target_ids) == pair.target
        assert "".join(SOURCE_ALPHABET[i] for i in source_ids if i) == pair.source + numerals.END
        assert target_ids.count(END_ID) == 1 and START_ID not in target_ids
    assert SOURCE_ALPHABET[0] == TARGET_ALPHABET[0] == numerals.PAD


def test_padding_is_only_on_the_right():
    source, target = encode([number_pair(5), number_pair(1024)])
    assert source.shape == (2, 7) and target.shape == (2, 5)
    for ids in (source, target):
        is_token = ids != 0
        assert torch.equal(is_token, is_token.cummin(dim=1).values)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: number_pair(-1), "n (-1) must lie in 0"),
        (lambda: number_pair(LARGEST + 1), "99,999,999"),
        (lambda: date_pair(LAST_DAY + timedelta(days=1)), "2100-01-01"),
        (lambda: pairs(0, "test", 1), "'test'"),
        (lambda: pairs(0, "train", 1, max_digits=9), "max_digits (9)"),
        (lambda: edge_numbers(0), "max_digits (0)"),
        (lambda: encode([]), "at least one pair"),
        (lambda: decode_target([99]), "id 99"),
    ],
)
def test_bad_input_is_answered_with_the_numbers(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()


@pytest.mark.parametrize("part", ["train", "held out"])
def test_each_part_is_drawn_from_a_stream_of_its_own(part):
    dice, wanted = Dice(3, "numerals", part), []
    while len(wanted) < 30:
        value = numerals.random_date(dice) if dice.percent(30) else numerals.random_number(dice, 8)
        if is_held_out(value) == (part == "held out"):
            wanted.append(value)
    assert [pair.target for pair in pairs(3, part, 30)] == [str(value) for value in wanted]

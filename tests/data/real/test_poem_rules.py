"""Each rule on lines that were picked by hand, and on the poets."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.real import poem_rules as rules
from course_lib.data.real.poems import BAR, EDGE, poems

SPRING = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
STORK = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")


@pytest.mark.parametrize(
    ("text", "has_it"),
    [
        (SPRING, True),
        (SPRING + EDGE, True),
        (SPRING + EDGE + EDGE, False),
        (SPRING.removesuffix("。"), False),
        (SPRING.replace("，", "。"), False),
        (SPRING + SPRING, False),
        (SPRING.replace("觉", ""), False),
        (SPRING.replace("觉", BAR), False),
        ("两个黄鹂鸣翠柳，一行白鹭上青天。窗含西岭千秋雪，门泊东吴万里船。", True),
        ("两个黄鹂鸣翠柳，一行白鹭上青天。夜来风雨声，花落知多少。", False),
        ("一二三四五六，一二三四五六。一二三四五六，一二三四五六。", False),
        ("", False),
    ],
)
def test_form(text, has_it):
    assert rules.form_reward(text) == has_it
    assert (rules.lines_of(text) is not None) == has_it


def test_lines_of_a_poem():
    assert rules.lines_of(SPRING) == ("春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少")


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ("流", "楼", True),  # iou, ou
        ("东", "风", True),  # ong, eng
        ("光", "霜", True),
        ("天", "船", True),
        ("知", "时", True),
        ("知", "衣", False),  # the same letter in pinyin, another vowel
        ("月", "雪", True),
        ("女", "水", False),
        ("楼", "楼", False),
        ("楼", "□", False),
        ("。", "，", False),
    ],
)
def test_rhyme(one, other, do):
    assert rules.rhymes(one, other) == rules.rhymes(other, one) == do


def test_a_quatrain_rhymes_in_its_second_and_fourth_line():
    assert rules.rhyme_reward(STORK) == 1
    assert rules.rhyme_reward((STORK[0], STORK[2], STORK[1], STORK[3])) == 0
    assert rules.rhyme_reward((*STORK[:3], STORK[1])) == 0  # the same character does not rhyme with itself
    assert rules.rhyme_reward(STORK[:3]) == rules.rhyme_reward(()) == rules.rhyme_reward(("", "", "", "")) == 0


@pytest.mark.parametrize(
    ("line", "do"),
    [
        ("白日依山尽", True),  # 仄 平
        ("黄河入海流", True),  # 平 仄
        ("疑是地上霜", False),  # 仄 仄
        ("春风不得意", False),  # 平 平 today; to the poets 得 was 入声, oblique
        ("两个黄鹂鸣翠柳", True),  # 仄 平 仄
        ("一行白鹭上青天", True),  # 平 仄 平
        ("千山鸟飞绝人灭", False),
        ("白□依山尽", False),
        ("", False),
        ("山", False),
    ],
)
def test_tones_turn(line, do):
    assert rules.turns(line) == do


def test_tone_is_a_share_of_lines():
    assert rules.tone_reward(STORK) == 1
    assert rules.tone_reward((*STORK[:3], "山山山山山")) == 0.75
    assert rules.tone_reward(()) == 0


def test_variety():
    assert rules.variety_reward(STORK) == 1
    assert rules.variety_reward((*STORK[:3], "更上一山楼")) == 0
    assert rules.variety_reward(()) == 0


@given(st.text(max_size=40), st.lists(st.text(max_size=8), max_size=5))
def test_a_rule_never_raises_and_stays_within_0_and_1(text, lines):
    found = [rules.form_reward(text), rules.rhyme_reward(lines), rules.tone_reward(lines), rules.variety_reward(lines)]
    assert all(0 <= each <= 1 for each in found)


def test_the_poets_follow_the_rules_far_more_than_chance_would():
    """The rates of the card."""
    lines = [poem.lines for poem in poems("train")]
    rates = [
        sum(map(rule, lines)) / len(lines) for rule in (rules.rhyme_reward, rules.tone_reward, rules.variety_reward)
    ]
    assert rates == pytest.approx([0.817, 0.738, 0.567], abs=5e-4)
    ends = [poem[k][-1] for poem in lines for k in (1, 3)]
    random.Random(0).shuffle(ends)
    chance = sum(map(rules.rhymes, ends[::2], ends[1::2])) / len(lines)
    assert chance == pytest.approx(0.094, abs=5e-4)

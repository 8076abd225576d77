"""Rules added up, and what they must not say."""

import math

import numpy as np
import pytest
import torch

from course_lib.data.real.poem_rules import form_reward, lines_of, rhyme_reward, tone_reward, variety_reward
from course_lib.data.world.rewards import box_reward, count_reward, exact_match, format_reward, inside_answer
from course_lib.posttraining.rewards import Rewards

POEM = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


def test_rules_are_added_with_their_weights_and_told_apart():
    rewards = Rewards({
        "count": (2.0, lambda answer, target: count_reward(inside_answer(answer), target)),
        "format": (0.5, lambda answer, _: format_reward(answer)),
        "length": (-0.01, lambda answer, _: len(answer)),
        "watched": (0, lambda answer, _: 1e9),
    })  # fmt: skip
    answers = ["<think>1+2</think><answer>三</answer>", "3", "四个"]
    total, said = rewards(answers, [3, 3, 3])
    assert {name: each.tolist() for name, each in said.items()} == {
        "count": [1, 1, 0],
        "format": [1, 0, 0],
        "length": [36, 1, 2],
        "watched": [1e9] * 3,
    }
    torch.testing.assert_close(total, torch.tensor([2.5 - 0.36, 2 - 0.01, -0.02]))


def test_the_world_s_rules_go_in_as_they_are():
    total, _ = Rewards({"exact": (1, exact_match)})(["红色。", "绿色"], ["红色", "红色"])
    assert total.tolist() == [1, 0]
    box = "<box>(0,0),(100,50)</box>"
    total, _ = Rewards({"box": (1, box_reward)})([box, box, "?"], [(0, 0, 100, 50), (0, 0, 100, 100), (0, 0, 1, 1)])
    assert total.tolist() == pytest.approx([1, 0.5, 0])


@pytest.mark.parametrize(
    ("text", "wanted"), [(POEM, 1 + 1 + tone_reward(lines_of(POEM)) + 1), ("春眠不觉晓", 0), ("", 0)]
)
def test_the_rules_of_poems_go_in_by_a_line_each(text, wanted):
    of_lines = {"rhyme": rhyme_reward, "tone": tone_reward, "variety": variety_reward}
    rules = {name: (1.0, lambda text, _, rule=rule: rule(lines_of(text) or ())) for name, rule in of_lines.items()}
    total, said = Rewards({"form": (1.0, lambda text, _: form_reward(text)), **rules})([text], [None])
    assert total.tolist() == pytest.approx([wanted]) and list(said) == ["form", "rhyme", "tone", "variety"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None, "1", torch.tensor([1.0, 2.0]), 1j])
def test_what_is_no_finite_number_is_refused_with_the_answer(bad):
    rewards = Rewards({"fine": (1, lambda *_: 1.0), "odd": (0.0, lambda answer, _: bad if answer == "乙" else 0.0)})
    with pytest.raises(ValueError, match=r"the rule odd says .* of answer 1, '乙'; a finite number is needed"):
        rewards(["甲", "乙"], [None, None])


@pytest.mark.parametrize("good", [True, 1, 1.0, torch.tensor(1.0), torch.tensor([1]), np.float32(1)])
def test_numbers_of_any_kind_are_taken(good):
    total, _ = Rewards({"rule": (3, lambda *_: good)})(["甲"], [None])
    assert total.tolist() == [3.0]


def test_a_rule_that_fails_is_named_with_the_answer_and_its_cause():
    rewards = Rewards({"last": (1.0, lambda answer, _: answer[0] == "1")})
    with pytest.raises(RuntimeError, match=r"the rule last failed at answer 1, '': IndexError.*mend it") as caught:
        rewards(["10", ""], [0, 0])
    assert isinstance(caught.value.__cause__, IndexError)


@pytest.mark.parametrize(
    ("slip", "error", "message"),
    [
        (lambda: Rewards({}), ValueError, "there is no rule; give at least one"),
        (lambda: Rewards({"a": (math.nan, exact_match)}), ValueError, "the weight of a is nan"),
        (lambda: Rewards({"a": (1, exact_match)})(["x"], ["x", "y"]), ValueError, "1 answers and 2 targets"),
        (lambda: Rewards({"a": (1, exact_match)})("xy", ["x", "y"]), TypeError, "answers must be a list of str"),
    ],
)
def test_bad_calls_are_refused(slip, error, message):
    with pytest.raises(error, match=message):
        slip()

"""What a step of each method costs: models counted by their bytes, and what each part must do."""

import pytest

from course_lib.chapters.ch24_comparison.costs import MODELS, STEPS, cost
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.toys.model_costs import in_megabytes

CONFIG = GPT2Config(n_vocab=50, context=32, d_model=16, n_layers=1)


@pytest.fixture(scope="module")
def costs():
    return {method: cost(method, CONFIG, n=8, length=4, rounds=1) for method in STEPS}


def test_weights_are_those_of_so_many_models_and_gradients_of_those_that_learn(costs):
    one = in_megabytes(*GPT2(CONFIG).parameters())
    for method, found in costs.items():
        weights, gradients, adam, _ = found.memory
        assert weights == pytest.approx(MODELS[method] * one, rel=0.02)  # and small heads
        assert gradients == pytest.approx((2 if method == "PPO" else 1) * one, rel=0.02)
        assert adam == pytest.approx(2 * gradients, rel=0.02)


def test_activations_of_as_many_rows_are_alike_but_for_the_critics(costs):
    four, pairs, groups = (costs[method].memory[3] for method in ("PPO", "DPO", "GRPO"))
    assert pairs == pytest.approx(groups, rel=0.2) and four > groups


def test_dpo_writes_nothing_and_all_else_is_work(costs):
    for method, found in costs.items():
        assert (found.operations[0] == 0) == (method == "DPO")
        assert min(found.operations[1:]) > 0 and len(found.seconds) == 3
    assert costs["PPO"].operations[0] > costs["GRPO"].operations[0], "a group's prompt is read once"
    assert costs["PPO"].operations[1] > costs["GRPO"].operations[1] > costs["DPO"].operations[1]


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method"):
        cost("RLOO", CONFIG)

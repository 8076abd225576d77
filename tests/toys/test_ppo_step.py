"""A round of PPO in parts: the same as posttraining has it, and what its four models hold."""

import pytest
import torch

from course_lib.models.gpt2 import GPT2Config
from course_lib.posttraining.ppo import ppo_loss
from course_lib.toys.model_costs import KINDS, kept, operations
from course_lib.toys.ppo_step import PARTS, ROLES, PPOStep

CONFIG = GPT2Config(n_vocab=50, context=32, d_model=16, n_layers=2, n_heads=2)


@pytest.fixture(scope="module")
def step():
    step = PPOStep(CONFIG, n=4, length=6)
    for part in PARTS:
        getattr(step, part)()
    return step


def test_a_round_learns_and_leaves_alone_what_must_stand_still(step):
    other = PPOStep(CONFIG, n=4, length=6)
    for role, same in zip(ROLES, (False, False, True, True)):
        before, after = (getattr(each.four, role).state_dict() for each in (other, step))
        assert all(torch.equal(before[name], after[name]) for name in before) is same, role
    assert step.update.done == 1


def test_memory_by_model_is_the_whole_of_it(step):
    found = step.memory()
    assert list(found) == list(ROLES) and all(len(each) == len(KINDS) for each in found.values())
    for role in ("actor", "critic"):
        weights, gradients, adam, activations = found[role]
        assert gradients == weights and adam == pytest.approx(2 * weights, rel=0.01) and activations > 0
    for role in ("reference", "reward"):
        assert found[role][0] > 0 and found[role][1:] == [0, 0, 0], "no gradient is asked for, so nothing is kept"
    every = [p for role in ROLES for p in getattr(step.four, role).parameters()]
    both = kept(lambda: ppo_loss(step.four.learners(), step.batch)[0], every)
    assert found["actor"][3] + found["critic"][3] == pytest.approx(both, rel=0.05)


def test_writing_reads_each_word_once_and_learning_costs_three_passes_of_two_models(step):
    work = {part: operations(getattr(step, part)) for part in PARTS}
    assert work["write"] == pytest.approx(work["hear"], rel=0.35)  # the same words, by a cache or at once
    assert work["learn"] == pytest.approx(3 * (work["hear"] + work["expect"]), rel=0.15)
    assert work["score"] == pytest.approx(work["expect"], rel=0.1) and work["score"] < work["hear"]

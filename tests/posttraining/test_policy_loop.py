"""The parts fit: a small GPT-2 writes, is judged and learns, by PPO and by GRPO, through training/step.py's Update."""

from functools import partial

import pytest
import torch

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dapo import dapo_loss
from course_lib.posttraining.dr_grpo import dr_advantages, dr_grpo_loss
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.gspo import gspo_loss
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import Critic, FourModels, judge, ppo_loss
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rollout import RollOut, roll_out
from course_lib.posttraining.sft import n_targets
from course_lib.training.step import Settings, Update

END, GOOD, LIMIT, G, STEPS = 0, 3, 5, 4, 36
PROMPT = torch.tensor([[1, 2], [9, 4], [5, 5], [1, 7]])
IS_TOKEN = torch.tensor([[True, True], [False, True], [True, True], [True, True]])


def gpt() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=10, context=8, d_model=16, n_layers=1, n_heads=2))


def scores(written: RollOut) -> torch.Tensor:
    """Share of the good token among five places."""
    return torch.tensor([answer.count(GOOD) / LIMIT for answer in written.answers()])


def write(actor: GPT2, draw: torch.Generator, temperature: float) -> RollOut:
    return roll_out(
        actor, PROMPT, is_token=IS_TOKEN, n=G, limit=LIMIT, end=END, temperature=temperature, generator=draw
    )


def heard(model, written: RollOut, temperature: float) -> torch.Tensor:
    with torch.no_grad():
        return token_log_probs(model(written.ids, is_token=written.is_token) / temperature, written.ids)


@pytest.mark.parametrize(
    ("loss", "advantages", "weigh", "temperature"),
    [
        (grpo_loss, group_advantages, None, 1.0),
        (partial(dr_grpo_loss, limit=LIMIT), dr_advantages, None, 0.7),
        (dapo_loss, group_advantages, n_targets, 1.0),
        (partial(gspo_loss, low=0.1, high=0.1), group_advantages, None, 0.7),
    ],
)
def test_grpo_and_its_siblings_learn_to_write_the_good_token(loss, advantages, weigh, temperature):
    actor, draw = gpt(), torch.Generator().manual_seed(0)
    reference = Reference(actor)
    objective = partial(on_answers, loss=loss, beta=0.01, temperature=temperature)
    update = Update(actor, Settings(steps=STEPS, lr=0.02), loss=objective, weigh=weigh)
    got = []
    while update.done < STEPS:
        written = write(actor, draw, temperature)
        got.append(float(scores(written).mean()))
        judged = dict(
            advantages=advantages(scores(written).view(-1, G)), reference=heard(reference, written, temperature)
        )
        for _ in range(2):
            value, figures = update(written.batch(**judged))
            if update.done == 1:  # fresh answers and the reference itself: nothing but the advantages' mean
                assert abs(figures["kl"]) < 1e-9
                lengths = is_target(written.is_answer).sum(1)
                share = torch.full((16,), 1 / 16)  # of each answer in the loss
                if loss is dapo_loss:
                    share = lengths / lengths.sum()
                elif advantages is dr_advantages:
                    share = lengths / (16 * LIMIT)
                assert value == pytest.approx(-float((judged["advantages"] * share).sum()), abs=1e-6)
    assert sum(got[-5:]) / 5 > sum(got[:3]) / 3 + 0.3, got


def test_ppo_learns_to_write_the_good_token():
    actor, draw, temperature = gpt(), torch.Generator().manual_seed(0), 0.7
    models = FourModels(actor, Critic(gpt()), Reference(actor), Reference(gpt()))
    loss = partial(ppo_loss, temperature=temperature, value_weight=0.5)
    update = Update(models.learners(), Settings(steps=STEPS, lr=0.02), loss=loss, weigh=n_targets)
    got, wrong = [], []
    while update.done < STEPS:
        written = write(actor, draw, temperature)
        got.append(float(scores(written).mean()))
        with torch.no_grad():
            values = models.critic(written.ids, is_token=written.is_token)[:, :-1, 0]
        mask, old = is_target(written.is_answer), written.log_probs
        judged = judge(scores(written), old, heard(models.reference, written, temperature), values, mask, beta=0.01)
        wrong.append(float(((values - judged.returns) ** 2)[mask].mean()))
        for _ in range(3):
            _, figures = update(written.batch(values=values, advantages=judged.advantages, returns=judged.returns))
            if update.done == 1:
                assert figures["clipped"] == 0 and figures["ratio"] == pytest.approx(1, abs=1e-5)
    assert sum(got[-5:]) / 5 > sum(got[:3]) / 3 + 0.3, got
    assert min(wrong[5:]) < wrong[0] / 2  # the critic has learned, too

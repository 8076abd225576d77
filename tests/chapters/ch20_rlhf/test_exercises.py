"""Chapter 20's exercises: any correct way passes, and values are what the rooms say."""

from math import exp, log

import numpy as np
import pytest
import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.gae import gae
from course_lib.posttraining.reinforce import beyond_the_others, reinforce_loss
from course_lib.posttraining.reward_model import RewardModel, bradley_terry
from course_lib.toys.bandit import Bandit


def test_the_gradient_of_four_answers_is_the_bandits():
    bandit = Bandit(torch.tensor([4.0, 2, 1, 0], dtype=torch.float64))
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).log()
    assert float(bandit.gradient(logits)[0]) == pytest.approx(get_exercise("20-rlhf-1").solution)
    moved = Bandit(bandit.means - 3)
    torch.testing.assert_close(moved.gradient(logits), bandit.gradient(logits))


def test_groups_of_one_size_are_those_of_the_room_and_loops_pass():
    exercise = get_exercise("20-rlhf-2")
    rewards = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = exercise.solution(rewards.flatten(), torch.arange(3).repeat_interleave(4))
    torch.testing.assert_close(found, beyond_the_others(rewards).flatten())

    def by_loops(rewards, group):
        found = []
        for i in range(len(rewards)):
            others = [float(rewards[j]) for j in range(len(rewards)) if j != i and group[j] == group[i]]
            found.append(float(rewards[i]) - sum(others) / len(others))
        return np.array(found)

    assert judge(exercise, by_loops).passed
    first = beyond_the_others(torch.tensor([[1.0, 0, 0, 0, 0]]))[0, 0]
    assert float(first) == get_exercise("20-rlhf-2-next").solution


def test_the_loss_is_the_rooms():
    chance = torch.Generator().manual_seed(0)
    log_probs = -torch.rand(2, 4, generator=chance, dtype=torch.float64)
    is_answer = torch.tensor([[False, False, True, True, False], [False, True, True, True, True]])
    rewards, baseline = (torch.randn(2, generator=chance, dtype=torch.float64) for _ in range(2))
    found = get_exercise("20-rlhf-3").solution(log_probs, is_answer[:, 1:], rewards, baseline)
    torch.testing.assert_close(found, reinforce_loss(log_probs, is_answer, (rewards - baseline)[:, None]))


def test_two_episodes_in_a_row_are_the_rooms():
    chance = torch.Generator().manual_seed(0)
    rewards, values = (torch.randn(6, generator=chance, dtype=torch.float64) for _ in range(2))
    is_last = torch.tensor([False, True, False, False, False, True])
    every = torch.ones(1, 6, dtype=torch.bool)
    room = gae(rewards[None], values[None], every, gamma=0.9, lam=0.7, is_last=is_last[None])[0]
    torch.testing.assert_close(get_exercise("20-rlhf-4").solution(rewards, values, is_last, 0.9, 0.7), room)
    paid = torch.tensor([[0.0, 0, 1]])
    first = gae(paid, torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool), gamma=1.0, lam=0.5)[0, 0]
    assert float(first) == get_exercise("20-rlhf-4-next").solution


def test_rates_of_winning_follow_the_scores():
    gap = log(3)  # three to one
    assert 1 / (1 + exp(-2 * gap)) == pytest.approx(get_exercise("20-rlhf-5").solution)
    wrong = bradley_terry(torch.tensor([0.0]), torch.tensor([3.0]))
    assert float(wrong) == pytest.approx(get_exercise("20-rlhf-5-next").solution, abs=1e-4)


def test_the_score_is_read_where_the_room_reads_it():
    torch.manual_seed(0)
    model = RewardModel(GPT2(GPT2Config(n_vocab=9, d_model=8, n_layers=1, n_heads=2)).eval())
    ids = torch.tensor([[1, 2, 3, 4, 0], [1, 5, 2, 6, 7]])
    is_answer = torch.tensor([[False, True, False, True, False], [False, False, True, True, True]])
    is_token = torch.tensor([[True] * 4 + [False], [True] * 5])
    with torch.no_grad():
        hidden = model.body.hidden(ids, is_token=is_token)
        found = get_exercise("20-rlhf-6").solution(hidden, is_answer, model.head.weight[0])
        torch.testing.assert_close(found, model(ids, is_answer, is_token))

    def by_loops(hidden, is_answer, w):
        return [hidden[b, max(t for t in range(hidden.shape[1]) if is_answer[b, t])] @ w for b in range(len(hidden))]

    assert judge(get_exercise("20-rlhf-6"), lambda *case: torch.stack(by_loops(*case))).passed


def test_a_ranking_is_all_its_pairs():
    scores = torch.tensor([2.0, 0.5, 1.0], dtype=torch.float64)
    room = bradley_terry(scores[[0, 0, 1]], scores[[1, 2, 2]])
    torch.testing.assert_close(get_exercise("20-rlhf-7").solution(scores), room)

    def by_table(scores):
        K = len(scores)
        losses = torch.nn.functional.softplus(scores - scores[:, None])  # of row before column
        return torch.triu(losses, 1).sum() / (K * (K - 1) / 2)

    assert judge(get_exercise("20-rlhf-7"), by_table).passed
    assert get_exercise("20-rlhf-7-next").solution == 7 * 6 / 2 * 2 / 7

"""Chapter 23's exercises: any correct way passes, and values are what the rooms say."""

import pytest
import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.posttraining.dapo import dapo_loss
from course_lib.posttraining.grpo import group_advantages, grpo_loss, kl_penalty
from course_lib.posttraining.kl import k3
from course_lib.posttraining.log_probs import row_means


def test_the_wrong_one_of_five_is_the_rooms():
    rewards = torch.tensor([[1.0, 1, 1, 1, 0]], dtype=torch.float64)
    assert float(group_advantages(rewards)[-1]) == pytest.approx(get_exercise("23-grpo-1").solution, rel=2e-3)
    even = torch.tensor([[1.0, 1, 1, 0, 0]], dtype=torch.float64)
    sums = [float(group_advantages(each).abs().sum()) for each in (rewards, even)]
    assert sums == pytest.approx([3.58, 4.38], rel=2e-3)  # its follow-up


def test_shuffled_groups_are_the_rooms_where_all_are_of_one_size():
    exercise = get_exercise("23-grpo-2")
    rewards = torch.rand(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    question = torch.arange(3).repeat_interleave(4)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    found = exercise.solution(rewards.flatten()[order], question[order])
    torch.testing.assert_close(found, group_advantages(rewards)[order], rtol=2e-3, atol=0)

    def by_sums(rewards, question):
        same = (question[:, None] == question).double()
        n = same.sum(1)
        mean = same @ rewards / n
        std = ((same * (rewards - mean[:, None]) ** 2).sum(1) / (n - 1)).sqrt()
        equal = torch.stack([rewards[row > 0].unique().numel() == torch.tensor(1) for row in same])
        return torch.where(equal, 0.0, (rewards - mean) / std)

    assert judge(exercise, by_sums).passed
    assert pytest.approx(get_exercise("23-grpo-2-next").solution) == 0.9**4 + 0.1**4


def test_the_clipped_loss_is_dapos():
    exercise = get_exercise("23-grpo-3")

    def by_room(log_probs, old, advantages, mask, low, high):
        return dapo_loss(log_probs, old, advantages, mask, low=low, high=high)

    assert judge(exercise, by_room).passed


def test_one_step_asks_nothing_of_old():
    """The follow-up of 3: with ratio 1 both ways have one gradient."""
    chance = torch.Generator().manual_seed(0)
    old = -torch.rand(2, 3, dtype=torch.float64, generator=chance)
    now = old.clone().requires_grad_()
    mask, advantages = torch.ones(2, 3, dtype=torch.bool), torch.tensor([1.0, -1.0], dtype=torch.float64)
    kept, followed = (torch.autograd.grad(grpo_loss(now, x, advantages, mask), now)[0] for x in (old, now.detach()))
    torch.testing.assert_close(kept, followed)
    assert kept.abs().min() > 0


def test_the_penalty_is_the_rooms():
    exercise = get_exercise("23-grpo-4")

    def by_room(log_probs, reference, mask, beta):
        return row_means(kl_penalty(log_probs, reference, beta=beta), mask).mean()

    assert judge(exercise, by_room).passed
    d = torch.tensor(2.0).log()
    assert float(k3(d)) == pytest.approx(get_exercise("23-grpo-4-next").solution, abs=1e-3)


def test_strided_advantages_are_the_rooms_after_sorting():
    def by_room(rewards, P):
        return group_advantages(rewards.view(-1, P).T).view(P, -1).T.flatten()

    assert judge(get_exercise("23-grpo-5"), by_room).passed


def test_the_sum_over_a_question_tells_who_got_what_and_the_mean_does_not():
    """The follow-up of 5."""
    rewards = torch.tensor([5.0, 0, 6, 1, 7, 2], dtype=torch.float64)  # questions 0, 1, 0, 1, 0, 1
    wrong = group_advantages(rewards.view(2, 3))
    right = get_exercise("23-grpo-5").solution(rewards, 2)
    assert abs(float(wrong.mean())) < 1e-9 and abs(float(right.mean())) < 1e-9
    assert abs(float(wrong[::2].sum())) > 0.5 and abs(float(right[::2].sum())) < 1e-9


def test_groups_one_by_one_pass():
    def by_loops(losses, mask, G):
        means = []
        for at in range(0, len(losses), G):
            kept = [float(x) for x, m in zip(losses[at : at + G].flatten(), mask[at : at + G].flatten()) if m]
            means.append(sum(kept) / len(kept))
        return sum(means) / len(means)

    assert judge(get_exercise("23-grpo-6"), by_loops).passed


def test_what_an_answer_gets_by_either_denominator_is_the_rooms_gradient():
    mask = torch.arange(200) < torch.tensor([[20], [200], [60], [120]])
    now = torch.zeros(4, 200, dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([-0.5, -0.5, 0.5, 0.5], dtype=torch.float64)

    def pushed(loss):
        (gradient,) = torch.autograd.grad(loss(now, now.detach(), advantages, mask), now)
        return gradient.sum(1)

    short, long, *_ = (pushed(dapo_loss) / pushed(grpo_loss)).tolist()
    assert long == pytest.approx(get_exercise("23-grpo-7").solution)
    assert short == pytest.approx(get_exercise("23-grpo-7-next").solution)

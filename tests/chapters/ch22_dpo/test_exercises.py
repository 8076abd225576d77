"""Chapter 22's exercises: any correct way passes, and values are what the rooms say."""

from math import exp, log

import pytest
import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dpo import answer_scores, dpo_loss, implicit_rewards, margins
from course_lib.posttraining.reference import Reference
from course_lib.toys.three_answers import World, three_answers


def test_the_best_of_two_is_the_worlds():
    reference = torch.tensor([0.25, 0.75], dtype=torch.float64).log()
    world = World(reference, torch.tensor([0.5 * log(3), 0.0], dtype=torch.float64), 0.5)
    assert float(world.best.exp()[0]) == pytest.approx(get_exercise("22-dpo-1").solution)
    eager = World(reference, world.reward, 0.01)
    assert float(eager.best.exp()[0]) > 0.999


def test_hidden_scores_are_the_reward_up_to_its_zero():
    world = three_answers()
    found = get_exercise("22-dpo-2").solution(world.best, world.reference, world.beta)
    torch.testing.assert_close(found, world.reward - world.reference.exp() @ world.reward)
    assert 1 / (1 + exp(-0.1 * (12 - 5))) == pytest.approx(get_exercise("22-dpo-2-next").solution, abs=1e-3)

    def by_differences(policy, reference, beta):
        d = implicit_rewards(policy - reference, beta=beta)
        return torch.stack([((one - d) * reference.exp()).sum() for one in d])

    assert judge(get_exercise("22-dpo-2"), by_differences).passed


def test_the_loss_is_the_rooms():
    four = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    room = dpo_loss(four[0] - four[2], four[1] - four[3], beta=0.2)
    torch.testing.assert_close(get_exercise("22-dpo-3").solution(*four, 0.2), room)

    def by_rates(a, b, c, d, beta):
        odds = ((a - c) * beta).exp(), ((b - d) * beta).exp()
        return -(odds[0] / (odds[0] + odds[1])).log().mean()

    assert judge(get_exercise("22-dpo-3"), by_rates).passed
    assert log(3) / 0.1 == pytest.approx(get_exercise("22-dpo-3-next").solution, rel=0.01)


def test_margins_are_the_rooms():
    torch.manual_seed(0)
    policy, other = (GPT2(GPT2Config(n_vocab=9, d_model=8, n_layers=1, n_heads=2)).eval() for _ in range(2))
    ids = torch.randint(9, (4, 6))
    is_answer = torch.tensor([[False, False, True, True, False, False], [False, True, True, True, True, True]] * 2)
    batch = {"ids": ids, "is_token": torch.ones_like(is_answer), "is_answer": is_answer}
    reference = Reference(other)
    with torch.no_grad():
        d = answer_scores(policy, batch) - answer_scores(reference, batch)
        found = get_exercise("22-dpo-4").solution(policy(ids), reference(ids), ids, is_answer, 0.3)
    torch.testing.assert_close(found, margins(d[:2], d[2:], 0.3))

    def by_loops(logits, reference_logits, ids, is_answer, beta):
        def d(row):
            places = [t for t in range(ids.shape[1]) if is_answer[row, t]]
            one, other = (each[row].log_softmax(-1) for each in (logits, reference_logits))
            return sum(one[t - 1, ids[row, t]] - other[t - 1, ids[row, t]] for t in places)

        B = len(ids) // 2
        return torch.stack([beta * (d(row) - d(row + B)) for row in range(B)])

    assert judge(get_exercise("22-dpo-4"), by_loops).passed
    ids[2:, :2] = ids[:2, :2]  # one prompt of two tokens for both: counted or not, it cancels
    whole = torch.ones_like(is_answer)
    with torch.no_grad():
        both = policy(ids), reference(ids)
    alike = [get_exercise("22-dpo-4").solution(*both, ids, m, 0.3) for m in (whole, whole & (torch.arange(6) >= 2))]
    torch.testing.assert_close(*alike)


def test_training_with_a_copied_reference_passes_and_moves_as_the_room_says():
    exercise = get_exercise("22-dpo-5")

    def my_training(start, chosen, rejected, beta, lr, steps):
        policy = start.clone().requires_grad_()
        reference = policy.detach().clone()
        for _ in range(steps):
            d = policy.log_softmax(0) - reference.log_softmax(0)
            loss = dpo_loss(d[chosen], d[rejected], beta=beta)
            (gradient,) = torch.autograd.grad(loss, policy)
            policy.data -= lr * gradient
        return policy.detach().log_softmax(0)

    assert judge(exercise, my_training).passed


def test_the_pull_is_autograds():
    exercise = get_exercise("22-dpo-6")

    def by_autograd(logits, reference, chosen, rejected, beta):
        z = logits.clone().requires_grad_()
        d = z.log_softmax(0) - reference
        loss = dpo_loss(d[chosen][None], d[rejected][None], beta=beta)
        return torch.autograd.grad(loss, z)[0]

    assert judge(exercise, by_autograd).passed
    gradient = by_autograd(torch.zeros(4), torch.full((4,), 0.25).log(), 0, 1, 0.5)
    assert gradient[2:].tolist() == [0, 0]


def test_a_margin_adds_tokens():
    d = torch.tensor([20 * 0.05]), torch.tensor([40 * -0.02])
    assert float(margins(*d, 0.1)) == pytest.approx(get_exercise("22-dpo-7").solution)
    before, after = (dpo_loss(torch.tensor([a]), torch.tensor([b]), beta=0.1) for a, b in ((0.0, 0.0), (-3.0, -9.0)))
    assert after < before

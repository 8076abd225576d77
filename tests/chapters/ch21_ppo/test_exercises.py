"""Chapter 21's exercises: any correct way passes, and values are what the rooms say."""

import pytest
import torch

from course_lib.chapters.ch21_ppo.learning import reuse
from course_lib.course.exercises import get_exercise, judge
from course_lib.posttraining.log_probs import is_target
from course_lib.posttraining.ppo import penalised_rewards, policy_loss, surrogate, value_loss
from course_lib.toys.three_answers import three_answers


def test_the_objective_of_one_token_is_the_rooms():
    d = torch.tensor([0.28 / 0.4], dtype=torch.float64).log().requires_grad_()
    goal = surrogate(d, torch.tensor([-2.0], dtype=torch.float64), 0.2, 0.2)
    assert goal.item() == pytest.approx(get_exercise("21-ppo-1").solution)
    assert torch.autograd.grad(goal.sum(), d)[0].item() == 0 and get_exercise("21-ppo-1-next").solution == "A"


def test_the_pull_is_autograds():
    def by_autograd(log_probs, old, advantages, mask, clip):
        now = log_probs.clone().requires_grad_()
        return torch.autograd.grad(policy_loss(now, old, advantages, mask, clip=clip), now)[0]

    assert judge(get_exercise("21-ppo-2"), by_autograd).passed


def test_rewards_are_the_rooms():
    def by_the_room(score, old, reference, is_answer, beta):
        return penalised_rewards(score, old, reference, is_target(is_answer), beta=beta)

    assert judge(get_exercise("21-ppo-3"), by_the_room).passed
    old = torch.tensor([[-1.0, -1.0, -1.0, -1.5]])
    paid = penalised_rewards(torch.ones(1), old, torch.full((1, 4), -1.0), torch.ones(1, 4, dtype=torch.bool), beta=0.2)
    assert paid.sum().item() == pytest.approx(get_exercise("21-ppo-3-next").solution)


def test_training_is_the_rooms():
    exercise, world = get_exercise("21-ppo-4"), three_answers()
    drawn = world.reference.exp().multinomial(16, replacement=True, generator=torch.Generator().manual_seed(0))
    advantages = world.reward[drawn] - world.reward[drawn].mean()
    found = exercise.solution(world.reference, drawn, advantages, 0.2, 1.0, 16)
    torch.testing.assert_close(found, reuse("clip").log_probs[-1])

    def by_the_room(start, answers, advantages, clip, lr, epochs):
        z, old = start.clone(), start.log_softmax(0)[answers][:, None]
        for _ in range(epochs):
            z = z.detach().requires_grad_()
            now = z.log_softmax(0)[answers][:, None]
            loss = policy_loss(now, old, advantages[:, None], torch.ones_like(old, dtype=torch.bool), clip=clip)
            z = z - lr * torch.autograd.grad(loss, z)[0]
        return z.detach().log_softmax(0)

    assert judge(exercise, by_the_room).passed


def test_both_gradients_are_the_rooms():
    def by_the_room(log_probs, old, values, returns, clip, c):
        now, said = (each[None].clone().requires_grad_() for each in (log_probs, values))
        mask = torch.ones_like(now, dtype=torch.bool)
        policy = policy_loss(now, old[None], (returns - values)[None], mask, clip=clip)
        critic = value_loss(said, values[None], returns[None], mask, clip=float("inf"))
        return torch.cat(torch.autograd.grad(policy + c * critic, (now, said)))

    assert judge(get_exercise("21-ppo-5"), by_the_room).passed


def test_the_value_loss_is_the_rooms():
    def by_the_room(values, old, returns, mask, clip):
        return value_loss(values, old, returns, mask, clip=clip)

    assert judge(get_exercise("21-ppo-6"), by_the_room).passed
    one = [torch.tensor([[x]]) for x in (2.0, 1.0, 3.0)]
    loss = value_loss(*one, torch.ones(1, 1, dtype=torch.bool), clip=0.5)
    assert loss.item() == pytest.approx(get_exercise("21-ppo-6-next").solution)


def test_memory_is_counted_by_who_learns():
    sizes = {"actor": (3, True), "critic": (1, True), "reference": (3, False), "reward": (1, False)}
    held = {name: size * (16 if learns else 2) for name, (size, learns) in sizes.items()}
    assert sum(held.values()) == get_exercise("21-ppo-7").solution
    del held["actor"]
    assert max(held, key=held.get) == "critic"


@pytest.mark.parametrize("id", ["21-ppo-2", "21-ppo-4", "21-ppo-5"])
def test_clipping_removed_and_max_for_min_are_named(id):
    exercise = get_exercise(id)
    for name in ("no_clip" if id.endswith("2") else "free", "max"):
        mistake = next(each for each in exercise.mistakes if each.name == name)
        verdict = judge(exercise, mistake.answer)
        assert not verdict.passed and mistake.says in str(verdict)

"""One update: of a batch handed in, in pieces of any weight, several times on the same roll-out."""

import math

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from course_lib.training import loop
from course_lib.training.engine import train
from course_lib.training.pieces import Packed
from course_lib.training.step import Settings, Update


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0]]))

    def forward(self, x):
        return x @ self.weight.T


def squared(model, x):
    return model(x).square().mean()


def x(seed: int = 0, n: int = 8) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def settings(**more) -> Settings:
    return Settings(**{"steps": 6, "lr": 0.1} | more)


def gradient(model: nn.Module, batch, setting: Settings, **more) -> torch.Tensor:
    Update(model, setting, **more).gradient(batch)
    return model.weight.grad


def test_the_engine_calls_it_and_does_nothing_else_to_the_weights():
    first, second = Line(), Line()
    history = train(first, x, settings(), loss=squared).history
    update = Update(second, settings(), loss=squared)
    second.train()
    assert [update(x(step))[0] for step in range(6)] == history
    assert torch.equal(first.weight, second.weight) and update.done == 6


@pytest.mark.parametrize("accumulate", [1, 2, 3, 8])
def test_the_gradient_of_pieces_is_that_of_the_batch(accumulate):
    model = Line()
    squared(model, x()).backward()
    mine = gradient(Line(), x(), settings(accumulate=accumulate), loss=squared)
    torch.testing.assert_close(mine, model.weight.grad)


def flat_squared(model, batch: Packed):
    return model(batch.flat).square().mean()


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_packed_rows_weigh_what_they_hold(accumulate):
    batch = Packed(x(), torch.tensor([3, 0, 4, 1]))
    model = Line()
    squared(model, x()).backward()
    mine = gradient(
        Line(), batch, settings(accumulate=accumulate), loss=flat_squared, weigh=lambda batch: len(batch.flat)
    )
    torch.testing.assert_close(mine, model.weight.grad)


def counted_mean(model, batch):
    """Mean over the rows that count; of none it is 0 / 0."""
    values, counts = batch
    return (model(values).square()[:, 0] * counts).sum() / counts.sum()


@pytest.mark.parametrize("lone", range(4))
def test_a_piece_of_weight_0_adds_0(lone):
    """Wherever it stands: all of the weight in one of four pieces, 0 / 0 in the others."""
    counts = torch.zeros(8)
    counts[2 * lone : 2 * lone + 2] = 1
    model = Line()
    counted_mean(model, (x(), counts)).backward()
    one, four = Line(), settings(accumulate=4)
    update = Update(one, four, loss=counted_mean, weigh=lambda batch: batch[1].sum().item())
    value, _ = update.gradient((x(), counts))
    torch.testing.assert_close(one.weight.grad, model.weight.grad)
    assert value == pytest.approx(counted_mean(model, (x(), counts)).item())


def test_a_batch_that_weighs_nothing_is_refused():
    update = Update(Line(), settings(), loss=counted_mean, weigh=lambda batch: batch[1].sum().item())
    with pytest.raises(ValueError, match=r"weighs 0\.0; some of it must count"):
        update((x(), torch.zeros(8)))


def test_several_updates_on_one_roll_out_with_figures_to_log():
    """PPO in small: the policy makes the batch, several updates on it, figures are logged."""
    torch.manual_seed(0)
    policy = nn.Linear(2, 3)

    def loss(policy, batch):
        states, actions, old, advantages = batch
        ratio = (policy(states).log_softmax(-1).gather(1, actions[:, None])[:, 0] - old).exp()
        return -(ratio * advantages).mean(), {
            "ratio": ratio.mean(),
            "clipped": (ratio - 1).abs().gt(0.2).float().mean(),
        }

    update = Update(policy, Settings(steps=4, lr=0.1, weight_decay=0.0, accumulate=2), loss=loss)
    states = x(0, 8)
    with torch.no_grad():
        law = policy(states).log_softmax(-1)
    actions = law.exp().multinomial(1, generator=torch.Generator().manual_seed(0))[:, 0]
    rollout = states, actions, law.gather(1, actions[:, None])[:, 0], torch.ones(8)
    said = [update(rollout) for _ in range(4)]
    assert said[0][0] == pytest.approx(-1) and said[0][1] == pytest.approx({"ratio": 1, "clipped": 0})
    for value, figures in said:
        assert value == pytest.approx(-figures["ratio"], abs=1e-6), "figures are means over the whole batch"
    assert said[-1][1]["ratio"] > 1.01, "what was done becomes likelier"
    with pytest.raises(ValueError, match="all 4 updates of the settings are done"):
        update(rollout)


def test_the_engine_keeps_the_figures(tmp_path):
    def loss(model, batch):
        value = squared(model, batch)
        return value, {"root": value.sqrt()}

    path = tmp_path / "run"
    whole = train(Line(), x, settings(accumulate=2), loss=loss)
    assert len(whole.figures["root"]) == 6
    train(Line(), x, settings(accumulate=2), loss=loss, path=path, stop=3)
    assert train(Line(), x, settings(accumulate=2), loss=loss, path=path) == whole


@pytest.mark.parametrize("trainer", ["engine", "loop"])
@pytest.mark.parametrize("clip", [0.01, 0.5, math.inf])
def test_no_step_is_made_on_a_longer_gradient_than_clip_says(trainer, clip):
    norms = []

    def look(optimizer, *_):
        norms.append(torch.cat([p.grad.flatten() for g in optimizer.param_groups for p in g["params"]]).norm().item())

    hook = register_optimizer_step_pre_hook(look)
    try:
        if trainer == "engine":
            train(Line(), x, settings(clip=clip), loss=squared)
        else:
            loop.train(Line(), map(x, range(6)), steps=6, lr=0.1, loss=squared, clip=clip)
    finally:
        hook.remove()
    if clip < math.inf:
        assert norms == pytest.approx([clip] * 6, rel=1e-3)
    else:
        assert min(norms) > 0.5


def test_a_gradient_that_is_no_number_never_reaches_the_weights():
    """The square root of 0 is 0, its slope is not."""
    model = Line()
    with pytest.raises(FloatingPointError, match="gradient's norm is nan at step 0"):
        train(model, x, settings(), loss=lambda model, x: (model(x) * 0).square().sum().sqrt())
    assert torch.equal(model.weight, Line().weight)

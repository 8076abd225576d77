"""The loop learns, steps as it says, and loses nothing when it is interrupted."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

import course_lib
from course_lib.training.loop import next_token_loss, next_token_losses, train, warmup_cosine


def squared(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return (model(batch) - 3 * batch.sum(-1, keepdim=True)).square().mean()


def batches(n: int) -> torch.Tensor:
    return torch.randn(n, 16, 2, generator=torch.Generator().manual_seed(0))


def test_it_learns_what_can_be_learned():
    torch.manual_seed(0)
    history = train(nn.Linear(2, 1), batches(300), steps=300, lr=0.1, loss=squared)
    assert len(history) == 300
    assert history[0] > 1
    assert history[-1] < 1e-3


def test_the_same_seed_gives_the_same_history():
    runs = []
    for _ in range(2):
        torch.manual_seed(1)
        runs.append(train(nn.Linear(2, 1), batches(20), steps=20, lr=0.1, loss=squared))
    assert runs[0] == runs[1]


def test_schedule_climbs_to_the_peak_and_falls_to_zero():
    shares = [warmup_cosine(step, 200) for step in range(200)]
    assert shares[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(shares) == shares[9] == shares[10] == 1
    assert all(after < before for before, after in pairwise(shares[10:]))
    assert shares[105] == pytest.approx(0.5)
    assert shares[-1] < 1e-3


def stop_after_five(steps):
    for step in steps:
        if step == 5:
            raise KeyboardInterrupt
        yield step


def test_an_interrupted_run_returns_what_was_done():
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    with pytest.warns(UserWarning, match="interrupted: 5 of 10 steps are done"):
        history = train(model, batches(10), steps=10, lr=0.1, loss=squared, progress=stop_after_five)
    torch.manual_seed(0)
    whole = nn.Linear(2, 1)
    assert history == train(whole, batches(10), steps=10, lr=0.1, loss=squared)[:5]
    assert not torch.equal(model.weight, whole.weight)


def test_with_a_list_of_your_own_the_interrupt_goes_on():
    """As an experiment needs it: nothing must be measured on a model that is half trained."""
    history = []
    with pytest.raises(KeyboardInterrupt):
        train(nn.Linear(2, 1), batches(10), steps=10, lr=0.1, loss=squared, progress=stop_after_five, history=history)
    assert len(history) == 5


def test_the_course_itself_never_goes_on_with_a_half_trained_model():
    """Every call of the loop in course_lib hands in a list."""
    calls = 0
    for file in Path(course_lib.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = [
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "course_lib.training.loop"
            for alias in node.names
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "train" and "train" in imported:
                calls += 1
                assert "history" in [each.arg for each in node.keywords], f"{file.name}:{node.lineno}"
    assert calls > 10


def test_a_loss_that_is_no_number_stops_the_training_before_it_does_harm():
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 0; lower lr \(0\.1\)"):
        train(model, batches(3), steps=3, lr=0.1, loss=lambda model, batch: squared(model, batch) * float("nan"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_one_wild_batch_does_not_stop_the_learning():
    torch.manual_seed(0)
    wild = batches(200)
    wild[0] *= 1e6
    history = train(nn.Linear(2, 1), wild, steps=200, lr=0.1, loss=squared)
    assert history[0] > 1e9
    assert history[-1] < 1e-2


def test_too_few_batches_or_steps_are_refused_with_numbers():
    with pytest.raises(ValueError, match="after 3 of 4 steps"):
        train(nn.Linear(2, 1), batches(3), steps=4, lr=0.1, loss=squared)
    with pytest.raises(ValueError, match=r"steps \(0\)"):
        train(nn.Linear(2, 1), batches(3), steps=0, lr=0.1, loss=squared)


def test_next_token_losses_are_the_surprise_at_the_token_that_follows():
    logits = torch.randn(2, 5, 7)
    ids = torch.randint(7, (2, 5))
    losses = next_token_losses(logits, ids)
    assert losses.shape == (2, 4)
    for text in range(2):
        for t in range(4):
            expected = -logits[text, t].log_softmax(-1)[ids[text, t + 1]]
            torch.testing.assert_close(losses[text, t], expected)
    torch.testing.assert_close(next_token_loss(lambda _: logits, ids), losses.mean())

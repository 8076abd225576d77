"""Post-training on one process and on two: the same curves; and GRPO goes on where it was broken off."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from course_lib.posttraining import on_policy
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.rollout import left_padded, roll_out
from course_lib.training import checkpoint
from course_lib.training.distributed import World
from course_lib.training.step import Settings, Update

SCRIPT = Path(__file__).parent / "two_processes.py"
spec = importlib.util.spec_from_file_location("post_training_in_two", SCRIPT)
two = importlib.util.module_from_spec(spec)
spec.loader.exec_module(two)


@pytest.fixture(scope="module")
def one():
    """What one process measures."""
    return two.measured(World())


@pytest.mark.parametrize(("by", "strategy"), [("torchrun", "ddp"), ("torchrun", "fsdp"), ("accelerate", "ddp")])
def test_two_processes_give_the_curve_of_one(by, strategy, one, tmp_path, launch):
    """SFT, DPO, GRPO, and DAPO's loss with two updates a round; an interrupted GRPO goes on to the bit."""
    launch(SCRIPT, tmp_path / "out", strategy, by=by)
    found = json.loads((tmp_path / f"{strategy}.json").read_text())
    assert (found["size"], one["size"]) == (2, 1)
    for name in one.keys() - {"size"}:
        assert found[name] == pytest.approx(one[name], rel=2e-5, abs=2e-6), name
    assert found["resumed"] == found["grpo"]
    assert one["grpo reward"][-1] > one["grpo reward"][0] + 0.3  # it learns


def test_after_ctrl_c_it_goes_on_to_the_bit(one, tmp_path):
    """With its generators and with its reference, though it is built anew with others."""
    path = tmp_path / "run.safetensors"
    run = two.interrupted(World(), path)
    assert run.history == one["grpo"] and run.figures["reward"] == one["grpo reward"] and not run.interrupted
    kept, _ = checkpoint.read(path)
    for name, tensor in two.gpt().state_dict().items():
        assert torch.equal(kept[f"reference.model.{name}"], tensor)
        assert not torch.equal(kept[f"policy.{name}"], tensor)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [("raises", ZeroDivisionError, "division"), ("nan", ValueError, r"rewards\[0, 2\] is nan")],
)
def test_a_reward_that_fails_stops_the_run_before_it_learns_and_it_goes_on_when_mended(
    wrong, error, message, one, tmp_path
):
    path, calls = tmp_path / "run.safetensors", []

    def failing(answer: list[int]) -> float:
        calls.append(answer)
        if len(calls) == 2 * len(two.PROMPTS) * two.G + 3:  # in the third round
            return 1 / 0 if wrong == "raises" else float("nan")
        return two.score(answer)

    with pytest.raises(error, match=message):
        two.grpo(World(), path=path, score=failing)
    assert checkpoint.read(path)[1]["history"] == one["grpo"][:2]
    assert two.grpo(World(), path=path).history == one["grpo"]


def test_several_updates_a_round_are_resumed_between_rounds_alone(tmp_path):
    path = tmp_path / "run.safetensors"
    whole = two.grpo(World(), epochs=2).history
    calls = []

    def failing(answer: list[int]) -> float:
        calls.append(answer)
        if len(calls) > 2 * len(two.PROMPTS) * two.G:
            raise RuntimeError("no")
        return two.score(answer)

    with pytest.raises(RuntimeError, match="no"):
        two.grpo(World(), path=path, epochs=2, score=failing)
    with pytest.raises(ValueError, match="after 4 updates, in the middle of a round of 8; use its epochs"):
        two.grpo(World(), path=path, epochs=8)
    assert two.grpo(World(), path=path, epochs=2).history == whole


def test_an_evaluation_changes_nothing(one):
    """Each second round and at the end, with the number of updates done; what it draws is put back."""
    modes = []

    def evaluate(learners: nn.Module) -> dict[str, float]:
        modes.append(learners.training)
        torch.rand(1)
        return {"weight": float(learners["policy"].norm_out.weight.sum())}

    run = two.grpo(World(), evaluate=evaluate, evaluate_every=3)
    assert run.history == one["grpo"] and modes == [False] * 3
    assert [done for done, _ in run.evaluations] == [3, 6, 8] and len(
        {said["weight"] for _, said in run.evaluations}
    ) == 3
    run = two.grpo(World(), epochs=2, evaluate=evaluate, evaluate_every=3)
    assert [done for done, _ in run.evaluations] == [6, 8]


def test_the_bar_counts_rounds_and_says_what_was_written(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(on_policy, "QUIET_SECONDS", 0)
    two.grpo(World(), epochs=2, path=tmp_path / "run.safetensors")
    said = capsys.readouterr().err
    assert "4/4" in said and "reward=" in said
    two.grpo(World(), epochs=2, progress=False)
    assert not capsys.readouterr().err


def stepped(prompts: list[list[int]], earned, *, end: int | None = two.END, tilt=None):
    """A policy before and after one update without weight decay on answers to the prompts, and these."""
    policy = two.gpt()
    if tilt is not None:
        tilt(policy)
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    prompt, is_token = left_padded(prompts, two.END)
    written = roll_out(
        policy, prompt, is_token=is_token, n=4, limit=5, end=end, generator=torch.Generator().manual_seed(0)
    )
    rewards = torch.tensor([float(earned(answer)) for answer in written.answers()]).view(-1, 4)
    batch = written.batch(advantages=group_advantages(rewards))
    update = Update(
        policy,
        Settings(steps=1, lr=0.01, weight_decay=0.0),
        loss=lambda model, batch: on_answers(model, batch, loss=grpo_loss),
    )
    value, _ = update(batch)
    return before, policy.state_dict(), written, value


def test_groups_of_equal_rewards_move_nothing():
    before, after, _, value = stepped(two.PROMPTS, lambda answer: 0.7)
    assert value == 0 and all(torch.equal(after[name], tensor) for name, tensor in before.items())
    before, after, *_ = stepped(two.PROMPTS, two.score)
    assert not any(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_empty_answers_are_learned_from():
    """An answer of its end alone; where it pays to say nothing, the end becomes likelier as the first word."""

    def silent(policy: nn.Module) -> None:
        policy.norm_out.bias.data += 2 * policy.embedding.weight.data[two.END]

    def first_end(weights: dict) -> float:
        policy = two.gpt()
        policy.load_state_dict(weights)
        prompt, is_token = left_padded(two.PROMPTS, two.END)
        return policy(prompt, is_token=is_token)[:, -1].softmax(-1)[:, two.END].mean().item()

    before, after, written, _ = stepped(two.PROMPTS, lambda answer: not answer, tilt=silent)
    lengths = torch.tensor([len(answer) for answer in written.answers()])
    assert 5 < lengths.eq(0).sum() < 27 and (written.is_answer.sum(1)[lengths == 0] == 1).all()
    assert first_end(after) > first_end(before)


def test_answers_cut_at_the_limit_are_learned_from_to_their_last_word():
    _, after, written, _ = stepped(two.PROMPTS, two.score, end=None)
    assert written.is_answer.sum(1).eq(5).all() and {len(answer) for answer in written.answers()} == {5}
    assert all(tensor.isfinite().all() for tensor in after.values())
    _, _, written, _ = stepped(two.PROMPTS, two.score)
    assert written.is_cut.any() and (written.is_answer.sum(1)[written.is_cut] == 5).all()


def test_prompts_of_different_lengths_learn_as_each_by_itself():
    """pad is the end, which prompts and answers hold too; and parts of different widths are joined without a change."""
    policy, losses, rows = two.gpt().double(), [], []
    for prompt in [[1, 2, two.END], [9], [5, 5, two.END, 8, 8]]:
        ids, is_token = left_padded([prompt], two.END)
        written = roll_out(
            policy, ids, is_token=is_token, n=4, limit=5, end=two.END, generator=torch.Generator().manual_seed(1)
        )
        rows.append(written.batch(advantages=torch.tensor([1.0, -1.0, 0.5, -0.5], dtype=torch.float64)))
        losses.append(on_answers(policy, rows[-1], loss=grpo_loss)[0])
    together = {name: on_policy.joined(World(), [row[name] for row in rows]) for name in rows[0]}
    loss, _ = on_answers(policy, together, loss=grpo_loss)
    apart = torch.autograd.grad(sum(losses) / 3, list(policy.parameters()))
    for one, other in zip(torch.autograd.grad(loss, list(policy.parameters())), apart):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (dict(parts=0), r"parts \(0\) must be at least 1"),
        (dict(epochs=3), r"steps \(8\) of epochs \(3\)"),
        (dict(every=0), r"every \(0\) must be at least 1"),
        (dict(evaluate_every=0), r"evaluate_every \(0\) must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    update = Update(two.gpt(), two.SETTINGS)
    with pytest.raises(ValueError, match=message):
        on_policy.train(update, lambda n, part, draw: ({}, {}), **call)


def test_parts_are_shared_by_the_processes():
    update = Update(two.gpt(), two.SETTINGS)
    update.world = World(size=2)
    with pytest.raises(ValueError, match=r"parts \(3\) must be a multiple of the processes \(2\)"):
        on_policy.train(update, lambda n, part, draw: ({}, {}), parts=3)


def test_every_part_of_every_round_draws_by_itself():
    update, seeds = Update(two.gpt(), two.SETTINGS), []

    def write(n: int, part: int, draw: torch.Generator):
        seeds.append(draw.initial_seed())
        return {"ids": torch.full((1, 2), part)}, {"part": part}

    for seed in range(3):
        for n in range(4):
            batch, figures = on_policy.written(update, write, n, 3, seed)
            assert batch["ids"].tolist() == [[0, 0], [1, 1], [2, 2]] and figures == {"part": 1}
    assert len(set(seeds)) == len(seeds) == 36

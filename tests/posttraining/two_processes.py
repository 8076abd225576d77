"""What test_on_policy runs in one process, and starts in two: torchrun … two_processes.py OUT STRATEGY."""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining import on_policy
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.dapo import dapo_loss
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.log_probs import token_log_probs
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rollout import left_padded, roll_out
from course_lib.posttraining.sft import n_targets, padded, sft_loss
from course_lib.posttraining.shared_prefix import SharedPrefix
from course_lib.training.distributed import World, join
from course_lib.training.engine import Run, train
from course_lib.training.step import Settings, Update

STEPS, G, END, GOOD, LIMIT, PARTS = 8, 4, 0, 3, 5, 4
PROMPTS = [[1, 2], [9], [5, 5, 2], [1, 7], [8, 8, 8, 8], [4], [2, 6], [3, 9]]
SETTINGS = Settings(steps=STEPS, lr=0.01)


def gpt(seed: int = 0) -> GPT2:
    torch.manual_seed(seed)
    return GPT2(GPT2Config(n_vocab=10, context=12, d_model=16, n_layers=2, n_heads=2))


def answered(step: int, side: int = 0) -> dict[str, torch.Tensor]:
    """Eight prompts with answers of one to five words."""
    draw = torch.Generator().manual_seed(2 * step + side)
    rows = []
    for prompt in PROMPTS:
        words = torch.randint(1, 10, (int(torch.randint(1, 6, (), generator=draw)),), generator=draw).tolist()
        rows.append(Rendered(prompt + words, [False] * len(prompt) + [True] * len(words)))
    return padded(rows, END)


def sft(world: World) -> Run:
    return train(gpt(), answered, SETTINGS, loss=sft_loss, weigh=n_targets, world=world, progress=False)


def dpo(world: World) -> Run:
    reference = Reference(gpt(1))

    def pairs(step: int) -> dict:
        sides = {name: answered(step, side) for side, name in enumerate(("chosen", "rejected"))}
        return {name: each | {"reference": answer_scores(reference, each)} for name, each in sides.items()}

    return train(gpt(), pairs, SETTINGS, loss=partial(on_pairs, loss=dpo_loss), world=world, progress=False)


def score(answer: list[int]) -> float:
    """Share of the good word among five places."""
    return answer.count(GOOD) / LIMIT


def grpo(
    world: World,
    *,
    policy: GPT2 | None = None,
    reference: GPT2 | None = None,
    score=score,
    epochs=1,
    loss=grpo_loss,
    **more,
) -> Run:
    """Eight rounds, or four of two updates. policy, reference: what they begin as. With DAPO's loss a group's prompt is
    read once."""
    policy = gpt() if policy is None else policy
    learners = nn.ModuleDict({"policy": policy, "reference": Reference(policy if reference is None else reference)})

    def objective(learners, batch):
        reads = SharedPrefix(learners["policy"], G) if loss is dapo_loss else learners["policy"]
        return on_answers(reads, batch, loss=loss, beta=0.1)

    def write(n: int, part: int, draw: torch.Generator):
        size = len(PROMPTS) // PARTS
        prompt, is_token = left_padded(PROMPTS[part * size : (part + 1) * size], END)
        written = roll_out(policy, prompt, is_token=is_token, n=G, limit=LIMIT, end=END, generator=draw)
        earned = torch.tensor([score(answer) for answer in written.answers()])
        said = token_log_probs(learners["reference"](written.ids, is_token=written.is_token), written.ids)
        batch = written.batch(advantages=group_advantages(earned.view(-1, G)), reference=said)
        return batch, {"reward": float(earned.mean())}

    weigh = n_targets if loss is dapo_loss else None
    update = Update(learners, SETTINGS, loss=objective, weigh=weigh, world=world)
    return on_policy.train(update, write, parts=PARTS, epochs=epochs, **more)


def measured(world: World) -> dict:
    """Losses, and what answers earned, by name."""
    found = {"size": world.size, "sft": sft(world).history, "dpo": dpo(world).history}
    for name, more in {"grpo": {}, "dapo twice": dict(epochs=2, loss=dapo_loss)}.items():
        run = grpo(world, **more)
        found |= {name: run.history, f"{name} reward": run.figures["reward"]}
    return found


def interrupted(world: World, path: Path) -> Run:
    """GRPO, to whose first process somebody says Ctrl-C in the fourth round; then what goes on from there."""
    calls, wanted = [], 4 * len(PROMPTS) * G // world.size

    def interrupting(answer: list[int]) -> float:
        calls.append(answer)
        if world.rank == 0 and len(calls) == wanted:
            os.kill(os.getpid(), signal.SIGINT)
        return score(answer)

    first = grpo(world, path=path, score=interrupting)
    assert first.interrupted and len(first.history) == 4, first
    return grpo(world, path=path, policy=gpt(7), reference=gpt(8))


if __name__ == "__main__":
    out = Path(sys.argv[1])
    with join(sys.argv[2], device="cpu") as world:
        path = out.with_name(f"{world.strategy}.safetensors")
        found = measured(world) | {"resumed": interrupted(world, path).history}
        if world.rank == 0:
            path.with_suffix(".json").write_text(json.dumps(found))

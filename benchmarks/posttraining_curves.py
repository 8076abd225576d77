"""Do our GRPO and DPO reach the reward of TRL's? `OMP_NUM_THREADS=1 python benchmarks/posttraining_curves.py`

The same small GPT-2, weights, texts, steps, optimizer and learning rates for both; each seed other weights and draws.
GRPO: the reward of the answers it wrote, over the steps. DPO: the loss over the steps, where both see the same batches.
For both, at the end: the mean reward of fresh answers to the prompts, written by our roll-out with either's weights.
`within`: the difference of the means over its standard error, from the spread over the seeds.
"""

import os
import statistics
import tempfile
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from common import arguments, keep, machine
from peers import gpt2_twin
from posttraining import BETA, END, GROUP, PAD, WORDS, Ours, Task, V, early, early_completions, encode, spaced
from torch import nn

from course_lib.hub import load_gpt2
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.rollout import left_padded, roll_out
from course_lib.training.loop import warmup_cosine

LR, STEPS = 2e-3, 60
ROWS, SEEDS = {"GRPO": 32, "DPO": 96}, {"GRPO": 5, "DPO": 3}  # rows: see Task
CONFIG = GPT2Config(n_vocab=V, context=64, d_model=32, n_layers=2, n_heads=4, init_std=0.02)


def earned(policy: GPT2, task: Task, seed: int) -> float:
    """Mean reward of fresh answers: 16 to each prompt."""
    ids, is_token = left_padded([encode(prompt) for prompt in task.prompts], PAD)
    draw = torch.Generator().manual_seed(1000 + seed)
    written = roll_out(policy, ids, is_token=is_token, n=16, limit=task.length, end=END, generator=draw)
    return statistics.mean(early(" ".join(WORDS[i] for i in answer)) for answer in written.answers())


def optimizers(model: nn.Module, steps: int) -> tuple:
    """Ours, for TRL's model: betas, decay of matrices alone, warm-up and cosine."""
    tables = {id(model.transformer.wte.weight), id(model.transformer.wpe.weight)}
    matrices = [p for p in model.parameters() if p.ndim > 1 and id(p) not in tables]
    rest = [p for p in model.parameters() if p.ndim < 2 or id(p) in tables]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.95))
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, steps))


class Trainings:
    """Both sides' trainings from the weights of one seed. Each: curves of both, and policies at the end of both."""

    def __init__(self, task: Task, seed: int, steps: int, folder: Path):
        from trl_peers import Peers

        torch.manual_seed(seed)
        self.task, self.seed, self.steps, self.folder = task, seed, steps, folder
        start = GPT2(task.config)
        self.ours = Ours(task, start, "fp32", steps, lr=LR, seed=seed)
        self.peers = Peers(gpt2_twin(start), WORDS, folder, steps=steps, optimizers=partial(optimizers, steps=steps))

    def grpo(self) -> tuple[dict[str, list[float]], dict[str, GPT2]]:
        """Curves: the mean reward of the answers that a step wrote."""
        policy, rewards = self.ours.model(), []
        step, _ = self.ours.grpo(policy)
        curve = [step() for _ in range(self.steps)]

        def reward(completions: list[str], **_) -> list[float]:
            found = early_completions(completions)
            rewards.append(statistics.mean(found))
            return found

        trainer = self.peers.grpo(self.task.groups, GROUP, self.task.length, reward, BETA, self.seed)
        trainer.train()
        return {"ours": curve, "trl": rewards}, {"ours": policy, "trl": self.read(trainer)}

    def dpo(self) -> tuple[dict[str, list[float]], dict[str, GPT2]]:
        """Curves: the loss. Both learn from all pairs at each step."""
        from trl_peers import watched

        policy = self.ours.model()
        step = self.ours.dpo(policy)
        curve = [step()[0] for _ in range(self.steps)]
        trainer = self.peers.dpo(spaced(self.task.pairs))
        losses = watched(trainer)
        trainer.train()
        return {"ours": curve, "trl": losses}, {"ours": policy, "trl": self.read(trainer)}

    def read(self, trainer) -> GPT2:
        """Our model with the weights of its."""
        trainer.model.save_pretrained(self.folder / "after")
        return load_gpt2(self.folder / "after")


def both(way: str, task: Task, seed: int, steps: int) -> dict:
    """One seed of both sides: rewards before and at the end, and the curves."""
    with tempfile.TemporaryDirectory() as folder:
        trainings = Trainings(task, seed, steps, Path(folder))
        before = earned(trainings.ours.model(), task, seed)
        curves, policies = getattr(trainings, way.lower())()
    return {
        "before": before,
        "curve": curves,
        "end": {who: earned(policy, task, seed) for who, policy in policies.items()},
    }


def summary(way: str, found: list[dict]) -> dict:
    """found: of each seed what `both` says."""
    ends = {who: [each["end"][who] for each in found] for who in ("ours", "trl")}
    error = (statistics.mean(statistics.variance(each) for each in ends.values()) * 2 / len(found)) ** 0.5
    difference = statistics.mean(ends["ours"]) - statistics.mean(ends["trl"])
    sides = {
        who: {
            "end": [round(each, 4) for each in ends[who]],
            "curve": [round(statistics.mean(at), 4) for at in zip(*(each["curve"][who] for each in found))],
        }
        for who in ends
    }
    return {"way": way, **sides, "difference": round(difference, 4), "within": round(abs(difference) / error, 2)}


def main() -> None:
    options = arguments(__doc__)
    os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    warnings.filterwarnings("ignore")
    steps, seeds = (2, dict.fromkeys(SEEDS, 2)) if options.quick else (STEPS, SEEDS)
    tasks = {way: Task("L2 d32", CONFIG, rows=8 if options.quick else n) for way, n in ROWS.items()}
    found = {way: [both(way, task, seed, steps) for seed in range(seeds[way])] for way, task in tasks.items()}
    rows = [summary(way, each) for way, each in found.items()]
    before = [each["before"] for several in found.values() for each in several]
    settings = {"steps": steps, "seeds": seeds, "lr": LR, "beta": {"GRPO": BETA, "DPO": 0.1}}
    settings |= {"trl": version("trl"), "before": round(statistics.mean(before), 4)}
    keep({"machine": machine(), "settings": settings, "rewards": rows}, "posttraining_curves", options)
    for row in rows:
        each = "  ".join(f"{who} {statistics.mean(row[who]['end']):.3f} {row[who]['end']}" for who in ("ours", "trl"))
        print(f"{row['way']} reward {settings['before']} → {each}: apart by {row['within']} standard errors")


if __name__ == "__main__":
    main()

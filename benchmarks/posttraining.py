"""How fast SFT, DPO, GRPO and PPO go beside TRL: `OMP_NUM_THREADS=1 python benchmarks/posttraining.py`, three minutes.

One step of each on GPT-2s of the same weights, from texts to changed weights: ours through training/step.py's Update,
TRL's by its own trainers, see trl_peers.py. SFT: prompts with answers, which ours packs into rows. DPO: pairs, the
reference asked before training by both. GRPO: groups of answers, one update on them, β 0.04 with a reference. In
these two ours reads a prompt once for all its answers. PPO: an answer to each prompt, four updates of actor and critic,
with a reference and a reward model. In GRPO and PPO `roll_out` is the writing of the answers, `update` all the rest of
the step: rewards, reference, critic, losses, gradients, optimizer. All in float32, and in bf16 autocast where
precision.py measures that it pays here; each side writes its answers as it does.
`share_of_peak`: the products of our step (by torch's flop_counter) over what one 1024³ product reaches in that type in
the same run. TRL's time is held against the same number: 1 / its share is the most that anybody could be ahead without
computing less than we do.
"""

import gc
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from io import StringIO
from itertools import product
from pathlib import Path

import torch
from common import arguments, keep, machine, seconds, three_digits
from peers import gpt2_twin
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.dpo import answer_scores, dpo_loss
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.packing import packed, packed_loss
from course_lib.posttraining.paired import neighbours, on_neighbours
from course_lib.posttraining.ppo import Critic, FourModels, judge, ppo_loss
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.reward_model import RewardModel
from course_lib.posttraining.rewards import Rewards
from course_lib.posttraining.rollout import left_padded, roll_out
from course_lib.posttraining.sft import n_targets
from course_lib.posttraining.shared_prefix import SharedPrefix
from course_lib.training.precision import best_dtype, cpu_gain
from course_lib.training.step import DTYPES, Settings, Update

V, END, PAD = 256, 0, 1
WORDS = ["[END]", "[PAD]", *(f"w{i}" for i in range(2, V))]
BETA, EPOCHS, GROUP = 0.04, 4, 8
WAYS = ("SFT", "DPO", "GRPO", "PPO")


@dataclass(frozen=True)
class Task:
    """A model and what it is asked. rows: texts of SFT, pairs of DPO, and half of the answers that GRPO and PPO write.
    A prompt has half of `length` words up to `length`, a given answer a quarter of it up to it, a written one as many
    as the model wants up to it."""

    name: str
    config: GPT2Config
    rows: int = 32
    length: int = 16

    @cached_property
    def prompts(self) -> list[str]:
        """One for each answer of PPO."""
        spread = self.length // 2 + 1
        return [texts(self.length // 2 + i % spread, i) for i in range(2 * self.rows)]

    @property
    def groups(self) -> list[str]:
        """One for each group of GRPO: as many answers in all."""
        return self.prompts[: 2 * self.rows // GROUP]

    def answer(self, seed: int) -> str:
        least = self.length // 4
        return texts(least + seed * 7 % (self.length - least + 1), seed)

    @cached_property
    def pairs(self) -> list[dict[str, str]]:
        """To each of the first prompts the best and the worst of eight answers."""
        tried = ([self.answer(10_000 + 8 * i + j) for j in range(8)] for i in range(self.rows))
        return [
            {"prompt": prompt, "chosen": max(answers, key=early), "rejected": min(answers, key=early)}
            for prompt, answers in zip(self.prompts, tried)
        ]


TASKS = (
    Task("L4 d128", GPT2Config(n_vocab=V, context=64, d_model=128, n_layers=4, n_heads=4, init_std=0.02)),
    Task("L2 d64", GPT2Config(n_vocab=V, context=64, d_model=64, n_layers=2, n_heads=4, init_std=0.02)),
)
QUICK = (Task("L1 d16", GPT2Config(n_vocab=V, context=16, d_model=16, n_layers=1, n_heads=2), rows=8, length=4),)


def texts(n: int, seed: int) -> str:
    draw = torch.Generator().manual_seed(seed)
    return " ".join(WORDS[i] for i in torch.randint(2, V, (n,), generator=draw))


def encode(text: str) -> list[int]:
    return [int(word[1:]) for word in text.split()]


def early(answer: str, _: object = None) -> float:
    """The reward: the share of words in the first half of the vocabulary."""
    words = answer.split()
    return sum(word[1:].isdigit() and int(word[1:]) < V // 2 for word in words) / max(1, len(words))


def early_completions(completions: list[str], **_) -> list[float]:
    """The same, as TRL asks for it."""
    return [early(each) for each in completions]


class Timed:
    """A function that notes how many seconds each of its calls took, on the benchmark's clock."""

    def __init__(self, run: Callable):
        self.run, self.seconds = run, []
        self.clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter

    def __call__(self, *args, **kwargs):
        start = self.clock()
        found = self.run(*args, **kwargs)
        self.seconds.append(self.clock() - start)
        return found


class Products(TorchDispatchMode):
    """Within it, total counts the multiplications and additions of all matrix products."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=found)
        return found


class Ours:
    """Our step of each way: functions without arguments; for GRPO and PPO with the timed roll-out beside."""

    def __init__(self, task: Task, start: GPT2, kind: str, steps: int, *, lr: float = 3e-4, seed: int = 0):
        self.task, self.start, self.steps, self.kind, self.lr, self.seed = task, start, steps, kind, lr, seed
        self.rewards = Rewards({"early": (1.0, early)})

    def model(self) -> GPT2:
        found = GPT2(self.task.config)
        found.load_state_dict(self.start.state_dict())
        return found

    def update(self, model: nn.Module, loss: Callable, weigh: Callable | None = None, each: int = 1) -> Update:
        return Update(model, Settings(steps=each * self.steps, lr=self.lr, precision=self.kind), loss=loss, weigh=weigh)

    def said(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Log-probabilities of a frozen model, in the updates' number type."""
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.kind == "bf16"):
            return token_log_probs(model(batch["ids"], is_token=batch["is_token"]), batch["ids"])

    def sft(self) -> Callable:
        rows = [
            Rendered(p + a, [False] * len(p) + [True] * len(a))
            for p, a in ((encode(pair["prompt"]), encode(pair["chosen"])) for pair in self.task.pairs)
        ]
        update = self.update(self.model(), packed_loss, n_targets)
        return lambda: update(packed(rows, self.task.config.context, PAD))

    def dpo(self, policy: GPT2 | None = None) -> Callable:
        policy = policy or self.model()
        prompts = [encode(pair["prompt"]) for pair in self.task.pairs]
        answers = ([[*encode(pair[side]), END] for pair in self.task.pairs] for side in ("chosen", "rejected"))
        pairs = (prompts, *answers)  # TRL puts the end behind an answer, too
        kept = answer_scores(Reference(policy), neighbours(*pairs, PAD))
        update = self.update(SharedPrefix(policy, n=2), partial(on_neighbours, loss=dpo_loss))
        return lambda: update(neighbours(*pairs, PAD) | {"reference": kept})

    def write(self, timed: Timed, policy: GPT2, prompts: list[str], n: int, draw: torch.Generator):
        """The roll-out, and what each answer earns."""
        ids, is_token = left_padded([encode(prompt) for prompt in prompts], PAD)
        written = timed(policy, ids, is_token=is_token, n=n, limit=self.task.length, end=END, generator=draw)
        return written, [" ".join(WORDS[i] for i in answer) for answer in written.answers()]

    def grpo(self, policy: GPT2 | None = None) -> tuple[Callable, Timed]:
        """The step returns the mean reward of what it wrote."""
        policy = policy or self.model()
        timed, draw = Timed(roll_out), torch.Generator().manual_seed(self.seed)
        shared = SharedPrefix(policy, n=GROUP)
        reference = Reference(shared)
        update = self.update(shared, partial(on_answers, loss=grpo_loss, beta=BETA))

        def step() -> float:
            written, answers = self.write(timed, policy, self.task.groups, GROUP, draw)
            earned, _ = self.rewards(answers, answers)
            batch = written.batch(advantages=group_advantages(earned.view(-1, GROUP)))
            update(batch | {"reference": self.said(reference, batch)})
            return float(earned.mean())

        return step, timed

    def ppo(self) -> tuple[Callable, Timed]:
        actor, timed, draw = self.model(), Timed(roll_out), torch.Generator().manual_seed(0)
        reward = RewardModel(self.model()).requires_grad_(False)
        four = FourModels(actor, Critic(self.model()), Reference(actor), reward)
        update = self.update(four.learners(), ppo_loss, n_targets, EPOCHS)

        def step() -> None:
            written, _ = self.write(timed, actor, self.task.prompts, 1, draw)
            batch, mask = written.batch(), is_target(written.is_answer)
            reference = self.said(four.reference, batch)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.kind == "bf16"):
                values = four.critic(batch["ids"], is_token=batch["is_token"])[:, :-1, 0].float()
                scores = four.reward(batch["ids"], batch["is_answer"], batch["is_token"]).float()
            judged = judge(scores, batch["old"], reference, values, mask)
            for _ in range(EPOCHS):
                update(batch | dict(values=values, advantages=judged.advantages, returns=judged.returns))

        return step, timed


def spaced(pairs: list[dict[str, str]]) -> list[dict[str, str]]:
    """As TRL wants them: it puts nothing between a prompt and its answer."""
    return [pair | {"prompt": pair["prompt"] + " "} for pair in pairs]


def theirs(way: str, peers, task: Task):
    """TRL's step of a way, as Ours has it."""
    from trl_peers import Stepwise

    def writing(trainer, model: nn.Module) -> tuple[Callable, Timed]:
        model.generate = Timed(model.generate)
        return Stepwise(trainer), model.generate

    if way == "SFT":
        rows = [(encode(pair["prompt"]), encode(pair["chosen"])) for pair in task.pairs]
        return Stepwise(
            peers.sft([{"input_ids": p + a, "completion_mask": [0] * len(p) + [1] * len(a)} for p, a in rows])
        )
    if way == "DPO":
        return Stepwise(peers.dpo(spaced(task.pairs)))
    if way == "GRPO":
        trainer = peers.grpo(task.groups, GROUP, task.length, early_completions, BETA)
        return writing(trainer, trainer.model)
    trainer = peers.ppo(task.prompts, task.length, EPOCHS)
    return writing(trainer, trainer.policy_model)


def spread(numbers: list[float]) -> dict[str, float]:
    """Median, least and most."""
    found = {"median": statistics.median(numbers), "low": min(numbers), "high": max(numbers)}
    return {name: three_digits(each) for name, each in found.items()}


def ratios(times: dict[str, list[float]]) -> dict[str, float]:
    """Of the rounds: TRL's time over ours."""
    return spread([theirs / ours for ours, theirs in zip(times["ours"], times["trl"])])


def measure(task: Task, way: str, kinds: list[str], rounds: int, folder: Path) -> list[dict]:
    """A row for each number type: both sides and all types in turns."""
    from trl_peers import Peers

    torch.manual_seed(0)
    start, steps, runs = GPT2(task.config), rounds + 3, {}
    for kind in kinds:
        peers = Peers(gpt2_twin(start), WORDS, folder, steps=steps, bf16=kind == "bf16")
        runs[kind, "ours"] = getattr(Ours(task, start, kind, steps), way.lower())()
        runs[kind, "trl"] = theirs(way, peers, task)
        if way == "SFT":
            losses = {"ours": runs[kind, "ours"]()[0], "trl": runs[kind, "trl"].losses[0]}
            if abs(losses["ours"] - losses["trl"]) > (1e-4 if kind == "fp32" else 0.03):
                raise ValueError(f"the first losses of SFT differ: {losses}; the two do not learn the same")
    gc.collect()
    gc.freeze()  # TRL's PPO collects garbage at every step: let it look at what the steps leave, not at the libraries
    steppers = {key: run[0] if isinstance(run, tuple) else run for key, run in runs.items()}
    for kind in kinds:  # in turns with the steps, for on a shared machine speeds change from one moment to the next
        a, b = (torch.randn(1024, 1024).to(DTYPES[kind]) for _ in range(2))
        steppers[kind, "product"] = partial(torch.mm, a, b)
    times = seconds(steppers, rounds)
    best = {who: min((times[kind, who] for kind in kinds), key=statistics.median) for who in ("ours", "trl")}
    rows = []
    for kind in kinds:
        parts = {"step": {who: times[kind, who] for who in ("ours", "trl")}}
        if way in ("GRPO", "PPO"):
            wrote = {who: runs[kind, who][1].seconds[-rounds:] for who in ("ours", "trl")}
            rest = {who: [a - b for a, b in zip(times[kind, who], wrote[who])] for who in wrote}
            parts |= {"roll_out": wrote, "update": rest}
        with Products() as counter:
            steppers[kind, "ours"]()
        products = counter.total / (2 * 1024**3) * statistics.median(times[kind, "product"])  # seconds, at the peak
        row = {
            "model": task.name,
            "way": way,
            "type": kind,
            "milliseconds": {
                part: {who: spread([1000 * s for s in each[who]]) for who in each} for part, each in parts.items()
            },
            "times_as_fast": {part: ratios(each) for part, each in parts.items()},
            "share_of_peak": {
                who: three_digits(products / statistics.median(times[kind, who])) for who in ("ours", "trl")
            },
            "best_over_their_best": ratios(best),
        }
        if "roll_out" in parts:
            shares = {who: [b / a for a, b in zip(times[kind, who], wrote[who])] for who in wrote}
            row["share_of_roll_out"] = {who: three_digits(statistics.median(each)) for who, each in shares.items()}
        rows.append(row)
    return rows


def main() -> None:
    options = arguments(__doc__)
    os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    warnings.filterwarnings("ignore")
    tasks, rows = QUICK if options.quick else TASKS, []
    kinds = ["fp32"] + (["bf16"] if best_dtype() == torch.bfloat16 and not options.quick else [])
    for task, way in product(tasks, WAYS):
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):  # PPO prints
            rounds = (options.rounds + 1) // 2 if way == "PPO" else options.rounds  # its step is the longest by far
            rows += measure(task, way, kinds, rounds, Path(folder))
    settings = {
        "rounds": options.rounds,
        "trl": version("trl"),
        "bf16_gain": round(cpu_gain(), 2),
        "tasks": {
            task.name: {"rows": task.rows, "length": task.length, "group": GROUP, "epochs": EPOCHS, "beta": BETA}
            for task in tasks
        },
    }
    keep({"machine": machine(), "settings": settings, "steps": rows}, "posttraining", options)
    for row in rows:
        print(f"{row['model']} {row['way']} {row['type']}, best × {row['best_over_their_best']['median']}")
        for part, found in row["milliseconds"].items():
            each = "  ".join(f"{who} {one['median']:.1f}" for who, one in found.items())
            print(f"  {part} ms  {each}   times as fast {row['times_as_fast'][part]}")
        print(f"  share of peak {row['share_of_peak']}")


if __name__ == "__main__":
    main()

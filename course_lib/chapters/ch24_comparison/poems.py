"""PPO, DPO, GRPO and SFT on poems: one poet to begin with, the same rules, as many written poems for each.

    looks = raced("GRPO", seed=0)      looks[-1]["rhyme"], looks[-1]["kl"]: after the last half of its 1,536 poems
PPO and GRPO write 64 poems a round, and learn from them. DPO and SFT get all their poems from the poet as it was, two
to a first line; where the rules prefer one the two are a pair, the others were written in vain. DPO learns from the
pairs once, SFT from the better poem of each. Settings are those of chapters 21 to 23.
Read first: toys/aligned_poet.py, toys/poet_policy.py, toys/poet_pairs.py.  Chapter 24.
"""

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import zoo
from course_lib.data.real.poems import poems
from course_lib.foundations.checks import check_known
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.ppo import Critic
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.sft import n_targets, sft_loss
from course_lib.toys import aligned_poet
from course_lib.toys.aligned_poet import beginnings, examined, habits, without_dropout, write
from course_lib.toys.poet_pairs import AT_ONCE, Sides, as_sides, train_dpo
from course_lib.toys.poet_policy import Writing, train_grpo, train_ppo
from course_lib.toys.rhymes import labelled_pairs, poem_rewards, scores
from course_lib.training import engine
from course_lib.training.engine import Run
from course_lib.training.step import Settings

METHODS = ("PPO", "DPO", "GRPO", "SFT")
REWARDED = {"rhyme": 1.0, "tone": 1.0, "variety": 1.0}  # each 0 where the form is missing
ROUNDS, N, LOOKS = 24, 64, 2
LRS = {"PPO": 5e-4, "DPO": 5e-4, "GRPO": 1e-3, "SFT": 5e-4}
BETAS = {"PPO": 0.02, "DPO": 0.1, "GRPO": 0.005}
GROUP, PPO_EPOCHS, PAIRS_A_STEP = 8, 2, 16


@cache
def reference() -> GPT2:
    """The zoo's poet, that drops nothing out. Shared: train a copy."""
    return without_dropout(zoo.load("poet")).requires_grad_(False)


@cache
def pairs(n: int, seed: int) -> Sides:
    """Of n poems, two to each of n / 2 first lines: those that the rules tell apart, as train_dpo takes them."""
    begun, draw = beginnings(n // 2, seed=seed), torch.Generator().manual_seed(seed)
    texts = [
        text
        for first in range(0, len(begun), AT_ONCE)
        for text in write(reference(), begun[first : first + AT_ONCE], n=2, generator=draw)[1]
    ]
    rules = poem_rewards(**REWARDED)
    earned = scores(texts, rules)
    differ = sum(one != other for one, other in zip(earned[::2], earned[1::2]))
    return as_sides(labelled_pairs(texts, differ, seed, rewards=rules), Reference(reference()))


def shown(policy: GPT2, *, n: int = 128, seed: int = 0) -> dict[str, float]:
    """aligned_poet.examined of n poems to held-out first lines, with "reward", the mean of REWARDED, from 0 to 3."""
    found = examined(policy, reference(), n=n, seed=seed)
    return found | {"reward": found["form"] * sum(weight * found[name] for name, weight in REWARDED.items())}


def learned(method: str, seed: int = 0, *, rounds: int = ROUNDS, **more: Any) -> tuple[GPT2, Run]:
    """The poet after one of METHODS with `rounds` times 64 written poems, and how it went. more: evaluate,
    evaluate_every in rounds or steps, progress, as the trainers have them. Raises ValueError for another method."""
    check_known("method", method, METHODS)
    policy, more = without_dropout(reference()).requires_grad_(True), {"progress": False, **more}
    run = (by_rounds if method in ("PPO", "GRPO") else by_pairs)(method, policy, seed, rounds, more)
    return policy.eval(), run


def by_rounds(method: str, policy: GPT2, seed: int, rounds: int, more: dict[str, Any]) -> Run:
    rules, lr, beta = poem_rewards(**REWARDED), LRS[method], BETAS[method]
    if method == "GRPO":
        settings, writing = Settings(steps=rounds, lr=lr, weight_decay=0), Writing(P=N // GROUP, G=GROUP, seed=seed)
        return train_grpo(policy, Reference(policy), rules, settings, writing, beta=beta, **more)
    settings = Settings(steps=rounds * PPO_EPOCHS, lr=lr, weight_decay=0)
    writing, critic = Writing(P=N, G=1, epochs=PPO_EPOCHS, seed=seed), Critic(copy.deepcopy(policy))
    return train_ppo(policy, critic, Reference(policy), rules, settings, writing, beta=beta, **more)


def by_pairs(method: str, policy: GPT2, seed: int, rounds: int, more: dict[str, Any]) -> Run:
    sides = pairs(N * rounds, seed)
    settings = Settings(steps=updates(method, rounds, seed), lr=LRS[method], weight_decay=0)
    if method == "DPO":
        return train_dpo(policy, sides, settings, size=PAIRS_A_STEP, seed=seed, **more)

    def batch(step: int) -> dict[str, Tensor]:
        rows = slice(step * PAIRS_A_STEP, (step + 1) * PAIRS_A_STEP)
        return {name: each[rows] for name, each in sides["chosen"].items()}

    run = engine.train(policy, batch, settings, loss=sft_loss, weigh=n_targets, **more)
    if run.interrupted:
        raise KeyboardInterrupt
    return run


def updates(method: str, rounds: int = ROUNDS, seed: int = 0) -> int:
    """How many a run has."""
    if method in ("PPO", "GRPO"):
        return rounds * (PPO_EPOCHS if method == "PPO" else 1)
    return max(1, len(pairs(N * rounds, seed)["chosen"]["ids"]) // PAIRS_A_STEP)


def raced(method: str, seed: int = 0, *, rounds: int = ROUNDS, looks: int = LOOKS, n: int = 128) -> list[dict]:
    """`shown` after each of so many equal parts of a run, as nearly as its updates can be cut."""
    found: list[dict[str, float]] = []

    def look(learners: nn.Module) -> dict[str, float]:
        policy = learners if isinstance(learners, GPT2) else learners["actor" if method == "PPO" else "policy"]
        found.append(shown(policy, n=n, seed=seed))
        return {}

    turns = rounds if method in ("PPO", "GRPO") else updates(method, rounds, seed)
    learned(method, seed, rounds=rounds, evaluate=look, evaluate_every=-(-turns // looks))
    return found


def poets_own(n: int = 256) -> dict[str, float]:
    """habits of the first n held-out poems: what the poets themselves reach."""
    return habits([str(poem) for poem in poems("held-out")[:n]])


def told_apart(policies: Sequence[GPT2], n: int = 10, seed: int = 0) -> list[tuple[tuple[str, ...], list[float]]]:
    """By n held-out first lines: the poem of the poet and of each policy, and what each earns of 3."""
    return aligned_poet.told_apart([reference(), *policies], poem_rewards(**REWARDED), n, seed)

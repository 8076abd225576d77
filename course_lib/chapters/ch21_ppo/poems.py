"""PPO on poems: the zoo's poet writes, rules score what it wrote, a critic says what was to be expected.

By all the rules, held by its reference, it writes better poems. By the rhyme alone, with nothing to hold it, it finds
what nobody meant; that is seen only because more is measured than is rewarded.  Chapter 21.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from course_lib import zoo
from course_lib.data.real.poem_rules import sounds
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.ppo import Critic, ppo_loss
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rewards import Rewards
from course_lib.toys.aligned_poet import told_apart, without_dropout
from course_lib.toys.poet_policy import Writing, train_ppo
from course_lib.toys.rhymes import RULES, of_lines, poem_rewards
from course_lib.training.engine import Run
from course_lib.training.step import Settings

WRITING = Writing(P=32, G=1, epochs=2)  # a critic needs no group: 32 first lines, a poem to each
ROUNDS = 40


@cache
def reference() -> GPT2:
    """The zoo's poet, that drops nothing out. Shared: train a copy."""
    return without_dropout(zoo.load("poet")).requires_grad_(False)


def naive_rhyme(lines: Sequence[str]) -> float:
    """1 if lines 2 and 4 end in the same sound, though it be the same character: a rule written in haste."""
    ends = [sounds().get(line[-1]) for line in lines[1::2] if line]
    return float(len(ends) == 2 and None not in ends and ends[0][0] == ends[1][0])


REWARDS = {
    "all": poem_rewards(rhyme=1, tone=1, variety=1),
    "rhyme": poem_rewards(rhyme=1),
    "naive": Rewards({"naive": (1.0, of_lines(naive_rhyme)), "rhyme": (0.0, RULES["rhyme"])}),
}


def learned(
    rewards: str = "all",
    *,
    beta: float = 0.02,
    clip: float = 0.2,
    lr: float = 5e-4,
    rounds: int = ROUNDS,
    writing: Writing = WRITING,
    seed: int = 0,
    **more: Any,
) -> tuple[GPT2, Run]:
    """The poet after PPO by one of REWARDS, and how it went. The critic begins with the poet's trunk. writing: its seed
    is replaced. more: path, every, evaluate, evaluate_every, progress, as on_policy.train has them."""
    actor = without_dropout(reference()).requires_grad_(True)
    run = train_ppo(
        actor,
        Critic(copy.deepcopy(actor)),
        Reference(reference()),
        REWARDS[rewards],
        Settings(steps=rounds * writing.epochs, lr=lr, weight_decay=0.0),
        replace(writing, seed=seed),
        beta=beta,
        loss=partial(ppo_loss, clip=clip),
        **more,
    )
    return actor.eval(), run


def collapse(rewards: str = "rhyme", *, beta: float = 0.0, lr: float = 1e-3, **more: Any) -> tuple[GPT2, Run]:
    """`learned` by the rhyme alone, at twice the rate, with nothing that holds the poet to what it was."""
    return learned(rewards, beta=beta, lr=lr, **more)


def side_by_side(policy: GPT2, n: int = 10, seed: int = 0) -> list[tuple[str, str, float, float]]:
    """By n held-out first lines, drawn by seed: the poet's poem and the policy's, and what each earns of 4."""
    return [(*row, *earned) for row, earned in told_apart([reference(), policy], poem_rewards(), n, seed)]

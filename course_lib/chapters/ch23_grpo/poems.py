"""GRPO on poems: the zoo's poet writes eight to a first line, rules score them, and each is judged by the other seven.

    policy, run = learned(seed=0)                     a poet after 100 rounds, and its curves
    shown(policy)                                     what the rules say, and what nobody rewarded
    told_apart(policy, n=10, seed=7)                  (before, after, earned before, earned after) of ten first lines
A reward that leaves the form free makes the poet choose the form (length=2).  Chapter 23.
"""

from collections.abc import Callable
from functools import cache

from course_lib import zoo
from course_lib.data.real.poems import poems
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.grpo import group_advantages, grpo_loss
from course_lib.posttraining.reference import Reference
from course_lib.toys import aligned_poet
from course_lib.toys.aligned_poet import examined, habits, without_dropout
from course_lib.toys.poet_policy import Writing, train_grpo
from course_lib.toys.rhymes import poem_rewards
from course_lib.training.engine import Run
from course_lib.training.step import Settings

REWARDED = {"rhyme": 1.0, "tone": 1.0, "variety": 1.0}  # each 0 where the form is missing
ROUNDS, LR, BETA = 100, 5e-4, 0.005


@cache
def reference() -> GPT2:
    """The zoo's poet, that drops nothing out. Shared: train a copy."""
    return without_dropout(zoo.load("poet")).requires_grad_(False)


def learned(
    seed: int = 0,
    *,
    rounds: int = ROUNDS,
    P: int = 8,
    G: int = 8,
    length: int | None = None,
    beta: float = BETA,
    lr: float = LR,
    rules: dict[str, float] | None = None,
    advantages: Callable = group_advantages,
    loss: Callable = grpo_loss,
    progress: bool = False,
) -> tuple[GPT2, Run]:
    """The poet after so many rounds of one update; the run's figures: score, what each rule said, kl. length: of what
    is given of a poem, None for its first line. rules: default REWARDED."""
    policy = without_dropout(reference()).requires_grad_(True)
    run = train_grpo(
        policy,
        Reference(policy),
        poem_rewards(**(rules or REWARDED)),
        Settings(steps=rounds, lr=lr, weight_decay=0),
        Writing(P=P, G=G, length=length, seed=seed),
        beta=beta,
        advantages=advantages,
        loss=loss,
        progress=progress,
    )
    return policy.eval(), run


def shown(policy: GPT2, *, n: int = 256, length: int | None = None, seed: int = 0) -> dict[str, float]:
    """aligned_poet.examined of n poems, with "reward", mean of REWARDED, from 0 to 3."""
    found = examined(policy, reference(), n=n, length=length, seed=seed)
    return found | {"reward": found["form"] * sum(weight * found[name] for name, weight in REWARDED.items())}


def poets_own(n: int = 256) -> dict[str, float]:
    """habits of the first n held-out poems: what the poets themselves reach."""
    return habits([str(poem) for poem in poems("held-out")[:n]])


def told_apart(policy: GPT2, n: int = 10, seed: int = 0) -> list[tuple[str, str, float, float]]:
    """By n held-out first lines: the poet's poem and the policy's, and what each earns of 3."""
    rows = aligned_poet.told_apart([reference(), policy], poem_rewards(**REWARDED), n, seed)
    return [(*row, *earned) for row, earned in rows]

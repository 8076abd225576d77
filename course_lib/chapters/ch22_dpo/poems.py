"""DPO on poems: the zoo's poet writes two to each first line, rules say which is better, and it learns from the pairs.

Labels cost nothing, so there are as many pairs as one likes; what it has learned is asked on pairs from poems whose
first lines no training has seen, and of what it writes then, by the same rules and by others.  Chapter 22.
"""

from collections.abc import Callable
from functools import cache, partial

from course_lib import zoo
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.dpo import dpo_loss
from course_lib.posttraining.reference import Reference
from course_lib.toys.aligned_poet import examined, told_apart, without_dropout
from course_lib.toys.poet_pairs import Sides, as_sides, asked, train_dpo, written_pairs
from course_lib.toys.rhymes import Pair, poem_rewards
from course_lib.training.step import Settings

RULES = ("form", "rhyme", "tone", "variety")  # 1 each: from 0 to 4
EXAM_SEED = 1_000_000
LR, SIZE, STEPS = 5e-4, 16, 60


@cache
def reference() -> GPT2:
    """The zoo's poet, that drops nothing out. Shared: train a copy."""
    return without_dropout(zoo.load("poet")).requires_grad_(False)


@cache
def pairs(n: int, seed: int, flip: float = 0.0) -> list[Pair]:
    """n pairs to learn from; those of a smaller n come first among those of a larger one."""
    return written_pairs(reference(), n, seed=seed, flip=flip)


@cache
def exam(n: int = 256) -> Sides:
    """Pairs to be asked about, from first lines of held-out poems."""
    return as_sides(written_pairs(reference(), n, split="held-out", seed=EXAM_SEED), Reference(reference()))


def learned(
    some: list[Pair],
    seed: int,
    *,
    beta: float = 0.1,
    loss: Callable = dpo_loss,
    steps: int = STEPS,
    lr: float = LR,
    size: int = SIZE,
    progress: bool = False,
) -> tuple[GPT2, list[float]]:
    """The poet after so many updates of `size` pairs each, however often each pair comes; and every loss."""
    policy = without_dropout(reference()).requires_grad_(True)
    run = train_dpo(
        policy,
        as_sides(some, Reference(policy)),
        Settings(steps=steps, lr=lr, weight_decay=0.01),
        size=min(size, len(some)),
        loss=partial(loss, beta=beta),
        seed=seed,
        progress=progress,
    )
    return policy.eval(), run.history


def shown(policy: GPT2, some: list[Pair], *, n: int = 256, n_exam: int = 256) -> dict[str, float]:
    """accuracy, chosen, rejected of pairs learned from (at most n of them) and held-out ones ("… new"), and of n poems
    to held-out first lines what aligned_poet.examined says; reward: their mean, from 0 to 4."""
    known = asked(policy, as_sides(some[:n], Reference(reference())))
    new = asked(policy, exam(n_exam))
    found = examined(policy, reference(), n=n)
    rules = sum(found[name] * (1 if name == "form" else found["form"]) for name in RULES)
    return known | {f"{name} new": value for name, value in new.items()} | found | {"reward": rules}


def side_by_side(policy: GPT2, n: int = 10, seed: int = 0) -> list[tuple[str, str, float, float]]:
    """By n held-out first lines, drawn by seed: the poet's poem and the policy's, and what each earns of 4."""
    return [(*row, *earned) for row, earned in told_apart([reference(), policy], poem_rewards(), n, seed)]

"""A reward model where every answer can be listed: what it has learned, and what a choice by it brings, are exact.

K answers · C counts
    平仄平仄平止      at most 8 syllables; worth 1 for each turn, less 3 for each syllable beyond the fifth
A policy that seldom writes long answers seldom lets anyone judge them. Pairs are drawn from a policy, or from all
answers alike; the reward model is a small GPT-2 with a head. Chapter 20.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.chapters.ch20_rlhf.learning import END, SYLLABLES, turns
from course_lib.foundations.checks import check_known, check_within
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.reward_model import RewardModel, reward_loss
from course_lib.toys.token_mdp import TokenPolicy
from course_lib.training.step import Settings, Update

LONGEST, ENOUGH, TOO_LONG = 8, 5, 3.0
ENDS, TURNS = 0.6, 0.7  # of the writer: how often it stops, and how often a syllable that follows is the other one
BATCH, LR = 32, 3e-3
DRAWN = ("by the writer", "alike")


def writer() -> TokenPolicy:
    """Likes to turn, and to be short: one answer in 244 has more than five syllables."""
    policy = TokenPolicy(len(SYLLABLES), LONGEST, end=END)
    ids, _ = policy.answers()
    with torch.no_grad():
        rows = policy.rows(ids)[:, :-1]
        for row, before in zip(rows.flatten().tolist(), ids[:, :-1].flatten().tolist()):
            follows = [TURNS if before not in (END, i) else 1 - TURNS for i in range(len(SYLLABLES))]
            start = row == 0
            probs = [ENDS, *((1 - ENDS) * (0.5 if start else follows[i]) for i in (1, 2))]
            policy.table[row] = torch.tensor(probs, dtype=torch.float64).log()
    return policy


def syllables(ids: Int[Tensor, "B T"]) -> Int[Tensor, " B"]:
    return (ids[:, 1:] != END).sum(1)


def worth(ids: Int[Tensor, "B T"]) -> Float[Tensor, " B"]:
    """The true score: turns, less TOO_LONG for each syllable beyond ENOUGH."""
    return turns(ids) - TOO_LONG * (syllables(ids) - ENOUGH).clamp(min=0)


class Listed(NamedTuple):
    """All answers: ids, is_answer, how often the writer writes each, what it is truly worth, and whether it is held
    out: every fifth by lot, of which no pair to learn from is made."""

    ids: Int[Tensor, "K T"]
    is_answer: Bool[Tensor, "K T"]
    probs: Float[Tensor, " K"]
    worth: Float[Tensor, " K"]
    is_held_out: Bool[Tensor, " K"]


@cache
def listed() -> Listed:
    policy = writer()
    ids, is_answer = policy.answers()
    held_out = torch.tensor(random.Random(0).sample(range(len(ids)), len(ids) // 5))
    is_held_out = torch.zeros(len(ids), dtype=torch.bool).index_fill(0, held_out, True)
    return Listed(ids, is_answer, policy.listed().detach().exp(), worth(ids), is_held_out)


def pairs(
    n: int, seed: int, flip: float = 0.0, *, drawn: str = "alike"
) -> tuple[Int[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """n pairs of numbers of answers, (chosen, rejected) by the label, and which labels are turned. No answer is held
    out, and none of two that are worth the same is preferred. drawn: by the writer, or all answers alike.

    A higher flip turns the same labels and more. Raises ValueError for another way to draw.
    """
    check_known("way to draw", drawn, DRAWN)
    true = listed().worth
    probs = listed().probs if drawn == "by the writer" else torch.ones_like(true)
    probs = probs.masked_fill(listed().is_held_out, 0)
    better = (probs[:, None] * probs).masked_fill(true[:, None] <= true, 0)  # row: the better of the two
    chance = torch.Generator().manual_seed(seed)
    places = better.flatten().multinomial(n, replacement=True, generator=chance)
    turned = torch.rand(n, generator=chance) < flip
    found = torch.stack([places // len(true), places % len(true)], dim=1)
    return torch.where(turned[:, None], found.flip(1), found), turned


def lazy_pairs(n: int, seed: int, lazy: float, *, drawn: str = "by the writer") -> Int[Tensor, "n 2"]:
    """`pairs`, of which a share is labelled by someone who takes the longer answer for the better one. Where both are
    as long, the label is right.

    A higher share has the same pairs labelled so and more.
    """
    check_within("lazy", lazy, 0, 1)
    some, _ = pairs(n, seed, drawn=drawn)
    is_lazy = torch.rand(n, generator=torch.Generator().manual_seed(seed + 1)) < lazy
    length = syllables(listed().ids)[some]
    return torch.where((is_lazy & (length[:, 1] > length[:, 0]))[:, None], some.flip(1), some)


def batch_of(some: Int[Tensor, "n 2"]) -> dict[str, dict[str, Tensor]]:
    """For reward_loss. The prompt is 止, and so is what fills an answer up."""
    return {"chosen": laid_out(some[:, 0]), "rejected": laid_out(some[:, 1])}


def laid_out(numbers: Int[Tensor, " n"]) -> dict[str, Tensor]:
    ids, is_answer = listed().ids[numbers], listed().is_answer[numbers]
    is_prompt = torch.arange(ids.shape[1]) == 0
    return {"ids": ids, "is_answer": is_answer, "is_token": is_answer | is_prompt}


def reward_model(
    some: Int[Tensor, "n 2"], seed: int, steps: int, *, progress: Callable[[Iterable], Iterable] = iter
) -> RewardModel:
    """A GPT-2 of one layer with a head, trained on BATCH pairs a step, in eval mode."""
    torch.manual_seed(seed)
    body = GPT2(GPT2Config(n_vocab=len(SYLLABLES), context=LONGEST + 1, d_model=32, n_layers=1, n_heads=4))
    model, chance = RewardModel(body), torch.Generator().manual_seed(seed)
    update = Update(model, Settings(steps=steps, lr=LR, weight_decay=0.01), loss=reward_loss)
    for _ in progress(range(steps)):
        update(batch_of(some[torch.randint(len(some), (BATCH,), generator=chance)]))
    return model.eval()


@torch.no_grad()
def scores_of(model: RewardModel) -> Float[Tensor, " K"]:
    """Of all answers."""
    return model(**laid_out(torch.arange(len(listed().ids)))).double()


def right(scores: Float[Tensor, " K"], which: Bool[Tensor, " K"]) -> float:
    """Share of all pairs of these answers, of different worth, in which the better one scores higher."""
    true = listed().worth
    better = (true[:, None] > true) & which[:, None] & which
    return float((scores[:, None] > scores)[better].double().mean())


def best_of(proxy: Float[Tensor, " K"], probs: Float[Tensor, " K"], counts: Sequence[int]) -> Float[Tensor, "C K"]:
    """Probability of each answer to be the best by the proxy of n that a policy wrote, for each n: that all n are at
    most it, less that all are below it. Of equal scores the later in the list wins."""
    order = proxy.argsort(stable=True)
    up_to = probs[order].cumsum(0) / probs.sum()
    below = torch.cat([up_to.new_zeros(1), up_to[:-1]])
    wins = torch.stack([up_to**n - below**n for n in counts])
    return torch.zeros_like(wins).index_copy(1, order, wins)

"""DPO where every answer is listed: what each loss makes of pairs, against the policy that is known to be best.

K answers · S updates · a table [K K]: share of the pairs in which row i was chosen and column j rejected
The losses see a pair only through how often it comes, so n pairs are the table of their shares; with endless pairs the
table is Bradley and Terry's law. One update takes all of it: what is left to chance is which pairs were drawn.
`shared` is the other half of the truth: a policy whose answers have a feature in common cannot move one of them alone,
and an answer that no pair shows goes with them.  Chapter 22.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.checks import check_known
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.hinge import hinge_loss
from course_lib.posttraining.ipo import ipo_loss
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.label_noise import cautious_loss, robust_loss
from course_lib.posttraining.reference import Reference
from course_lib.toys.drawn_preferences import draw_pairs, pair_table
from course_lib.toys.three_answers import World, three_answers
from course_lib.toys.token_mdp import TokenPolicy
from course_lib.training.step import Settings, Update

LOSSES: dict[str, Callable[..., Tensor]] = {
    "DPO": dpo_loss,
    "IPO": ipo_loss,
    "hinge": hinge_loss,
    "cDPO": cautious_loss,
    "rDPO": robust_loss,
}
METHODS = (*LOSSES, "exact")  # exact: the gradient of J itself, which needs the reward
TOLD = ("cDPO", "rDPO")  # are told the share of turned labels

Pairs = Float[Tensor, "K K"]


class Way(NamedTuple):
    """kl: KL(π ‖ π*) before each update and after the last. log_probs: of every answer. loss: of each update."""

    kl: Float[Tensor, " S+1"]
    log_probs: Float[Tensor, "S+1 K"]
    loss: Float[Tensor, " S"]

    @property
    def probs(self) -> Float[Tensor, "S+1 K"]:
        return self.log_probs.exp()


class Featured(nn.Module):
    """One-token answers, ids [B T] -> logits [B T K]: features @ weights, so answers that are alike move together."""

    def __init__(self, features: Float[Tensor, "K F"], weights: Float[Tensor, " F"]):
        super().__init__()
        self.register_buffer("features", features)
        self.weights = nn.Parameter(weights.clone())
        self.n_vocab = len(features)

    def forward(
        self, ids: Int[Tensor, "B T"], *, is_token: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T K"]:
        """is_token is taken, as real models take it, and not needed."""
        return (self.features @ self.weights).expand(*ids.shape, -1)

    def answers(self) -> tuple[Int[Tensor, "K 2"], Bool[Tensor, "K 2"]]:
        """Every answer after the prompt 0, and is_answer, as TokenPolicy has them."""
        return TokenPolicy(self.n_vocab, 1).answers()

    def listed(self) -> Float[Tensor, " K"]:
        return (self.features @ self.weights).log_softmax(0)


def table_of(world: World) -> TokenPolicy:
    """A policy with a number of its own for each answer, as the reference is: answers of one token."""
    policy = TokenPolicy(len(world.reference), 1)
    policy.become(world.reference)
    return policy


def fifteen_answers(seed: int, beta: float = 0.5) -> tuple[World, TokenPolicy]:
    """A world drawn by lot, of answers of one to three tokens, and its policy as the reference is."""
    chance = torch.Generator().manual_seed(seed)
    policy = TokenPolicy(3, 3, end=0)
    drawn = torch.randn(2, len(policy.answers()[0]), generator=chance, dtype=torch.float64)
    world = World(drawn[0].log_softmax(0), drawn[1], beta)
    policy.become(world.reference)
    return world, policy


def drawn(
    n: int | None = None,
    *,
    flip: float = 0.0,
    covers: Sequence[int] | None = None,
    world: World | None = None,
    seed: int = 0,
) -> Pairs:
    """The table of n pairs that the reference wrote and r judged; None: of endless ones.

    flip: share of turned labels. covers: the answers that pairs may show, None for all. world: default three_answers.
    """
    world = world or three_answers()
    shown = None if covers is None else torch.isin(torch.arange(len(world.reward)), torch.tensor(covers))
    law = pair_table(world.reward, world.reference.exp(), covered=shown, flipped=flip)
    if n is None:
        return law
    pairs = draw_pairs(law, n, torch.Generator().manual_seed(seed))
    counts = torch.zeros_like(law).index_put(tuple(pairs.T), torch.ones(n, dtype=law.dtype), accumulate=True)
    return counts / n


def to_best(
    method: str,
    pairs: Pairs | None = None,
    *,
    world: World | None = None,
    policy: TokenPolicy | Featured | None = None,
    flipped: float = 0.0,
    beta: float | None = None,
    steps: int = 300,
    lr: float = 0.1,
) -> Way:
    """Train by one of METHODS, all pairs at every update, and look at every answer all the way.

    pairs: a table, default drawn(world=world). world: default three_answers. policy: as the reference is, and trained
    in place; default table_of(world). flipped: what cDPO and rDPO are told. beta: the loss's, default the world's.
    Raises ValueError for an unknown method.
    """
    check_known("method", method, METHODS)
    world = world or three_answers()
    policy = policy or table_of(world)
    if method == "exact":
        batch, loss = policy.answers()[0], lambda model, _: -world.worth(model.listed())
    else:
        batch, shares = sides(policy, drawn(world=world) if pairs is None else pairs)
        told = {"beta": beta or world.beta} | ({"flipped": flipped} if method in TOLD else {})
        loss = partial(on_pairs, loss=weighed(LOSSES[method], shares), **told)
    update = Update(policy, Settings(steps=steps, lr=lr, warmup=0, weight_decay=0, clip=math.inf), loss=loss)
    log_probs, losses = [policy.listed().detach()], []
    for _ in range(steps):
        losses.append(update(batch)[0])
        log_probs.append(policy.listed().detach())
    listed = torch.stack(log_probs)
    return Way(exact_kl(listed, world.best.expand_as(listed)), listed, torch.tensor(losses))


def sides(policy: TokenPolicy | Featured, pairs: Pairs) -> tuple[dict[str, dict[str, Tensor]], Float[Tensor, " N"]]:
    """What on_pairs takes, a row for each pair that comes at all, and the shares of these."""
    ids, is_answer = policy.answers()
    every = {"ids": ids, "is_token": torch.ones_like(is_answer), "is_answer": is_answer}
    every["reference"] = answer_scores(Reference(policy), every)
    chosen, rejected = pairs.nonzero(as_tuple=True)
    return {
        side: {name: each[rows] for name, each in every.items()}
        for side, rows in (("chosen", chosen), ("rejected", rejected))
    }, pairs[chosen, rejected]


def weighed(loss: Callable[..., Tensor], shares: Float[Tensor, " N"]) -> Callable[..., Tensor]:
    """The loss of every pair by itself, times its share: the mean over a data set in which pairs come so often."""

    def total(chosen: Tensor, rejected: Tensor, **settings: float) -> Tensor:
        return torch.vmap(lambda one, other: loss(one[None], other[None], **settings))(chosen, rejected) @ shares

    return total


def ipo_best(world: World, beta: float | None = None) -> Float[Tensor, " K"]:
    """log of where IPO stands still with endless pairs: π_ref exp(w / β), w the share of its comparisons with what the
    reference writes that an answer wins (Azar et al. 2023, arXiv:2310.12036, section 5)."""
    wins = (world.reward[:, None] - world.reward).sigmoid() @ world.reference.exp()
    return (world.reference + wins / (beta or world.beta)).log_softmax(0)


def right(way: Way, world: World) -> float:
    """Share of all pairs of answers that the implicit reward, log π - log π_ref, puts in the order of the reward."""
    d, r = way.log_probs[-1] - world.reference, world.reward
    above = torch.triu_indices(len(r), len(r), 1)
    found, true = ((each[:, None] - each)[tuple(above)] for each in (d, r))
    return float((found * true > 0).double().mean())


ALIKE = torch.tensor([[0.0], [-1.0], [1.0]], dtype=torch.float64)  # of chosen, rejected, third: one feature for all


def alike(beta: float = 0.1) -> World:
    """Chosen is better than rejected, and the third, which no pair shows, is worst. The reference writes mostly the
    rejected one: softmax of -2 · ALIKE is 0.117, 0.867, 0.016."""
    reference = (ALIKE @ torch.tensor([-2.0], dtype=torch.float64)).log_softmax(0)
    return World(reference, torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64), beta)


def shared(method: str = "DPO", *, features: bool = True, beta: float = 0.1, steps: int = 132, lr: float = 0.1) -> Way:
    """One pair, chosen 0 before rejected 1; answer 2 is in no pair. features: one number moves all three; False: each
    answer has its own."""
    world, pairs = alike(beta), torch.zeros(3, 3, dtype=torch.float64)
    pairs[0, 1] = 1
    policy = Featured(ALIKE, torch.tensor([-2.0], dtype=torch.float64)) if features else table_of(world)
    return to_best(method, pairs, world=world, policy=policy, steps=steps, lr=lr)

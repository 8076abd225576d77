"""GRPO in two small worlds: where every answer is listed, and on sums, where a rule knows what is right.

K answers · G of a group · P prompts · R rounds
    way = to_best(advantages=dr_advantages, reweigh=True)      way.kl[-1]: how far from the policy that is best
    model = follower(p=0.5)                                    SFT on a demonstrator who is right half of the time
    climb = past_ceiling(model, seed=0)                        GRPO from there; the rule is the reward
Both train by posttraining/on_policy.py: a round writes P · G answers, then come `epochs` updates on them.  Chapter 23.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from math import lgamma
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib import zoo
from course_lib.foundations.checks import check_count
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining import on_policy
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers, teaches
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.log_probs import token_log_probs
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.reinforce import beyond_the_others
from course_lib.posttraining.rollout import left_padded, roll_out, write_answers
from course_lib.posttraining.sft import n_targets, padded, sft_loss
from course_lib.toys import sums
from course_lib.toys.sums import Demonstrator
from course_lib.toys.sums_answers import LONGEST
from course_lib.toys.three_answers import World, three_answers
from course_lib.toys.token_mdp import TokenPolicy, TokenReader
from course_lib.training import engine
from course_lib.training.step import Settings, Update

Advantages = Callable[[Float[Tensor, "P G"]], Float[Tensor, " P*G"]]


class Way(NamedTuple):
    """kl: KL(π ‖ π*) before each round and after the last. log_probs: of every answer."""

    kl: Float[Tensor, " R+1"]
    log_probs: Float[Tensor, "R+1 K"]

    @property
    def probs(self) -> Float[Tensor, "R+1 K"]:
        return self.log_probs.exp()


def others_advantages(rewards: Float[Tensor, "P G"]) -> Float[Tensor, " P*G"]:
    """Reward less the mean of the others: neither a std, nor itself in what it is measured by."""
    return beyond_the_others(rewards).flatten()


def to_best(
    *,
    world: World | None = None,
    P: int = 32,
    G: int = 8,
    rounds: int = 200,
    epochs: int = 1,
    lr: float = 0.05,
    advantages: Advantages = group_advantages,
    reweigh: bool = False,
    clip: float = 0.2,
    seed: int = 0,
) -> Way:
    """GRPO from the reference, and every answer's probability all the way. world: default three_answers().

    advantages: group_advantages, dr_grpo.dr_advantages (no std), others_advantages. reweigh: k3 by π / π_old. clip:
    math.inf for none. The rate falls to 0, so what is left at the end is where the method settles, and little noise.
    """
    world = world or three_answers()
    policy = TokenPolicy(len(world.reference), 1)
    policy.become(world.reference)
    prompt, listed = torch.zeros(P, 1, dtype=torch.long), [policy.listed().detach()]

    def write(n: int, part: int, draw: torch.Generator) -> tuple[on_policy.Batch, dict[str, float]]:
        if n:
            listed.append(policy.listed().detach())
        written = write_answers(TokenReader(policy), prompt, n=G, limit=1, end=None, generator=draw)
        answer = written.ids[:, 1]
        rewards = world.reward[answer]
        found = {"advantages": advantages(rewards.view(P, G)), "reference": world.reference[answer][:, None]}
        return written.batch(**found), {"reward": float(rewards.mean())}

    settings = Settings(steps=rounds * epochs, lr=lr, warmup=0, weight_decay=0, clip=math.inf)
    loss = partial(on_answers, loss=partial(grpo_loss, clip=clip), beta=world.beta, reweigh=reweigh)
    on_policy.train(Update(policy, settings, loss=loss), write, epochs=epochs, seed=seed, progress=False)
    log_probs = torch.stack([*listed, policy.listed().detach()])
    return Way(exact_kl(log_probs, world.best.expand_as(log_probs)), log_probs)


def settles(
    *,
    world: World | None = None,
    G: int = 8,
    advantages: Advantages = group_advantages,
    reweigh: bool = False,
    steps: int = 4000,
    rate: float = 0.1,
) -> Float[Tensor, " K"]:
    """log π at which the mean gradient of the first update on fresh answers is 0: where GRPO would end with endless
    groups of G. No answer is drawn: every group that there can be counts with its probability.

    Raises ArithmeticError where it still moves after `steps`.
    """
    world = world or three_answers()
    counts = compositions(G, len(world.reward))
    rewards = torch.stack([world.reward.repeat_interleave(row) for row in counts])
    kinds = torch.stack([torch.arange(len(row)).repeat_interleave(row) for row in counts])
    earned = torch.zeros_like(counts, dtype=world.reward.dtype)
    earned.scatter_add_(1, kinds, advantages(rewards).view_as(rewards))  # Σ of the advantages of each answer
    ways = torch.tensor([lgamma(G + 1) - sum(lgamma(n + 1) for n in row) for row in counts.tolist()])
    logits = world.reference.clone()
    for _ in range(steps):
        policy = logits.log_softmax(0)
        shares = (ways + counts.to(policy.dtype) @ policy).exp()
        brings = shares @ earned / G
        pulled = reference_pull(policy, world.reference, reweigh)
        drift = brings - policy.exp() * brings.sum() - world.beta * pulled
        logits = logits + rate * drift / policy.exp()  # the natural gradient: corners do not slow it down
    if drift.abs().max() > 1e-6:
        raise ArithmeticError(f"the gradient is still {float(drift.abs().max()):.1e} after {steps} steps; give more")
    return logits.log_softmax(0)


def reference_pull(policy: Float[Tensor, " K"], reference: Float[Tensor, " K"], reweigh: bool) -> Float[Tensor, " K"]:
    """The mean gradient, by the logits, of k3: ∇KL(ref ‖ π), and reweighed ∇KL(π ‖ ref)."""
    if not reweigh:
        return policy.exp() - reference.exp()
    d = policy - reference
    return policy.exp() * (d - policy.exp() @ d)


def compositions(n: int, kinds: int) -> Int[Tensor, "C kinds"]:
    """How often each kind may come among n: every way."""
    check_count("kinds", kinds, 1)
    if kinds == 1:
        return torch.tensor([[n]])
    return torch.cat(
        [
            torch.cat([torch.full((len(rest), 1), first), rest], dim=1)
            for first in range(n + 1)
            for rest in [compositions(n - first, kinds - 1)]
        ]
    )


def follower(p: float = 0.5, error: str = "random", seed: int = 0, *, steps: int = 200) -> GPT2:
    """Chapter 19's: the zoo's sums-base after SFT on a demonstrator who is right in a share p of its answers, of which
    the last block's feed-forward and the last norm have learned. In eval mode; all weights may learn."""
    teacher, model = Demonstrator(p, error), zoo.load("sums-base", progress=False).requires_grad_(False)
    for part in (model.blocks[-1].feedforward, model.norm_out):
        part.requires_grad_(True)

    def batch(step: int) -> dict[str, Tensor]:
        talks = teacher.conversations(64, 100_000 * seed + step)
        return padded([sums.chat().render(talk) for talk in talks], sums.chat().end)

    settings = Settings(steps=steps, lr=1e-2)
    if engine.train(model, batch, settings, loss=sft_loss, weigh=n_targets, progress=False).interrupted:
        raise KeyboardInterrupt
    return model.requires_grad_(True).eval()


def past_ceiling(
    model: GPT2,
    p: float = 0.5,
    error: str = "random",
    *,
    P: int = 8,
    G: int = 8,
    rounds: int = 60,
    epochs: int = 1,
    lr: float = 3e-4,
    advantages: Advantages = group_advantages,
    loss: Callable[..., Tensor] = grpo_loss,
    beta: float = 0.0,
    seed: int = 0,
) -> engine.Run:
    """GRPO on sums of the training split, of the kind that the demonstrator of p and error is asked; 1 for the right
    number, else 0. The model is trained in place, and left in eval mode.

    The run's figures: by update `reward`, mean of the answers written; `taught`, share of groups whose rewards differ;
    with β above 0 `kl`. Raises KeyboardInterrupt on Ctrl-C.
    """
    teacher, end = Demonstrator(p, error), sums.chat().end
    reference = Reference(model) if beta else None

    def write(n: int, part: int, draw: torch.Generator) -> tuple[on_policy.Batch, dict[str, float]]:
        asked = teacher.questions("train", P, seed=1_000_000 * (seed + 1) + n)
        prompt, is_token = left_padded([sums.chat().prompt(each) for each in asked], end)
        written = roll_out(
            model,
            prompt,
            is_token=None if is_token.all() else is_token,
            n=G,
            limit=LONGEST,
            end=end,
            generator=draw,
        )
        texts = [sums.decode(answer) for answer in written.answers()]
        earned = [sums.reward(text, sums.right(asked[i // G])) for i, text in enumerate(texts)]
        rewards = torch.tensor(earned).view(P, G)
        batch = written.batch(advantages=advantages(rewards))
        if reference is not None:
            batch["reference"] = token_log_probs(reference(batch["ids"], is_token=batch["is_token"]), batch["ids"])
        return batch, {"reward": float(rewards.mean()), "taught": float(teaches(rewards).double().mean())}

    model.eval()
    settings = Settings(steps=rounds * epochs, lr=lr, weight_decay=0)
    update = Update(model, settings, loss=partial(on_answers, loss=loss, beta=beta))
    run = on_policy.train(update, write, epochs=epochs, seed=seed, progress=False)
    if run.interrupted:
        raise KeyboardInterrupt
    return run


def groups(
    sizes: Sequence[int], *, n: int = 64, make: Callable[[], GPT2], seed: int = 0, **more: int | float
) -> dict[int, tuple[GPT2, engine.Run]]:
    """past_ceiling with each size of a group, the same number n of answers a round, each from a new `make()`. Raises
    ValueError where n is no multiple of a size."""
    if odd := [G for G in sizes if G < 2 or n % G]:
        raise ValueError(f"{n} answers cannot be cut into groups of {odd}; sizes must be 2 or more and divide n")
    found = {}
    for G in sizes:
        model = make()
        found[G] = (model, past_ceiling(model, P=n // G, G=G, seed=seed, **more))
    return found

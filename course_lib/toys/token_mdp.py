"""A language model that is a table: every beginning has its own row of logits, so every answer can be listed.

V vocabulary · L longest answer · R rows of the table · K answers · T = 1 + L tokens with the prompt · N = T - 1
ids[:, 0] is the prompt, one for all; what stands there is not read. The state is what was written so far, the action
the next token, and the next state is known: a decision process without chance, which is what a language model is.
It is called as the real ones are (ids -> logits), so PPO, DPO and GRPO run on it unchanged, and against what is listed.
Read first: three_answers.py, posttraining/log_probs.py.  Chapters 20 to 24.
"""

from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.checks import check_count, check_rows
from course_lib.posttraining.log_probs import answer_log_probs, is_last, is_target, token_log_probs


class TokenPolicy(nn.Module):
    """ids [B T] -> logits [B T V]. end: the token after which nothing is written; None: all answers have L tokens.

    The row of a beginning is its number in base V, shorter ones first: 0 nothing, 1 … V one token, …. Logits are 0 at
    the start, and after L tokens, where nothing more is asked.
    """

    def __init__(self, n_vocab: int, longest: int, end: int | None = None):
        super().__init__()
        check_count("n_vocab", n_vocab, 2)
        check_count("longest", longest, 1)
        if end is not None and not 0 <= end < n_vocab:
            raise ValueError(f"end ({end}) must be a token, 0 to {n_vocab - 1}")
        n_rows = sum(n_vocab**t for t in range(longest))
        if n_rows > 100_000:
            raise ValueError(f"{n_vocab} tokens, {longest} deep, make {n_rows:,} beginnings; a table is for few")
        self.n_vocab, self.longest, self.end = n_vocab, longest, end
        self.table = nn.Parameter(torch.zeros(n_rows, n_vocab, dtype=torch.float64))

    def forward(
        self, ids: Int[Tensor, "B T"], *, is_token: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T V"]:
        """is_token is taken, as real models take it, and not needed: padding comes after the end. Raises ValueError for
        more than L tokens after the prompt."""
        return torch.cat([self.table, torch.zeros_like(self.table[:1])])[self.rows(ids)]

    def rows(self, ids: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """Which row tells what comes after ids[:, : t + 1]; R, one too many, after L tokens."""
        if not 1 <= ids.shape[1] <= self.longest + 1:
            raise ValueError(f"ids {tuple(ids.shape)} must have 1 to {self.longest + 1} columns: a prompt, an answer")
        rows = [torch.zeros_like(ids[:, 0])]
        for token in ids[:, 1:].unbind(1):
            rows.append(rows[-1] * self.n_vocab + 1 + token)
        return torch.stack(rows, dim=1).clamp(max=len(self.table))

    def answers(self) -> tuple[Int[Tensor, "K T"], Bool[Tensor, "K T"]]:
        """Every answer there is, once, after the prompt 0, and is_answer; after its end an answer is filled with it."""
        ids, masks = [], []
        for words in product(range(self.n_vocab), repeat=self.longest):
            length = words.index(self.end) + 1 if self.end in words else self.longest
            if all(word == self.end for word in words[length:]):
                ids.append((0, *words))
                masks.append([False] + [True] * length + [False] * (self.longest - length))
        return torch.tensor(ids), torch.tensor(masks)

    def listed(self) -> Float[Tensor, " K"]:
        """log π of every answer, in the order of `answers`; their probabilities add up to 1."""
        ids, is_answer = self.answers()
        return answer_log_probs(token_log_probs(self(ids), ids), is_answer)

    @torch.no_grad()
    def become(self, listed: Float[Tensor, " K"]) -> None:
        """Set the table so that the answers have these log-probabilities: each row is how the answers that begin so go
        on. Rows that no answer reaches stay. For π* of a World, or a reference."""
        ids, is_answer = self.answers()
        mask = is_target(is_answer)
        mass = torch.zeros_like(self.table)
        probs = listed.exp()[:, None].expand_as(mask)[mask]
        mass.index_put_((self.rows(ids)[:, :-1][mask], ids[:, 1:][mask]), probs, accumulate=True)
        reached = mass.sum(-1) > 0
        self.table[reached] = mass[reached].log() - mass[reached].sum(-1, keepdim=True).log()


class TokenCritic(nn.Module):
    """ids [B T] -> V [B T 1] after each token: a table with a number for each beginning that the policy knows.

    0 before training, as posttraining.ppo's Critic is, and always after L tokens, where nothing more comes.
    """

    def __init__(self, policy: TokenPolicy):
        super().__init__()
        self.rows = policy.rows
        self.table = nn.Parameter(torch.zeros_like(policy.table[:, 0]))

    def forward(
        self, ids: Int[Tensor, "B T"], *, is_token: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T 1"]:
        return torch.cat([self.table, torch.zeros_like(self.table[:1])])[self.rows(ids)][..., None]


def state_values(policy: TokenPolicy, rewards: Float[Tensor, "K N"]) -> Float[Tensor, "K N"]:
    """V(s) before each token of each answer: the mean, over all answers that begin so, of what the rest still brings.

    rewards: of every token of every answer (of answers alone: at their last token). 0 outside the answers. This is what
    a critic learns to say: a value of what was written so far, not a mark for a token.
    """
    ids, is_answer = policy.answers()
    mask = is_target(is_answer)
    rest = rewards.masked_fill(~mask, 0).flip(1).cumsum(1).flip(1)
    rows, probs = policy.rows(ids)[:, :-1], policy.listed().exp()[:, None].expand_as(rest)
    mass, brought = (torch.zeros(len(policy.table) + 1, dtype=rest.dtype) for _ in range(2))
    mass = mass.index_put((rows[mask],), probs[mask], accumulate=True)
    brought = brought.index_put((rows[mask],), (probs * rest)[mask], accumulate=True)
    return (brought[rows] / mass[rows]).masked_fill(~mask, 0)


def at_the_end(rewards: Float[Tensor, " K"], is_answer: Bool[Tensor, "K T"]) -> Float[Tensor, "K N"]:
    """The reward of each answer at its last token, 0 elsewhere: RLHF pays when all is said."""
    return rewards[:, None] * is_last(is_target(is_answer))


class TokenReader:
    """A TokenPolicy in the middle of a text, for posttraining.rollout.write_answers: it remembers what it has read."""

    def __init__(self, policy: TokenPolicy):
        self.policy, self.ids = policy, torch.zeros(0, 0, dtype=torch.int64)

    @torch.no_grad()
    def __call__(self, ids: Int[Tensor, "B t"]) -> Float[Tensor, "B V"]:
        self.ids = torch.cat([self.ids, ids], dim=1) if len(self.ids) else ids
        return self.policy(self.ids)[:, -1]

    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows."""
        check_rows(rows, len(self.ids))
        self.ids = self.ids[rows]

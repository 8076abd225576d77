"""A grid world in which every value is known exactly: what a state is worth, and how the worth of a policy changes.

S states (free squares, row by row, the ends among them) · A = 4 actions (up, right, down, left)
N episodes · K steps
A map is lines of text:  . free   # wall   S free, where one starts   + end that pays 1   - end that pays -1
The default is the 4×3 world of Russell & Norvig (Artificial Intelligence, a modern approach, chapter on MDPs): a step
costs 0.04, goes where it should in 80 % of cases and to either side in 10 % each; who would hit a wall stays.
Values are means of what is still to come, so that of an end is 0: its payment belongs to the step that enters it.
Read first: bandit.py.  Chapter 20.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_count, check_within

RUSSELL_NORVIG = """
...+
.#.-
S...
"""
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # ↑ → ↓ ←
PAYS = {"+": 1.0, "-": -1.0}


@dataclass(frozen=True, eq=False)
class GridWorld:
    """next: probability of every next state; an end leads to itself. entering: what the step from one state into
    another pays, 0 from an end. start: probability to begin in each state. squares: (row, column) of each state."""

    next: Float[Tensor, "S 4 S"]
    entering: Float[Tensor, "S S"]
    is_end: Bool[Tensor, " S"]
    start: Float[Tensor, " S"]
    discount: float
    squares: tuple[tuple[int, int], ...]

    @property
    def reward(self) -> Float[Tensor, "S 4"]:
        """What a step pays on average."""
        return torch.einsum("sat,st->sa", self.next, self.entering)

    def values(self, policy: Float[Tensor, "S 4"]) -> Float[Tensor, " S"]:
        """V(s) of a policy (rows of probabilities): the solution of V = r_π + γ P_π V.

        Raises ValueError where there is none: without a discount, under a policy that may never end.
        """
        there = ~self.is_end
        moves = torch.einsum("sa,sat->st", policy, self.next)[there][:, there]
        pays = (policy * self.reward).sum(-1)[there]
        solved, info = torch.linalg.solve_ex(torch.eye(len(moves), dtype=moves.dtype) - self.discount * moves, pays)
        if info != 0 or not solved.isfinite().all():
            raise ValueError(f"this policy may never end, and discount ({self.discount}) is 1: give one below 1")
        return torch.zeros_like(self.start).index_put((there.nonzero()[:, 0],), solved)

    def action_values(self, values: Float[Tensor, " S"]) -> Float[Tensor, "S 4"]:
        """Q(s, a) = r(s, a) + γ Σ P(s' | s, a) V(s')."""
        return self.reward + self.discount * self.next @ values

    def best_values(self, within: float = 1e-12) -> Float[Tensor, " S"]:
        """V*(s) by value iteration: V ← max over actions of Q, until nothing moves by more than `within`.

        Raises ValueError if it still does after 10,000 rounds: where walking on for ever pays, nothing else is best.
        """
        values = torch.zeros_like(self.start)
        for _ in range(10_000):
            before, values = values, self.action_values(values).amax(-1)
            if (moved := (values - before).abs().max()) <= within:
                return values
        raise ValueError(f"values still move by {moved:.2g} a round; let a step cost, or give a discount below 1")

    def worth(self, policy: Float[Tensor, "S 4"]) -> Float[Tensor, ""]:
        """J = Σ start(s) V(s): what an episode brings on average."""
        return self.start @ self.values(policy)

    def visits(self, policy: Float[Tensor, "S 4"]) -> Float[Tensor, " S"]:
        """How often an episode acts in each state on average, a visit at step k counted as γ^k; 0 for ends."""
        there = ~self.is_end
        moves = torch.einsum("sa,sat->st", policy, self.next)[there][:, there]
        found = torch.linalg.solve(
            torch.eye(len(moves), dtype=moves.dtype) - self.discount * moves.mT, self.start[there]
        )
        return torch.zeros_like(self.start).index_put((there.nonzero()[:, 0],), found)

    def gradient(self, logits: Float[Tensor, "S 4"]) -> Float[Tensor, "S 4"]:
        """∂J/∂logits of the softmax policy, by the policy gradient theorem (Sutton et al. 2000):
        visits(s) · π(a | s) · (Q(s, a) - V(s))."""
        policy = logits.softmax(-1)
        values = self.values(policy)
        return self.visits(policy)[:, None] * policy * (self.action_values(values) - values[:, None])

    def episodes(
        self, policy: Float[Tensor, "S 4"], n: int, generator: torch.Generator, *, limit: int = 100
    ) -> tuple[Int[Tensor, "N K"], Int[Tensor, "N K"], Float[Tensor, "N K"], Bool[Tensor, "N K"]]:
        """n walks side by side, K ≤ limit steps: states, actions, payments, and is_step, False after the end, where
        the payment is 0. A walk that has not ended at the limit is cut there. Payments are those of the squares
        entered, so their mean over walks is `reward`'s."""
        check_count("n", n, 1)
        check_count("limit", limit, 1)
        state = self.start.expand(n, -1).multinomial(1, generator=generator)[:, 0]
        steps: list[tuple[Tensor, ...]] = []
        while len(steps) < limit and not self.is_end[state].all():
            action = policy[state].multinomial(1, generator=generator)[:, 0]
            arrived = self.next[state, action].multinomial(1, generator=generator)[:, 0]
            steps.append((state, action, self.entering[state, arrived], ~self.is_end[state]))
            state = arrived
        states, actions, payments, is_step = (torch.stack(each, dim=1) for each in zip(*steps))
        return states, actions, payments, is_step


def grid_world(
    drawn: str = RUSSELL_NORVIG, *, slip: float = 0.2, step_pays: float = -0.04, discount: float = 1.0
) -> GridWorld:
    """The world that a map draws, in float64. slip: how often a step goes to a side, half the time to either.

    Without an S, one starts on any free square alike. Raises ValueError for unknown signs, lines of different lengths,
    a map without an end, and slip or discount outside 0 … 1.
    """
    check_within("slip", slip, 0, 1)
    check_within("discount", discount, 0, 1)
    lines = drawn.split()
    if unknown := set("".join(lines)) - set(".#S+-"):
        raise ValueError(f"the map holds {sorted(unknown)}; it is drawn with . # S + -")
    if len(set(map(len, lines))) != 1:
        raise ValueError(f"the map's lines have {[len(line) for line in lines]} squares; all must be as long")
    signs = {(i, j): sign for i, line in enumerate(lines) for j, sign in enumerate(line) if sign != "#"}
    squares = tuple(signs)
    number = {square: s for s, square in enumerate(squares)}
    is_end = torch.tensor([sign in PAYS for sign in signs.values()])
    if not is_end.any() or is_end.all():
        raise ValueError("the map needs an end, + or -, and a free square")
    next_ = torch.zeros(len(squares), len(MOVES), len(squares), dtype=torch.float64)
    for (i, j), s in number.items():
        for a in range(len(MOVES)):
            for turn, share in ((0, 1 - slip), (-1, slip / 2), (1, slip / 2)):
                down, right = MOVES[(a + turn) % len(MOVES)]
                next_[s, a, s if is_end[s] else number.get((i + down, j + right), s)] += share
    paid = torch.tensor([step_pays + PAYS.get(sign, 0.0) for sign in signs.values()], dtype=torch.float64)
    starts = torch.tensor([sign == "S" for sign in signs.values()])
    start = (starts if starts.any() else ~is_end).double()
    return GridWorld(
        next=next_,
        entering=paid.expand(len(paid), -1) * ~is_end[:, None],
        is_end=is_end,
        start=start / start.sum(),
        discount=discount,
        squares=squares,
    )

"""A strip of syllables, the smallest text with rules: an answer is 平 and 仄 up to 止, and earns its turns.

B rows · T tokens with the prompt · K answers
    止 平 仄      平仄平仄止 earns 3: 1 for each turn from 平 to 仄 or back; the reward comes when all is said.
The policy is token_mdp.py's table, so that every answer can be listed and everything is known exactly.
Read first: token_mdp.py.  Chapters 20, 21, 23.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.toys.token_mdp import TokenPolicy

SYLLABLES = "止平仄"
END = SYLLABLES.index("止")
LONGEST = 5


def policy_of(seed: int, longest: int = LONGEST) -> TokenPolicy:
    """A policy with chance logits: it has its habits, good and bad."""
    policy = TokenPolicy(len(SYLLABLES), longest, end=END)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        policy.table.normal_(generator=chance)
    return policy


def turns(ids: Int[Tensor, "B T"]) -> Float[Tensor, " B"]:
    """Places where the next syllable is the other one; the prompt ids[:, 0] is not read."""
    before, after = ids[:, 1:-1], ids[:, 2:]
    return ((before != after) & (before != END) & (after != END)).sum(1).double()


def read(ids: Int[Tensor, "B T"]) -> list[str]:
    """平仄止, up to the first 止."""
    texts = ("".join(SYLLABLES[i] for i in row[1:]) for row in ids.tolist())
    return [text[: text.index("止") + 1] if "止" in text else text for text in texts]


def rewards_of(policy: TokenPolicy) -> Float[Tensor, " K"]:
    """What each of its answers earns, in the order of `answers`."""
    return turns(policy.answers()[0])

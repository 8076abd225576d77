"""The prompt of a group read once: GRPO's answers to one prompt differ only behind it.

P groups · n rows each · B = P n · V vocabulary · T tokens, S of which all rows of every group share · A = T - S
L = S + n A
    update = Update(SharedPrefix(policy, n=8), settings, loss=partial(on_answers, loss=grpo_loss))
A row of L holds the prompt and then every answer to it: an answer attends to the prompt and to itself, and its
positions go on from the prompt, as if it stood there alone. Logits and gradients are those of the rows by themselves,
as for packing.py's texts; with answers as long as the prompt (n + 1)/(2 n) of the products are made, nearly half.
Only what a whole batch shares is shared, so prompts must be padded on the left, as rollout.py has them.
(Prefix Grouper, Liu et al. 2025, arXiv:2506.05433, does so in two attentions instead of by a mask.)
Read first: packing.py, rollout.py.  Chapter 23.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.attention import causal_mask
from course_lib.foundations.checks import check_count
from course_lib.models.gpt2 import GPT2
from course_lib.models.llama import Llama
from course_lib.posttraining.packing import hidden_at


class SharedPrefix(nn.Module):
    """What model(ids, is_token=…) says, for rows of which each n after one another begin alike.

    Raises TypeError unless the model is a GPT2 or a Llama, whose blocks take a mask for each row; ValueError for rows
    that are no whole groups.
    """

    def __init__(self, model: nn.Module, n: int):
        super().__init__()
        check_count("n", n, 1)
        if not isinstance(model, GPT2 | Llama):
            raise TypeError(f"a prefix is shared for GPT2 and Llama, not for {type(model).__name__}; call the model")
        self.model, self.n = model, n

    def forward(self, ids: Int[Tensor, "B T"], *, is_token: Bool[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        if len(ids) % self.n:
            raise ValueError(f"{len(ids)} rows are no groups of {self.n}; give all answers to a prompt together")
        S = n_shared(ids, is_token, self.n)
        B, A = len(ids), ids.shape[1] - S

        def folded(rows: Tensor) -> Tensor:
            """[B T] -> [P L]: the prefix of each group's first row, then what each row adds."""
            return torch.cat([rows[:: self.n, :S], rows[:, S:].reshape(B // self.n, self.n * A)], dim=1)

        where = folded(is_token.cumsum(1) - 1).clamp(min=0)
        may_attend = group_mask(S, self.n, A).to(ids.device) & folded(is_token)[:, None, None, :]
        x = hidden_at(self.model, folded(ids), where, may_attend)
        prompt, answers = self.model.to_vocab(x).split([S, self.n * A], dim=1)
        return torch.cat([prompt.repeat_interleave(self.n, dim=0), answers.reshape(B, A, answers.shape[-1])], dim=1)


def n_shared(ids: Int[Tensor, "B T"], is_token: Bool[Tensor, "B T"], n: int) -> int:
    """How many tokens from the left on all rows of every group have in common."""
    alike = torch.ones_like(is_token[0])
    for rows in (ids, is_token):
        groups = rows.unflatten(0, (-1, n))
        alike = alike & (groups == groups[:, :1]).all(1).all(0)
    return int(alike.cumprod(0).sum())


def group_mask(S: int, n: int, A: int) -> Bool[Tensor, "L L"]:
    """Who attends to whom among S tokens of a prompt and n answers of A: no answer to another."""
    answer_of = torch.cat([torch.full((S,), -1), torch.arange(n).repeat_interleave(A)])
    return causal_mask(S + n * A) & ((answer_of[:, None] == answer_of) | (answer_of == -1))

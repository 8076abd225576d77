"""A policy writes answers, and remembers how likely it held each word: what PPO and GRPO learn from.

P prompts · n answers to each · B = P n rows · S tokens of a prompt, padding too · T = S + longest answer · N = T - 1
V vocabulary
Each prompt is read once and its cache copied n times. Words are drawn from softmax(logits / temperature) and from
nothing else: top-k and top-p would draw from another law than the ratio of PPO and GRPO assumes. Rows that have ended
are no longer read, once they are half of those that are. The same generator in the same state writes the same answers;
no other chance is used, so a training goes on exactly where the generator's state was kept.
Read first: decoding/generation.py, log_probs.py.  Chapters 20 to 23.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.decoding import sampling
from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.fast_reader import FastReader
from course_lib.decoding.generation import Reader, check_request
from course_lib.foundations.checks import check_count
from course_lib.models.gpt2 import GPT2
from course_lib.models.llama import Llama, LlamaReader


@dataclass(frozen=True, eq=False)
class RollOut:
    """Rows p n … p n + n - 1 answer prompt p. All tensors are ordinary ones without gradients.

    ids: padding, prompt, answer, then `end` to the right edge (0 where there is no `end`).
    is_token: False on padding of either side. is_answer: the words written, the first `end` among them.
    log_probs: of ids[:, 1:] under the policy that wrote, at its temperature; 0 outside the answers.
    is_cut: the limit came before `end`; False everywhere if there is no `end` to come.
    """

    ids: Int[Tensor, "B T"]
    is_token: Bool[Tensor, "B T"]
    is_answer: Bool[Tensor, "B T"]
    log_probs: Float[Tensor, "B N"]
    is_cut: Bool[Tensor, " B"]
    end: int | None

    def answers(self) -> list[list[int]]:
        """The words of each answer without its `end`: what a reward's text is decoded from."""
        rows = [ids[mask].tolist() for ids, mask in zip(self.ids, self.is_answer)]
        return [row[:-1] if self.end is not None and row[-1] == self.end else row for row in rows]

    def batch(self, **more: Tensor) -> dict[str, Tensor]:
        """What training/step.py's Update cuts into pieces: ids, is_token, is_answer, old (log_probs), and more, such as
        advantages. The loss must be told the temperature, or its ratio begins elsewhere than at 1."""
        return dict(ids=self.ids, is_token=self.is_token, is_answer=self.is_answer, old=self.log_probs, **more)


def roll_out(
    policy: nn.Module,
    prompt: Int[Tensor, "P S"],
    *,
    is_token: Bool[Tensor, "P S"] | None = None,
    n: int = 1,
    limit: int,
    end: int | None,
    temperature: float = 1.0,
    generator: torch.Generator,
) -> RollOut:
    """write_answers by the fastest reader that the policy has, built anew: weights are those of this moment.

    policy: GPT2, Llama, or any with their new_caches, hidden and to_vocab.
    Raises ValueError for a policy that would drop out what a full forward pass in eval mode does not.
    """
    drops = [module.p for module in policy.modules() if isinstance(module, nn.Dropout) and module.p > 0]
    if policy.training and drops:
        raise ValueError(
            f"the policy is in training mode with dropout {drops[0]}: log_probs would not be those of one policy; "
            "call policy.eval() before, or build it with dropout=0"
        )
    if is_token is not None and is_token.shape != prompt.shape:
        raise ValueError(f"is_token {tuple(is_token.shape)} must be {tuple(prompt.shape)}, as the prompts are")
    reader = fastest_reader(policy, prompt.shape[1] + limit, is_token)
    return write_answers(
        reader, prompt, is_token=is_token, n=n, limit=limit, end=end, temperature=temperature, generator=generator
    )


@torch.no_grad()
def write_answers(
    reader: Reader,
    prompt: Int[Tensor, "P S"],
    *,
    is_token: Bool[Tensor, "P S"] | None = None,
    n: int = 1,
    limit: int,
    end: int | None,
    temperature: float = 1.0,
    generator: torch.Generator,
) -> RollOut:
    """n answers to each prompt, of at most `limit` words, from a reader that has read nothing yet.

    is_token: False on the padding of prompts, which the reader must know of by itself.
    Raises ValueError for a temperature that is not above 0: greedy answers have no log-probabilities to learn from.
    """
    check_request(prompt, limit, end)
    check_count("n", n, 1)
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature ({temperature}) must be above 0 and finite; for greedy answers use generation")
    logits = reader(prompt)
    rows = torch.arange(len(prompt), device=prompt.device).repeat_interleave(n)
    if n > 1:
        reader.reorder(rows)
    logits, B = logits[rows], len(rows)
    words = prompt.new_full((B, limit), 0 if end is None else end)
    log_probs, is_answer = logits.new_zeros(B, limit), words.new_zeros(B, limit, dtype=torch.bool)
    held = torch.arange(B, device=prompt.device)  # the rows that are read
    goes_on = torch.ones_like(held, dtype=torch.bool)  # which of these have not ended
    for t in range(limit):
        drawn_from = sampling.log_probs(logits, temperature=temperature)
        token = sampling.choose(drawn_from, generator=generator)
        log_prob = drawn_from.gather(1, token[:, None])[:, 0]
        if end is not None:
            token, log_prob = token.masked_fill(~goes_on, end), log_prob.masked_fill(~goes_on, 0)
        words[held, t], log_probs[held, t], is_answer[held, t] = token, log_prob, goes_on
        if end is not None:
            goes_on = token != end
        if t + 1 == limit or not (n_left := int(goes_on.sum())):
            break
        if 2 * n_left <= len(held):
            reader.reorder(kept := goes_on.nonzero()[:, 0])
            held, token, goes_on = held[kept], token[kept], goes_on[kept]
        logits = reader(token[:, None])
    is_cut = torch.zeros(B, dtype=torch.bool, device=prompt.device)
    if end is not None:
        is_cut[held[goes_on]] = True
    is_prompt = torch.ones_like(prompt, dtype=torch.bool) if is_token is None else is_token
    length = t + 1
    return RollOut(
        ids=torch.cat([prompt[rows], words[:, :length]], dim=1),
        is_token=torch.cat([is_prompt[rows], is_answer[:, :length]], dim=1),
        is_answer=torch.cat([torch.zeros_like(is_prompt[rows]), is_answer[:, :length]], dim=1),
        log_probs=torch.cat([log_probs.new_zeros(B, prompt.shape[1] - 1), log_probs[:, :length]], dim=1),
        is_cut=is_cut,
        end=end,
    )


def fastest_reader(model: nn.Module, capacity: int, is_token: Bool[Tensor, "P S"] | None = None) -> Reader:
    """FastGPTReader, FastReader, or for others LlamaReader: tests bind the three."""
    if isinstance(model, GPT2):
        return FastGPTReader(model, capacity, is_token)
    full = next(model.parameters()).dtype in (torch.float32, torch.float64)
    return (FastReader if isinstance(model, Llama) and full else LlamaReader)(model, capacity, is_token)


def left_padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[Int[Tensor, "P S"], Bool[Tensor, "P S"]]:
    """Prompts of any lengths as one batch whose rows end together, and where its tokens are. The mask is made from the
    lengths, so `pad` may be a token of the prompts. Raises ValueError where a prompt is empty."""
    if not prompts or not all(prompts):
        empty = [i for i, prompt in enumerate(prompts) if not prompt]
        raise ValueError(f"prompts {empty} of {len(prompts)} are empty; begin each with a start token")
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    return ids, torch.arange(longest) >= longest - torch.tensor([len(prompt) for prompt in prompts])[:, None]

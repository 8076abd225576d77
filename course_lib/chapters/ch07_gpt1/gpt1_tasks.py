"""GPT-1's second stage: every task becomes texts with three new tokens, and a linear head reads the last of them
(Radford et al. 2018, sections 3.2 and 3.3, figure 1).

B examples · R readings of an example · T tokens · D width · V vocabulary · K classes
    classification     <start> text <extract>                              R = 1, K classes
    entailment         <start> premise <delimiter> hypothesis <extract>    R = 1, K classes
    similarity         both orders of the two texts, their states added    R = 2, K classes
    multiple choice    <start> context <delimiter> answer <extract>        R answers, softmax over them
Under the causal mask only the last token has read everything: that is where <extract> stands.
Read first: gpt1.py.  Chapter 07.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.foundations.checks import check_count
from course_lib.models.gpt1 import GPT1


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Ids of the three tokens that fine-tuning adds."""

    start: int
    delimiter: int
    extract: int

    def __post_init__(self):
        if len({self.start, self.delimiter, self.extract}) < 3:
            raise ValueError(f"{self} must name three different tokens; try n_vocab, n_vocab + 1 and n_vocab + 2")


def classification(text: Sequence[int], marks: Marks) -> list[list[int]]:
    return [[marks.start, *text, marks.extract]]


def entailment(premise: Sequence[int], hypothesis: Sequence[int], marks: Marks) -> list[list[int]]:
    return [[marks.start, *premise, marks.delimiter, *hypothesis, marks.extract]]


def similarity(one: Sequence[int], other: Sequence[int], marks: Marks) -> list[list[int]]:
    """Neither text comes first by nature, so both orders are read."""
    return entailment(one, other, marks) + entailment(other, one, marks)


def multiple_choice(context: Sequence[int], answers: Sequence[Sequence[int]], marks: Marks) -> list[list[int]]:
    return [reading for answer in answers for reading in entailment(context, answer, marks)]


def pad(
    examples: Sequence[Sequence[Sequence[int]]], filler: int = 0
) -> tuple[Int[Tensor, "B R T"], Bool[Tensor, "B R T"]]:
    """Readings of any lengths as one batch, filled up on the right, and where a token stands.

    Raises ValueError if there is none, a reading is empty, or the examples differ in their number of readings.
    """
    numbers = {len(readings) for readings in examples}
    if len(numbers) != 1 or 0 in numbers:
        raise ValueError(f"{len(examples)} examples with {sorted(numbers)} readings; all need the same, at least 1")
    lengths = torch.tensor([[len(reading) for reading in readings] for readings in examples])
    is_token = torch.arange(int(lengths.max())) < lengths[..., None]
    check_count("the shortest reading", int(lengths.min()), 1)
    ids = torch.full(is_token.shape, filler)
    ids[is_token] = torch.tensor([token for readings in examples for reading in readings for token in reading])
    return ids, is_token


def with_new_tokens(gpt: GPT1, n_new: int) -> GPT1:
    """A copy with n_new more tokens at the end of its vocabulary, untrained; all else is as it was."""
    grown = GPT1(replace(gpt.config, n_vocab=gpt.config.n_vocab + n_new)).to(gpt.embedding.weight)
    state = gpt.state_dict()
    fresh = grown.embedding.weight.detach()[gpt.config.n_vocab :]
    grown.load_state_dict({**state, "embedding.weight": torch.cat([state["embedding.weight"], fresh])})
    return grown


class GPT1Task(nn.Module):
    """ids [B R T] -> scores [B K].

    n_classes: the states of the R readings are added and the head W_y gives K scores; None: the readings are the
    answers to choose from, the head gives each one score, and K = R. W_y has a bias as released; the paper has none.
    """

    def __init__(self, gpt: GPT1, marks: Marks, n_classes: int | None):
        super().__init__()
        if n_classes is not None and n_classes < 2:
            raise ValueError(f"n_classes ({n_classes}) must be at least 2, or None to choose among the readings")
        self.gpt, self.marks, self.n_classes = gpt, marks, n_classes
        self.drop = nn.Dropout(gpt.config.dropout)
        self.head = nn.Linear(gpt.config.d_model, n_classes or 1)
        nn.init.normal_(self.head.weight, std=gpt.config.init_std or gpt.config.d_model**-0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Int[Tensor, "B R T"], is_token: Bool[Tensor, "B R T"] | None = None) -> Float[Tensor, "B K"]:
        return self.scores(self.hidden(ids, is_token), ids)

    def scores_and_logits(
        self, ids: Int[Tensor, "B R T"], is_token: Bool[Tensor, "B R T"] | None = None
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B R T V"]]:
        """The same, and what the auxiliary loss judges: the next token at every place."""
        x = self.hidden(ids, is_token)
        return self.scores(x, ids), self.gpt.to_vocab(x)

    def hidden(
        self, ids: Int[Tensor, "B R T"], is_token: Bool[Tensor, "B R T"] | None = None
    ) -> Float[Tensor, "B R T D"]:
        flat = None if is_token is None else is_token.flatten(0, 1)
        return self.gpt.hidden(ids.flatten(0, 1), is_token=flat).unflatten(0, ids.shape[:2])

    def scores(self, x: Float[Tensor, "B R T D"], ids: Int[Tensor, "B R T"]) -> Float[Tensor, "B K"]:
        read = self.drop(at_extract(x, ids, self.marks.extract))
        return self.head(read)[..., 0] if self.n_classes is None else self.head(read.sum(dim=1))


def at_extract(x: Float[Tensor, "B R T D"], ids: Int[Tensor, "B R T"], extract: int) -> Float[Tensor, "B R D"]:
    """The state above <extract>, wherever it stands. Raises ValueError unless every reading holds it once."""
    here = ids == extract
    counts = here.sum(dim=-1)
    if (counts != 1).any():
        raise ValueError(f"<extract> ({extract}) stands {counts.tolist()} times in the readings, not once in each")
    return x[here].unflatten(0, ids.shape[:2])


def task_loss(
    scores: Float[Tensor, "B K"],
    labels: Int[Tensor, " B"],
    logits: Float[Tensor, "B R T V"],
    ids: Int[Tensor, "B R T"],
    is_token: Bool[Tensor, "B R T"],
    lm_weight: float = 0.5,
) -> Float[Tensor, ""]:
    """L3 = L2 + λ L1, eq. 5: the task's cross-entropy, and λ times the language model's on the same texts, nats.

    L1 is a mean over the tokens of a reading, then over the readings, as in the released code. λ = 0.5 in section 4.1.
    """
    losses = cross_entropy(logits[..., :-1, :].flatten(0, 2), ids[..., 1:].flatten(), reduction="none")
    counted = is_token[..., 1:].to(losses)
    per_reading = (losses.view_as(counted) * counted).sum(-1) / counted.sum(-1)
    return cross_entropy(scores, labels) + lm_weight * per_reading.mean()

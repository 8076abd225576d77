"""Supervised fine-tuning, SFT (Ouyang et al. 2022, arXiv:2203.02155, section 3.5): next-token prediction, but only the
assistant's words are learned (Touvron et al. 2023, arXiv:2307.09288, section 3.1).

B conversations · T tokens
    loss = - mean of log p(word | all before it) over every word of every answer of the batch
    update = Update(model, settings, loss=sft_loss, weigh=n_targets)
`weigh` matters where a batch comes in pieces: pieces hold answers of unlike length, and a mean of their means would
weigh words of short answers more.
Read first: chat.py, log_probs.py.  Chapter 19.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_count
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.log_probs import is_target, masked_mean, token_log_probs


def shortened(text: Rendered, longest: int) -> Rendered:
    """Its first `longest` tokens. An answer that is cut has no end to learn. Raises ValueError if no word is left."""
    check_count("longest", longest, 1)
    ids, is_answer = text.ids[:longest], text.is_answer[:longest]
    if not any(is_answer[1:]):
        first = text.is_answer.index(True) + 1 if True in text.is_answer else None
        mend = f"its first word of an answer is token {first}" if first else "it has no answer at all"
        raise ValueError(f"{len(text.ids)} tokens cut to {longest}: no word of an answer is left; {mend}; leave it out")
    return Rendered(ids, is_answer)


def padded(texts: Sequence[Rendered], pad: int) -> dict[str, Tensor]:
    """ids, is_token and is_answer, each [B T], padded on the right. pad may be the id of a real token, such as the end:
    what is padding is known from lengths, never from ids. A first token is not learned: nothing predicts it.

    Raises ValueError for no text, and for a text without a word of an answer after its first token.
    """
    check_count("pad", pad)
    for i, text in enumerate(texts):
        if len(text.ids) != len(text.is_answer):
            raise ValueError(f"text {i} has {len(text.ids)} ids and {len(text.is_answer)} marks; give one for each id")
    without = [i for i, text in enumerate(texts) if not any(text.is_answer[1:])]
    if without or not texts:
        raise ValueError(f"texts {without} of {len(texts)} have no word of an answer to learn; leave them out")
    longest = max(len(text.ids) for text in texts)
    rows = [(text.ids, longest - len(text.ids), text.is_answer) for text in texts]
    return {
        "ids": torch.tensor([ids + [pad] * room for ids, room, _ in rows]),
        "is_token": torch.tensor([[True] * len(ids) + [False] * room for ids, room, _ in rows]),
        "is_answer": torch.tensor([[False] + marks[1:] + [False] * room for _, room, marks in rows]),
    }


def sft_loss(model: nn.Module, batch: dict[str, Tensor]) -> Float[Tensor, ""]:
    """In nats a word, mean over all words of all answers of the batch. batch: as from `padded`."""
    logits = model(batch["ids"], is_token=batch["is_token"])
    return masked_mean(-token_log_probs(logits, batch["ids"]), is_target(batch["is_answer"]))


def n_targets(batch: dict[str, Tensor]) -> int:
    """How many words the loss is a mean over."""
    return int(is_target(batch["is_answer"]).sum())

"""What chapter 19's base model is made of: it goes on with papers full of sums, and has read no conversation.

    27+15=?答：42。13加50等于63。…      27+15=?13加50等于几？…
It can add, and on a question it may as well write the next question: that is what papers look like.
Read first: toys/sums.py.  Chapter 19; chapters 20, 23 and 24 go on from it.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.generation import greedy
from course_lib.models.gpt2 import GPT2
from course_lib.toys import sums

BATCH = 32
FORMS = ("{}+{}=?答：", "{}加{}等于几？等于", "{}+{}=?好，\n")


def batches(step: int) -> Int[Tensor, "B 64"]:
    return sums.pages(BATCH, step)


def measure(model: GPT2) -> Mapping[str, float]:
    """Share of sums of the pairs held out that it goes on with rightly, by how they stand in the paper."""
    found = {}
    for form in FORMS:
        texts = ["12+34=46。" + form.format(*pair) for pair in sums.pairs(held_out=True)]
        ids = torch.tensor(list(map(sums.chat().encode, texts)))
        said = map(sums.decode, greedy(FastGPTReader(model, sums.CONTEXT), ids, 2).tolist())
        right = [text == str(a + b) for text, (a, b) in zip(said, sums.pairs(held_out=True))]
        found[form.format(27, 15)] = sum(right) / len(right)
    return found

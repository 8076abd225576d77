"""Chapter 19's exercises: any correct way passes, and the values agree with the rooms."""

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.course.exercises import get_exercise, judge
from course_lib.posttraining.chat import ROLES, Chat, chatml
from course_lib.posttraining.log_probs import masked_mean
from course_lib.posttraining.lora import LoRALinear
from course_lib.posttraining.packing import own_text, places
from course_lib.posttraining.sft import n_targets, padded


def encoded(text: str) -> list[int]:
    """A role is one token, a line break another, every character of a message a third."""
    words = text.removesuffix("\n")
    return ([3] if words in ROLES else [4] * len(words)) + [5] * text.endswith("\n")


CHAT = Chat(encoded, start=1, end=2)
TALK = [
    {"role": role, "content": "字" * n}
    for role, n in (("system", 5), ("user", 6), ("assistant", 2), ("user", 4), ("assistant", 3))
]


def test_targets_and_the_guessing_token_are_those_of_the_room():
    text = CHAT.render(TALK)
    assert n_targets(padded([text], 0)) == get_exercise("19-sft-1").solution
    first_of_last = len(text.ids) - 1 - 4  # three words, the end, and the line break behind it
    assert text.is_answer[first_of_last] and not text.is_answer[first_of_last - 1]
    assert first_of_last == get_exercise("19-sft-1-next").solution  # the token before it, counted from 1


def test_a_prompt_is_the_beginning_of_the_whole_text():
    asked = TALK[:4]
    prompt = get_exercise("19-sft-2").solution(asked)
    assert chatml(TALK).startswith(prompt) and prompt.startswith(chatml(asked))

    def by_join(messages):
        turns = [*messages, {"role": "assistant", "content": ""}]
        return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in turns)[: -len("<|im_end|>\n")]

    assert judge(get_exercise("19-sft-2"), by_join).passed


def test_labels_by_loops_pass_and_are_what_the_room_learns():
    def by_loops(ids, begins, lengths):
        labels = np.full(ids.shape, -100)
        for b in range(len(ids)):
            labels[b, begins[b] : lengths[b]] = ids[b, begins[b] : lengths[b]]
        return labels

    exercise = get_exercise("19-sft-3")
    assert judge(exercise, by_loops).passed
    texts = [CHAT.answered(TALK[:2], "字字"), CHAT.answered(TALK[:4], "字")]
    batch = padded(texts, CHAT.end)  # the end fills up, too
    begins = torch.tensor([text.is_answer.index(True) for text in texts])
    labels = exercise.solution(batch["ids"], begins, batch["is_token"].sum(1))
    assert torch.equal(labels != -100, batch["is_answer"])


def test_the_mean_over_pieces_is_the_mean_of_the_whole():
    torch.manual_seed(0)
    losses, mask = torch.rand(6, 5), torch.rand(6, 5) > 0.4
    mask[4:] = False
    pieces = [(losses[at], mask[at]) for at in (slice(0, 1), slice(1, 4), slice(4, 6))]
    exercise = get_exercise("19-sft-4")
    torch.testing.assert_close(exercise.solution(pieces), masked_mean(losses, mask))

    def weighed(pieces):
        n = sum(int(mask.sum()) for _, mask in pieces)
        return sum(losses[mask].mean() * int(mask.sum()) / n for losses, mask in pieces if mask.any())

    assert judge(exercise, weighed).passed
    times = 2 / (44 / 40)
    assert times == pytest.approx(get_exercise("19-sft-4-next").solution, abs=1e-3)


def test_pairs_and_places_are_those_of_the_room():
    text_of = torch.tensor([[0] * 5 + [1] * 3 + [2] * 4])
    assert int(own_text(text_of).sum()) == get_exercise("19-sft-5").solution
    assert int(places(text_of)[0, 9]) == get_exercise("19-sft-5-next").solution


def test_what_the_room_merged_is_taken_apart():
    layer = LoRALinear(nn.Linear(6, 4, bias=False), 3, alpha=6.0).double()
    layer.B.data.normal_()
    exercise = get_exercise("19-sft-6")
    back = exercise.solution(layer.merged().weight, layer.A.data, layer.B.data, 6.0)
    torch.testing.assert_close(back, layer.base.weight.data)

    def by_einsum(merged, A, B, alpha):
        return merged - torch.einsum("or,ri->oi", B * (alpha / B.shape[1]), A)

    assert judge(exercise, by_einsum).passed
    big = LoRALinear(nn.Linear(768, 2304, bias=False), 4)
    share = (big.A.numel() + big.B.numel()) / big.base.weight.numel()
    assert share == pytest.approx(get_exercise("19-sft-6-next").solution, rel=1e-2)


def test_the_ceiling_is_the_demonstrators_share():
    logits = torch.tensor([0.6, 0.4]).log()  # where the cross-entropy is least
    drawn = torch.multinomial(logits.softmax(0), 100_000, replacement=True, generator=torch.Generator().manual_seed(0))
    assert float((drawn == 0).double().mean()) * 100 == pytest.approx(get_exercise("19-sft-7").solution, abs=1)
    assert int(torch.tensor([0.4, *[0.02] * 30]).argmax()) == 0

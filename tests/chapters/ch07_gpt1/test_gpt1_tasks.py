import pytest
import torch

from course_lib.chapters.ch07_gpt1.gpt1_tasks import (
    GPT1Task,
    Marks,
    at_extract,
    classification,
    entailment,
    multiple_choice,
    pad,
    similarity,
    task_loss,
    with_new_tokens,
)
from course_lib.models.gpt1 import GPT1, GPT1Config

V = 20
MARKS = Marks(start=17, delimiter=18, extract=19)


def fresh(n_classes: int | None = 3) -> GPT1Task:
    torch.manual_seed(0)
    return GPT1Task(GPT1(GPT1Config(n_vocab=V, context=24)), MARKS, n_classes).double().eval()


def test_the_four_transformations_by_hand():
    assert classification([1, 2], MARKS) == [[17, 1, 2, 19]]
    assert entailment([1, 2], [3], MARKS) == [[17, 1, 2, 18, 3, 19]]
    assert similarity([1, 2], [3], MARKS) == [[17, 1, 2, 18, 3, 19], [17, 3, 18, 1, 2, 19]]
    assert multiple_choice([1], [[2], [3, 4]], MARKS) == [[17, 1, 18, 2, 19], [17, 1, 18, 3, 4, 19]]


def test_padding_holds_the_readings():
    ids, is_token = pad([multiple_choice([1], [[2], [3, 4]], MARKS)], filler=5)
    assert ids.tolist() == [[[17, 1, 18, 2, 19, 5], [17, 1, 18, 3, 4, 19]]]
    assert is_token.tolist() == [[[True] * 5 + [False], [True] * 6]]


def test_similarity_does_not_care_which_text_comes_first():
    model = fresh()
    one, other = ([similarity(*pair, MARKS)] for pair in (([1, 2, 3], [4, 5]), ([4, 5], [1, 2, 3])))
    torch.testing.assert_close(model(*pad(one)), model(*pad(other)), atol=1e-12, rtol=0)
    swapped = [pad([entailment(*pair, MARKS)]) for pair in (([1, 2, 3], [4, 5]), ([4, 5], [1, 2, 3]))]
    assert (model(*swapped[0]) - model(*swapped[1])).abs().max() > 1e-6


def test_an_answer_is_scored_without_a_look_at_the_others():
    model = fresh(None)
    all_three = model(*pad([multiple_choice([1, 2], [[3], [4, 5], [6]], MARKS)]))
    alone = [model(*pad([multiple_choice([1, 2], [answer], MARKS)])) for answer in ([3], [4, 5], [6])]
    torch.testing.assert_close(all_three, torch.cat(alone, dim=1), atol=1e-12, rtol=0)


def test_a_batch_of_unequal_texts_is_what_each_is_alone():
    model, texts = fresh(), [[1], [2, 3, 4, 5], [6, 7]]
    together = model(*pad([classification(text, MARKS) for text in texts]))
    alone = torch.cat([model(*pad([classification(text, MARKS)])) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


def test_an_extract_token_in_front_has_read_nothing():
    model = fresh()
    front = [[[17, 19, *text]] for text in ([1, 2, 3], [4, 5, 6])]
    scores = model(*pad(front))
    assert torch.equal(scores[0], scores[1])
    back = model(*pad([classification(text, MARKS) for text in ([1, 2, 3], [4, 5, 6])]))
    assert (back[0] - back[1]).abs().max() > 1e-3


def test_auxiliary_loss_by_hand():
    """Two texts of 3 and 2 tokens over 2 words, uniform logits but one: means of a text first, then of texts."""
    ids = torch.tensor([[[0, 1, 1]], [[1, 0, 0]]])
    is_token = torch.tensor([[[True, True, True]], [[True, True, False]]])
    logits = torch.zeros(2, 1, 3, 2, dtype=torch.float64)
    logits[0, 0, 1, 1] = torch.log(torch.tensor(3.0))  # the last token of the first text gets 3/4
    scores = torch.zeros(2, 4, dtype=torch.float64)
    labels = torch.tensor([0, 3])
    log2, log4_3 = torch.log(torch.tensor([2.0, 4 / 3])).double()
    expected = torch.log(torch.tensor(4.0)).double() + 0.5 * ((log2 + log4_3) / 2 + log2) / 2
    torch.testing.assert_close(task_loss(scores, labels, logits, ids, is_token), expected, atol=1e-7, rtol=0)
    without = task_loss(scores, labels, logits, ids, is_token, lm_weight=0.0)
    torch.testing.assert_close(without, torch.log(torch.tensor(4.0)).double(), atol=1e-7, rtol=0)


def test_padding_adds_nothing_to_the_loss():
    model = fresh()
    readings = [classification([1, 2, 3], MARKS), classification([4], MARKS)]
    ids, is_token = pad(readings)
    other = ids.masked_fill(~is_token, 9)
    losses = [
        task_loss(s, torch.tensor([0, 1]), x, i, is_token)
        for i in (ids, other)
        for s, x in [model.scores_and_logits(i, is_token)]
    ]
    torch.testing.assert_close(*losses, atol=1e-12, rtol=0)


def test_new_tokens_leave_the_old_model_as_it_was():
    torch.manual_seed(0)
    gpt = GPT1(GPT1Config(n_vocab=17, context=24)).double()
    grown = with_new_tokens(gpt, 3)
    ids = torch.randint(17, (2, 9))
    assert grown.config.n_vocab == V and grown(ids).dtype == torch.float64
    torch.testing.assert_close(grown(ids)[..., :17], gpt(ids), atol=1e-12, rtol=0)
    grown.embedding.weight.data.zero_()
    assert gpt.embedding.weight.any()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="three different tokens"):
        Marks(start=1, delimiter=2, extract=1)
    with pytest.raises(ValueError, match=r"2 examples with \[1, 2\] readings"):
        pad([classification([1], MARKS), similarity([1], [2], MARKS)])
    with pytest.raises(ValueError, match=r"n_classes \(1\) must be at least 2, or None"):
        fresh(1)
    ids = torch.tensor([[[17, 1, 2]], [[17, 19, 19]]])
    with pytest.raises(ValueError, match=r"\(19\) stands \[\[0\], \[2\]\] times"):
        at_extract(torch.zeros(2, 1, 3, 4), ids, 19)

"""Chapter 07's exercises: the values agree with rooms and records, and any correct way passes."""

import torch
from torch.nn.functional import cross_entropy

from course_lib.course.claims import figures_of, load_record
from course_lib.course.exercises import get_exercise, judge
from course_lib.models.gpt1 import GPT1, GPT1Config, n_parameters


def test_the_count_in_the_head_is_that_of_the_room():
    config = GPT1Config(n_vocab=5, context=3, d_model=2, n_layers=1, n_heads=1)
    assert get_exercise("07-gpt1-1").solution == n_parameters(config)
    assert n_parameters(config) == sum(parameter.numel() for parameter in GPT1(config).parameters())


def test_the_figure_says_what_the_exercise_asks():
    summary = figures_of(load_record("C11"))
    first, scratch = summary["pretrained"].mean[0], summary["scratch"].mean
    labels = (8, 16, 32, 64, 256, 1024)
    assert next(n for n, share in zip(labels, scratch) if share > first) == get_exercise("07-gpt1-3").solution
    assert abs(scratch - first).min() > 0.05, "too close to be read off the figure"


def test_losses_by_log_softmax_pass_in_both_precisions():
    def text_loss(logits, ids, is_token):
        log_p = logits.log_softmax(-1)
        return -torch.stack([log_p[t, ids[t + 1]] for t in range(len(ids) - 1) if is_token[t + 1]]).mean()

    exercise = get_exercise("07-gpt1-4")
    assert judge(exercise, text_loss).passed
    assert judge(exercise, lambda logits, ids, is_token: text_loss(logits.float(), ids, is_token)).passed


def test_losses_with_an_ignored_label_pass():
    def text_loss(logits, ids, is_token):
        return cross_entropy(logits[:-1], ids.masked_fill(~is_token, -100)[1:])

    assert judge(get_exercise("07-gpt1-4"), text_loss).passed


def test_gathering_the_state_passes():
    def states_at_extract(x, ids, extract):
        places = (ids == extract).int().argmax(dim=1)
        return torch.stack([row[place] for row, place in zip(x, places)])

    assert judge(get_exercise("07-gpt1-5"), states_at_extract).passed


def test_tuples_pass_as_readings():
    def similarity_inputs(one, other, start, delimiter, extract):
        return tuple((start, *a, delimiter, *b, extract) for a, b in ((one, other), (other, one)))

    assert judge(get_exercise("07-gpt1-2"), similarity_inputs).passed

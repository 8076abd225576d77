"""Chapter 13's exercises: any correct way passes, and the values agree with the rooms."""

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.qformer_masks import causal_text_mask, with_padding
from course_lib.models.blip2 import QFormerConfig, Retriever, similarities

LM = {"n_layers": 40, "d_model": 5120}


def test_the_query_that_fits_best_speaks_as_in_the_room():
    cosines = torch.tensor([[0.2, 0.62, 0.05], [0.5, 0.3, 0.4]], dtype=torch.float64)  # of texts with queries
    image = torch.cat([cosines.T, torch.zeros(3, 1)], dim=1)
    image[:, 2] = (1 - image.square().sum(1)).sqrt()  # of length one, and the texts are the first two axes
    image = image[None].requires_grad_()
    found = similarities(image, torch.eye(3, dtype=torch.float64)[:2])
    assert (found / 0.1).softmax(1)[0, 0].item() == pytest.approx(get_exercise("13-blip2-1").solution, abs=1e-4)
    (found / 0.1).log_softmax(1)[0, 0].backward()
    moved = int((image.grad[0].abs().sum(1) > 1e-12).sum())
    assert moved == get_exercise("13-blip2-1-next").solution


@pytest.mark.parametrize("answer", [0.77, 0.7685, 76.85, "77%"])
def test_a_chance_may_be_a_share_or_percent(answer):
    assert judge(get_exercise("13-blip2-1"), answer).passed


def test_the_words_rows_of_the_rooms_mask_pass_in_every_form():
    def of_room(is_token, n_queries):
        mask = causal_text_mask(n_queries, is_token.shape[1])
        return with_padding(mask, is_token)[:, 0, n_queries:]

    def shifted(is_token, n_queries):
        B, L = is_token.shape
        there = torch.cat([is_token.new_ones(B, n_queries), is_token], dim=1)
        return there[:, None] & torch.ones(L, n_queries + L, dtype=torch.bool).tril(n_queries)

    def added(is_token, n_queries):
        return torch.zeros(()).masked_fill(~of_room(is_token, n_queries), -torch.inf)

    forms = (of_room, shifted, added, lambda *given: of_room(*given)[:, None], lambda *given: of_room(*given).long())
    for answer in forms:
        assert judge(get_exercise("13-blip2-2"), answer).passed


def test_a_loss_with_ignored_targets_passes():
    def ignoring(logits, ids, is_token, n_queries):
        targets = ids.masked_fill(~is_token, -100)[:, 1:]
        return nn.functional.cross_entropy(logits[:, n_queries:-1].mT, targets, ignore_index=-100)

    assert judge(get_exercise("13-blip2-3"), ignoring).passed
    B, Q, L = 4, 32, 12
    assert torch.zeros(B, Q + L, 1)[:, Q:-1].numel() == get_exercise("13-blip2-3-next").solution


def test_the_rooms_vote_passes_and_so_does_the_mean_first():
    def of_room(x, weight, bias, n_queries):
        D = x.shape[-1]
        config = QFormerConfig(n_vocab=2, n_queries=n_queries, d_image=2, d_model=D, n_layers=1, n_heads=1)
        model = Retriever(nn.Identity(), config).double()
        model.match.weight.data, model.match.bias.data = weight, bias
        model.qformer.both = lambda *given: x
        return model.matches(x, torch.zeros(len(x), 1, dtype=torch.long)).softmax(-1)[:, 1]

    def mean_first(x, weight, bias, n_queries):
        no, yes = (x[:, :n_queries].mean(1) @ weight.T + bias).T
        return (yes - no).sigmoid().numpy()

    for answer in (of_room, mean_first):
        assert judge(get_exercise("13-blip2-4"), answer).passed


def test_the_cache_is_as_large_as_the_value_says():
    numbers = 2 * LM["n_layers"] * LM["d_model"] * 32
    assert numbers * np.dtype(np.float16).itemsize / 2**20 == get_exercise("13-blip2-5").solution
    assert get_exercise("13-blip2-5-next").solution == (224 // 14) ** 2 + 1 - 32


def test_a_gradient_by_formula_passes_and_a_frozen_parameter_stays_without_one():
    def by_formula(prefix, weight, target):
        said = torch.tanh(prefix @ weight)
        return (2 * (said - target) * (1 - said**2)) @ weight.T + prefix

    def by_module(prefix, weight, target):
        frozen = nn.Linear(*weight.shape, bias=False, dtype=weight.dtype).requires_grad_(False)
        frozen.weight.copy_(weight.T)
        prefix = prefix.clone().requires_grad_()
        loss = (frozen(prefix).tanh() - target).square().sum() + prefix.square().sum() / 2
        (gradient,) = torch.autograd.grad(loss, prefix)
        assert frozen.weight.grad is None
        return gradient

    for answer in (by_formula, by_module):
        assert judge(get_exercise("13-blip2-6"), answer).passed


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_a_gradient_of_what_is_no_leaf_or_was_not_asked_for_is_named_and_the_blank_stays_blank():
    def cloned_after(prefix, weight, target):
        prefix = prefix.requires_grad_().clone()
        ((prefix @ weight).tanh() - target).square().sum().backward()
        return prefix.grad  # None: only leaves keep one

    def forgotten(prefix, weight, target):
        loss = ((prefix @ weight).tanh() - target).square().sum() + prefix.square().sum() / 2
        loss.backward()
        return prefix.grad

    exercise = get_exercise("13-blip2-6")
    assert judge(exercise, cloned_after).mistake == "no_leaf"
    assert judge(exercise, forgotten).mistake == "not_asked"
    assert judge(exercise, lambda *given: None).kind == "blank"
    assert judge(exercise, lambda *given: torch.zeros(2) + torch.zeros(3)).kind == "error"

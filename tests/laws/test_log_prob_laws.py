import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from course_lib.posttraining.log_probs import (
    answer_log_probs,
    entropies,
    is_target,
    masked_mean,
    row_means,
    row_sums,
    token_log_probs,
)

SEEDS = st.integers(0, 2**32)
ROWS, TOKENS, WORDS = st.integers(1, 4), st.integers(2, 6), st.integers(2, 7)


def drawn(seed: int, B: int, T: int, V: int):
    """Logits, ids and a mask with at least one word to be predicted in every row."""
    chance = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(B, T, V, dtype=torch.float64, generator=chance)
    ids = torch.randint(V, (B, T), generator=chance)
    is_answer = torch.rand(B, T, generator=chance) < 0.5
    is_answer[torch.arange(B), torch.randint(1, T, (B,), generator=chance)] = True
    return logits, ids, is_answer


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


@given(ROWS, TOKENS, WORDS, SEEDS)
def test_log_probs_are_torchs_cross_entropy_in_values_and_gradients(B, T, V, seed):
    logits, ids, is_answer = drawn(seed, B, T, V)
    logits.requires_grad_()
    labels = ids.masked_fill(~is_answer, -100)[:, 1:]
    found = token_log_probs(logits, ids)
    theirs = cross_entropy(logits[:, :-1].mT, labels, reduction="none")
    counted = is_target(is_answer)
    close(found.masked_fill(~counted, 0), -theirs)
    mean, expected = masked_mean(-found, counted), cross_entropy(logits[:, :-1].flatten(0, 1), labels.flatten())
    close(mean, expected)
    close(*(torch.autograd.grad(loss, logits)[0] for loss in (mean, expected)))


@given(ROWS, TOKENS, WORDS, SEEDS)
def test_each_word_is_judged_by_the_logits_before_it(B, T, V, seed):
    """One text at a time, one token at a time; the last logits judge nothing."""
    logits, ids, is_answer = drawn(seed, B, T, V)
    sums = answer_log_probs(token_log_probs(logits, ids), is_answer)
    for b in range(B):
        chances = [math.log(logits[b, t - 1].softmax(0)[ids[b, t]]) for t in range(1, T) if is_answer[b, t]]
        assert float(sums[b]) == pytest.approx(sum(chances), abs=1e-10)
    changed = logits.clone()
    changed[:, -1] = 7
    close(token_log_probs(changed, ids), token_log_probs(logits, ids))


@given(ROWS, TOKENS, WORDS, SEEDS)
def test_the_chances_of_all_answers_add_up_to_one(B, T, V, seed):
    logits, ids, _ = drawn(seed, 1, 3, V)
    answers = torch.cartesian_prod(torch.arange(V), torch.arange(V))
    every = torch.cat([ids[:, :1].expand(len(answers), 1), answers], dim=1)
    table = logits.expand(len(answers), -1, -1)
    is_answer = torch.tensor([[False, True, True]]).expand(len(answers), -1)
    close(answer_log_probs(token_log_probs(table, every), is_answer).exp().sum(), torch.tensor(1.0).double())


@given(ROWS, TOKENS, WORDS, SEEDS)
def test_two_means_agree_only_for_answers_of_one_length(B, T, V, seed):
    logits, ids, is_answer = drawn(seed, B, T, V)
    losses, mask = -token_log_probs(logits, ids), is_target(is_answer)
    counts = mask.sum(1)
    close(masked_mean(losses, mask), (row_means(losses, mask) * counts).sum() / counts.sum())
    close(row_means(losses, mask) * counts, row_sums(losses, mask))
    even = torch.ones_like(mask)
    close(masked_mean(losses, even), row_means(losses, even).mean())
    uneven = torch.tensor([[True, False, False], [True, True, True]])
    values = torch.tensor([[6.0, 9, 9], [1, 1, 1]])
    assert float(masked_mean(values, uneven)) == 9 / 4 and float(row_means(values, uneven).mean()) == 7 / 2


@given(ROWS, TOKENS, SEEDS, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_the_mask_hides_does_nothing_in_values_and_gradients(B, T, seed, poison):
    values, _, is_answer = drawn(seed, B, T, 1)
    values = values[:, 1:, 0].clone().requires_grad_()
    mask = is_target(is_answer)
    poisoned = values.detach().masked_fill(~mask, poison).requires_grad_()
    for reduce in (masked_mean, row_sums, row_means):
        found, expected = reduce(poisoned, mask).sum(), reduce(values, mask).sum()
        close(found, expected)
        gradient, theirs = torch.autograd.grad(found, poisoned)[0], torch.autograd.grad(expected, values)[0]
        close(gradient, theirs)
        assert not gradient[~mask].any()


@given(ROWS, TOKENS, WORDS, SEEDS)
def test_entropy_is_torchs_and_words_ruled_out_do_nothing(B, T, V, seed):
    logits, _, _ = drawn(seed, B, T, V)
    logits.requires_grad_()
    found, expected = entropies(logits), torch.distributions.Categorical(logits=logits).entropy()
    close(found, expected)
    close(*(torch.autograd.grad(each.sum(), logits, retain_graph=True)[0] for each in (found, expected)))
    assert (found >= 0).all() and (found <= math.log(V) + 1e-12).all()
    close(entropies(torch.zeros(V).double()), torch.tensor(math.log(V), dtype=torch.float64))
    ruled_out = torch.full((B, T, 2), -torch.inf, dtype=torch.float64)
    wider = torch.cat([logits, ruled_out], dim=-1)
    close(entropies(wider), found)
    close(*(torch.autograd.grad(entropies(each).sum(), logits)[0] for each in (wider, logits)))

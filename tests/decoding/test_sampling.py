"""What is drawn follows the law that the knobs say, and bad knobs are refused."""

import pytest
import torch
from scipy.stats import chisquare

from course_lib.decoding.generation import greedy
from course_lib.decoding.sampling import (
    choose,
    keep_top_k,
    keep_top_p,
    log_probs,
    penalise,
    said_in,
    sample,
    turn_knobs,
)

LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -3.0])


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Parrot:
    """A reader whose logits depend on the last token alone; it remembers what it was given."""

    def __init__(self, table: torch.Tensor):
        self.table, self.read = table, []

    def __call__(self, ids):
        self.read.append(ids)
        return self.table[ids[:, -1]]

    def reorder(self, rows):
        raise AssertionError("sampling never reorders")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 3},
        {"top_p": 0.8},
        dict(temperature=1.5, top_k=5, top_p=0.9),
    ],
)
def test_drawn_as_often_as_the_exact_distribution_says(knobs, seed):
    n = 40_000
    drawn = choose(LOGITS.repeat(n, 1), generator=chance(seed), **knobs).bincount(minlength=6)
    probs = log_probs(LOGITS[None], **knobs).exp()[0].double()
    there = probs > 0
    assert drawn[~there].sum() == 0
    assert chisquare(drawn[there], probs[there] / probs.sum() * n).pvalue > 1e-3


def test_the_chi_square_test_would_notice():
    drawn = choose(LOGITS.repeat(40_000, 1), generator=chance(), temperature=0.95).bincount(minlength=6)
    assert chisquare(drawn, LOGITS.double().softmax(-1) * 40_000).pvalue < 1e-6


def test_a_filtered_token_is_never_drawn_even_when_the_clock_says_zero(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, generator: self.zero_())
    assert choose(LOGITS.repeat(5, 1).flip(-1), top_k=1, generator=chance()).tolist() == [5] * 5


def test_a_vocabulary_of_50257_draws_from_its_tail():
    logits = torch.zeros(1, 50257).expand(1000, -1)
    drawn = choose(logits, generator=chance())
    assert drawn.max() > 50000 and drawn.min() < 300 and drawn.unique().numel() > 970


def test_temperature_zero_is_the_largest_and_needs_no_chance():
    assert choose(LOGITS[None], temperature=0).tolist() == [0]
    assert log_probs(LOGITS[None], temperature=0)[0].tolist() == [0] + [-torch.inf] * 5


def test_a_tiny_temperature_does_not_overflow():
    assert log_probs(LOGITS[None] * 1e30, temperature=1e-30)[0, 0] == 0


def test_top_p_keeps_the_fewest_that_reach_p():
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()
    for p, kept in ((0.39, [1]), (0.41, [1, 3]), (0.69, [1, 3]), (0.71, [1, 2, 3]), (0.95, [0, 1, 2, 3])):
        assert keep_top_p(logits, p).isfinite()[0].nonzero().flatten().tolist() == kept


def test_top_p_keeps_no_more_once_p_is_reached_exactly():
    """Four of a quarter each: two of them are a half."""
    for p, kept in ((0.25, 1), (0.5, 2), (0.75, 3)):
        assert keep_top_p(torch.zeros(1, 4), p).isfinite().sum() == kept


def test_top_p_comes_after_temperature():
    """At temperature 2 the same p holds more tokens."""
    kept = [int(turn_knobs(LOGITS[None], temperature=t, top_p=0.8).isfinite().sum()) for t in (0.5, 1, 2)]
    assert kept == sorted(kept) and kept[0] < kept[2]


def test_filters_leave_what_they_keep_unchanged():
    for kept in (keep_top_k(LOGITS[None], 2), keep_top_p(LOGITS[None], 0.7)):
        assert torch.equal(kept[kept.isfinite()], LOGITS[None][kept.isfinite()])


def test_a_repeated_token_with_a_negative_logit_is_not_favoured():
    said = torch.tensor([[True, False, False, False, True, False]])
    after = penalise(LOGITS[None], said, 2.0)[0]
    assert after.tolist() == [1.0, 1.0, 0.5, 0.0, -2.0, -3.0]


def test_padding_is_nothing_said():
    ids, is_token = torch.tensor([[0, 0, 3], [1, 2, 1]]), torch.tensor([[False, True, True], [True, False, True]])
    assert said_in(ids, 4).int().tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]
    assert said_in(ids, 4, is_token).int().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0]]


def test_sample_at_temperature_zero_is_greedy():
    table, prompt = torch.randn(11, 11, generator=chance()), torch.tensor([[1, 2], [3, 4], [5, 6]])
    assert torch.equal(sample(Parrot(table), prompt, 20, temperature=0), greedy(Parrot(table), prompt, 20))
    end = int(greedy(Parrot(table), prompt, 20)[0, 3])
    ours, theirs = (
        f(Parrot(table), prompt, 20, end=end) for f in (lambda *a, **k: sample(*a, temperature=0, **k), greedy)
    )
    assert torch.equal(ours, theirs)


def test_sample_hands_the_prompt_over_once_and_then_one_token_at_a_time():
    reader = Parrot(torch.randn(11, 11, generator=chance()))
    said = sample(reader, torch.tensor([[1, 2, 3]] * 4), 5, generator=chance())
    assert [tuple(ids.shape) for ids in reader.read] == [(4, 3), *[(4, 1)] * 4]
    assert torch.equal(torch.cat(reader.read[1:], dim=1), said[:, :4])


def test_a_row_that_has_ended_stays_ended_and_all_ended_stops():
    said = sample(Parrot(torch.zeros(4, 4)), torch.zeros(50, 1, dtype=torch.long), 200, end=2, generator=chance())
    assert said.shape[1] < 200 and (said[:, -1] == 2).all()
    first = (said == 2).int().argmax(dim=1)
    assert all((row[at:] == 2).all() for row, at in zip(said, first))


def test_a_chain_is_drawn_by_its_transition_table():
    table = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    said = sample(Parrot(table.log()), torch.zeros(3000, 1, dtype=torch.long), 12, generator=chance(3))
    for token in range(3):
        following = said[:, 1:][said[:, :-1] == token].bincount(minlength=3)
        expected = table[token].double() / table[token].double().sum() * int(following.sum())
        assert chisquare(following, expected).pvalue > 1e-3


def test_repetition_penalty_counts_the_prompt_and_what_was_said():
    logits = torch.tensor([3.0, 2.5, 2.0, 1.0]).expand(4, 4)
    said = sample(Parrot(logits), torch.tensor([[0]]), 3, temperature=0, repetition_penalty=10.0)
    assert said.tolist() == [[1, 2, 3]]
    padded = sample(
        Parrot(logits),
        torch.tensor([[0, 1]]),
        1,
        temperature=0,
        repetition_penalty=10.0,
        is_token=torch.tensor([[False, True]]),
    )
    assert padded.tolist() == [[0]]


def test_the_same_generator_gives_the_same_text_and_another_seed_another():
    table, prompt = torch.zeros(20, 20), torch.zeros(2, 1, dtype=torch.long)
    first, again, other = (sample(Parrot(table), prompt, 30, generator=chance(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_half_precision_logits_are_drawn_in_single():
    assert choose(LOGITS[None].bfloat16(), generator=chance()).shape == (1,)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"temperature": -0.1}, r"temperature \(-0.1\) must be 0 \(greedy\) or more"),
        ({"temperature": float("nan")}, r"temperature \(nan\)"),
        ({"temperature": float("inf")}, r"temperature \(inf\)"),
        ({"top_k": 0}, r"top_k \(0\) must be a whole number, at least 1"),
        ({"top_k": True}, r"top_k \(True\)"),
        ({"top_k": 2.5}, r"top_k \(2.5\)"),
        ({"top_p": 0.0}, r"top_p \(0.0\) must be above 0"),
        ({"top_p": 1.01}, r"top_p \(1.01\)"),
    ],
)
def test_a_knob_out_of_range_is_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        choose(LOGITS[None], generator=chance(), **knobs)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_logits_without_a_law_are_refused_with_the_row(bad):
    logits = torch.stack([LOGITS, torch.full_like(LOGITS, bad)])
    with pytest.raises(ValueError, match=r"row 1 of the logits has -?(nan|inf) as its largest"):
        choose(logits, generator=chance())


def test_chance_must_be_handed_in():
    with pytest.raises(ValueError, match="needs a generator"):
        choose(LOGITS[None])


def test_a_penalty_that_is_no_penalty_is_refused():
    with pytest.raises(ValueError, match=r"repetition_penalty \(0.0\) must be positive"):
        penalise(LOGITS[None], torch.ones(1, 6, dtype=torch.bool), 0.0)


def test_nothing_to_write_is_refused():
    with pytest.raises(ValueError, match=r"n_new \(0\)"):
        sample(Parrot(torch.zeros(2, 2)), torch.zeros(1, 1, dtype=torch.long), 0, generator=chance())


def test_an_id_below_zero_is_no_word_unless_it_is_padding():
    """Padding with -1 or -100 must not count as the last words of the vocabulary."""
    ids = torch.tensor([[2, -1]])
    with pytest.raises(ValueError, match=r"ids hold -1; hide padding with is_token"):
        said_in(ids, 5)
    for mask in (torch.tensor([[True, False]]), torch.tensor([[1, 0]])):
        assert said_in(ids, 5, mask).tolist() == [[False, False, True, False, False]]

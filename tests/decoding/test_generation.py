"""Greedy takes the best token each time; a beam as wide as the tree finds what trying every answer finds."""

import itertools
import re

import pytest
import torch

from course_lib.decoding.generation import beam_search, greedy, length_penalty
from course_lib.models.transformer import Transformer, TransformerConfig, Translator

V, END = 5, 4


class Table:
    """A reader whose next token depends on the last two only: [V V V] logits."""

    def __init__(self, logits: torch.Tensor):
        self.logits, self.last = logits, None

    def __call__(self, ids):
        before = torch.cat([self.last if self.last is not None else ids.new_zeros(len(ids), 1), ids], dim=1)
        self.last = ids[:, -1:]
        return self.logits[before[:, -2], before[:, -1]]

    def reorder(self, rows):
        self.last = self.last[rows]


def random_table(seed: int, scale: float = 2.0) -> torch.Tensor:
    return scale * torch.randn(V, V, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def log_probability(logits: torch.Tensor, start: int, answer: tuple[int, ...]) -> float:
    reader, total = Table(logits), 0.0
    for read, said in zip((start, *answer), answer):
        total += reader(torch.tensor([[read]])).log_softmax(-1)[0, said].item()
    return total


def all_answers(n_new: int) -> list[tuple[int, ...]]:
    """Every answer that ends, and every one that is cut after n_new tokens."""
    words = range(V - 1)
    ended = [(*w, END) for length in range(n_new) for w in itertools.product(words, repeat=length)]
    return ended + list(itertools.product(words, repeat=n_new))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_as_wide_as_the_tree_finds_the_best_of_all_answers(seed, alpha):
    logits, n_new = random_table(seed), 4
    scores = {a: log_probability(logits, 1, a) / length_penalty(len(a), alpha) for a in all_answers(n_new)}
    best = max(scores, key=scores.get)
    answers, found = beam_search(Table(logits), torch.tensor([[1]]), n_new, n_beams=V**3, end=END, alpha=alpha)
    assert tuple(answers[0]) == best
    assert found[0].item() == pytest.approx(scores[best], abs=1e-10)


def test_the_score_of_a_narrow_beam_is_that_of_its_answer_and_no_better_than_the_best():
    for seed in range(20):
        logits = random_table(seed)
        scores = {a: log_probability(logits, 2, a) / length_penalty(len(a), 0.6) for a in all_answers(4)}
        answers, found = beam_search(Table(logits), torch.tensor([[2]]), 4, n_beams=2, end=END)
        assert found[0].item() == pytest.approx(scores[tuple(answers[0])], abs=1e-10)
        assert found[0].item() <= max(scores.values()) + 1e-10


def test_greedy_can_walk_past_the_best_answer_and_a_beam_of_two_does_not():
    """After 1: token 2 with 0.6, then four equal ways; token 3 with 0.4, then END for certain. 0.4 > 0.6 / 4."""
    p = torch.full((V, V, V), 1e-9, dtype=torch.float64)
    p[:, 1, 2], p[:, 1, 3] = 0.6, 0.4
    p[:, 2, :3], p[:, 2, END] = 0.25, 0.25
    p[:, 2, 0] += 1e-3
    p[:, 3, END], p[:, 0, END] = 1, 1
    logits, start = p.log(), torch.tensor([[1]])
    assert greedy(Table(logits), start, 4, end=END)[0].tolist()[0] == 2
    answers, found = beam_search(Table(logits), start, 4, n_beams=2, end=END, alpha=0)
    assert answers == [[3, END]] and found.exp().item() == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_one_beam_is_greedy(seed, alpha):
    """Also where answers end, and where a longer one would have the better score."""
    logits, start = random_table(seed, scale=0.5), torch.tensor([[0], [3], [1]])
    said = greedy(Table(logits), start, 5, end=END).tolist()
    answers, _ = beam_search(Table(logits), start, 5, n_beams=1, end=END, alpha=alpha)
    assert answers == [row[: row.index(END) + 1] if END in row else row for row in said]


def test_an_end_that_is_not_among_the_best_is_no_answer():
    """Two beams, three ways that are likelier than to end: [2], [3], then END after either."""
    p = torch.full((V, V, V), 1e-9, dtype=torch.float64)
    p[:, 1, 2], p[:, 1, 3], p[:, 1, END] = 0.4, 0.35, 0.25
    p[:, 2, :3] = p[:, 3, :3] = 1 / 3
    p[2, :3, END] = p[3, :3, END] = 1
    answers, found = beam_search(Table(p.log()), torch.tensor([[1]]), 4, n_beams=2, end=END, alpha=0)
    assert len(answers[0]) == 3 and found.exp().item() == pytest.approx(0.4 / 3, abs=1e-6)


def test_an_answer_keeps_its_place():
    """After 1: END or 2. After 2: 3 with 0.6, which leads nowhere; 0 with 0.4, which ends, and long answers score well.
    Of two places one is taken by [END], the other by [2, 3]; of three, [2, 0] gets the third."""
    p = torch.full((V, V, V), 1e-9, dtype=torch.float64)
    p[:, 1, END], p[:, 1, 2] = 0.45, 0.45
    p[1, 2, 3], p[1, 2, 0] = 0.6, 0.4
    p[2, 3, :4], p[2, 0, END] = 0.25, 1
    found = [beam_search(Table(p.log()), torch.tensor([[1]]), 3, n_beams=K, end=END, alpha=3)[0][0] for K in (2, 3)]
    assert found == [[END], [2, 0, END]]


def test_a_longer_answer_wins_only_with_the_penalty():
    """[END] with probability 0.5 against [2, 2, END] with 0.45."""
    p = torch.full((V, V, V), 1e-9, dtype=torch.float64)
    p[:, 1, END], p[:, 1, 2] = 0.5, 0.45
    p[1, 2, 2] = p[2, 2, END] = 1
    logits, start = p.log(), torch.tensor([[1]])
    answers = {alpha: beam_search(Table(logits), start, 4, end=END, alpha=alpha)[0][0] for alpha in (0.0, 0.6)}
    assert answers == {0.0: [END], 0.6: [2, 2, END]}


@pytest.mark.parametrize(
    ("length", "alpha", "expected"), [(1, 0.6, 1.0), (7, 1.0, 2.0), (19, 0.5, 2.0), (30, 0.0, 1.0)]
)
def test_the_penalty_is_that_of_the_formula(length, alpha, expected):
    assert length_penalty(length, alpha) == pytest.approx(expected)


def test_greedy_fills_up_with_end_and_stops_when_all_have_ended():
    p = torch.full((V, V, V), 1e-9, dtype=torch.float64)
    p[:, 1, 2] = p[:, 2, END] = p[:, 3, END] = 1
    p[:, END, 0] = 1  # a row that went on after its end would say 0
    out = greedy(Table(p.log()), torch.tensor([[1], [3]]), 10, end=END)
    assert out.tolist() == [[2, END], [END, END]]


def test_without_an_end_every_token_is_made():
    out = greedy(Table(random_table(0)), torch.tensor([[1]]), 7)
    assert out.shape == (1, 7)


def test_an_answer_that_never_ends_is_cut_and_counts():
    p = torch.full((V, V, V), 1e-9, dtype=torch.float64)
    p[..., 2] = 1
    answers, found = beam_search(Table(p.log()), torch.tensor([[1]]), 6, n_beams=3, end=END)
    assert answers == [[2] * 6]
    assert found[0].item() == pytest.approx(0, abs=1e-6)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = TransformerConfig(n_source_vocab=9, n_target_vocab=V, d_model=16, n_heads=2, d_hidden=32)
    return Transformer(config).double().eval().requires_grad_(False)


def test_sources_in_one_batch_are_what_they_are_alone(model):
    source, start = torch.randint(9, (6, 5)), torch.ones(6, 1, dtype=torch.long)
    together, scores = beam_search(Translator(model, source, 8), start, 8, n_beams=3, end=END)
    assert len(set(map(tuple, together))) > 1
    for row in range(6):
        alone, score = beam_search(Translator(model, source[row : row + 1], 8), start[:1], 8, n_beams=3, end=END)
        assert together[row] == alone[0]
        torch.testing.assert_close(scores[row], score[0])


def test_beams_of_a_real_model_are_scored_as_the_full_pass_scores_them(model):
    source, start = torch.randint(9, (4, 5)), torch.ones(4, 1, dtype=torch.long)
    answers, scores = beam_search(Translator(model, source, 8), start, 8, n_beams=4, end=END, alpha=0.6)
    for row, answer in enumerate(answers):
        said = torch.tensor([answer])
        read = torch.cat([start[:1], said[:, :-1]], dim=1)
        log_probs = model(source[row : row + 1], read).log_softmax(-1)
        total = log_probs.gather(-1, said[..., None]).sum().item()
        assert scores[row].item() == pytest.approx(total / length_penalty(len(answer), 0.6), abs=1e-10)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda start: greedy(Table(random_table(0)), start, 0), "n_new (0)"),
        (lambda start: greedy(Table(random_table(0)), start[:, :0], 3), "prompt (1, 0)"),
        (lambda start: greedy(Table(random_table(0)), start[0], 3), "must be [B T]"),
        (lambda start: beam_search(Table(random_table(0)), start, 3, n_beams=0, end=END), "n_beams (0)"),
        (lambda start: beam_search(Table(random_table(0)), start, 3, end=END, alpha=-1), "alpha (-1)"),
        (lambda start: beam_search(Table(random_table(0)), start, -2, end=END), "n_new (-2)"),
        (lambda start: beam_search(Table(random_table(0)), start, 3, end=-1), "end (-1)"),
        (
            lambda start: beam_search(Table(random_table(0)), start, 3, end=V),
            "end (5) must be below the vocabulary's 5",
        ),
        (lambda start: beam_search(Table(random_table(0)), start, 3, end=END, alpha=float("nan")), "alpha (nan)"),
        (lambda start: greedy(Table(random_table(0)), start, 3, end=-1), "end (-1)"),
        (lambda start: greedy(Table(torch.full((V, V, V), torch.nan)), start, 3), "row 0 of the logits has nan"),
        (lambda start: beam_search(Table(torch.full((V, V, V), torch.nan)), start, 3, end=END), "row 0 of the logits"),
    ],
)
def test_bad_requests_are_answered_with_the_numbers(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call(torch.tensor([[1]]))

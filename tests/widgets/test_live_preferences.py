"""The page's fit is Python's, which is the least of the course's own loss; the rule chooses as Bradley and Terry."""

import json
from itertools import combinations
from math import comb

import pytest
import torch

from course_lib.posttraining.reward_model import bradley_terry
from course_lib.widgets.figure import MIME
from course_lib.widgets.live_preferences import demonstrated, fit, live_preferences, varied
from course_lib.widgets.page_random import random_numbers

WORTH = [1.5, 0.2, -0.4, -1.3, 0.0]
TEXTS = ["春眠不觉晓，\n处处闻啼鸟。", "白日依山尽，", "好好好好好，", "黄河入海流。", "欲穷千里目，"]
CASES = [(5, 0), (5, 1), (5, 7), (5, 40), (3, 12), (12, 200)]


def choices(K, n):
    worth = [(-1) ** i * 0.4 * i for i in range(K)]
    return demonstrated(worth, n, random_numbers(n))


def fitted_in_page(run_js, K, made, ridge):
    found = run_js("live_preferences", f"widget.maths.fit({K}, {json.dumps(made)}, {ridge})")
    return (torch.tensor(found[name], dtype=torch.float64) for name in ("scores", "covariance"))


@pytest.mark.parametrize(("K", "n"), CASES)
@pytest.mark.parametrize("ridge", [0.01, 0.1, 3.0])
def test_scores_and_their_spread_are_pythons(run_js, K, n, ridge):
    made = choices(K, n)
    for ours, wanted in zip(fitted_in_page(run_js, K, made, ridge), fit(K, made, ridge), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-6)


def test_a_winner_that_never_loses_gets_a_finite_score(run_js):
    made = [[0, 1]] * 30 + [[1, 2]] * 30
    scores, _ = fitted_in_page(run_js, 3, made, 0.01)
    torch.testing.assert_close(scores, fit(3, made, 0.01).scores, rtol=0, atol=1e-6)
    assert scores[0] > 3 > 0 > scores[2] > -20


@pytest.mark.parametrize(("K", "n"), CASES)
def test_at_the_fit_the_course_s_loss_and_the_ridge_pull_alike(K, n):
    made, ridge = choices(K, n), 0.1
    scores = fit(K, made, ridge).scores.requires_grad_()
    winners, losers = torch.tensor(made, dtype=torch.long).view(-1, 2).T
    told = n * bradley_terry(scores[winners], scores[losers]) if n else scores.sum() * 0
    (slope,) = torch.autograd.grad(told + ridge / 2 * (scores**2).sum(), scores)
    assert slope.abs().max() < 1e-8 and abs(float(scores.detach().sum())) < 1e-9


def test_the_spread_of_a_difference_is_that_of_the_whole_covariance():
    """What all scores have in common is left out of the bars, and no difference changes by it."""
    made, ridge, K = choices(5, 30), 0.1, 5
    scores, covariance = fit(K, made, ridge)
    hessian = ridge * torch.eye(K, dtype=torch.float64)
    for winner, loser in made:
        p = (scores[winner] - scores[loser]).sigmoid()
        apart = torch.zeros(K, dtype=torch.float64)
        apart[winner], apart[loser] = 1, -1
        hessian += p * (1 - p) * apart[:, None] * apart
    whole = torch.linalg.inv(hessian)
    between = torch.tensor([1.0, -1, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(between @ covariance @ between, between @ whole @ between)
    assert (covariance.diagonal() < whole.diagonal()).all() and abs(float(covariance.sum())) < 1e-9


def test_with_many_choices_the_scores_are_the_rules(run_js):
    made = demonstrated(WORTH, 3000, random_numbers(0))
    scores, covariance = fit(5, made, 0.01)
    apart = torch.tensor(WORTH, dtype=torch.float64) - sum(WORTH) / 5 - scores
    assert (apart.abs() < 4 * covariance.diagonal().sqrt()).all() and apart.abs().max() < 0.2


@pytest.mark.parametrize("seed", [0, 5])
def test_the_rule_chooses_the_same_in_the_page(run_js, seed):
    made = run_js("live_preferences", f"widget.maths.demonstrated({WORTH}, 45, {seed})")
    assert [tuple(each) for each in made] == demonstrated(WORTH, 45, random_numbers(seed))
    first = {frozenset(each) for each in made[:10]}
    assert len(first) == comb(5, 2), "every pair once before any comes again"


def test_the_best_of_n_is_the_mean_over_all_subsets(run_js):
    scores, worth = [0.3, -1.0, 2.0, 0.1], [5.0, 1.0, -2.0, 4.0]
    for n in range(1, 5):
        every = [worth[max(some, key=scores.__getitem__)] for some in combinations(range(4), n)]
        got = run_js("live_preferences", f"widget.maths.bestOf({n}, {scores}, {worth})")
        assert got == pytest.approx(sum(every) / len(every), abs=1e-12)


def test_without_scores_the_rule_likes_texts_that_repeat_nothing():
    scores = varied(TEXTS)
    assert scores.index(min(scores)) == 2 and sum(scores) == pytest.approx(0)
    assert varied(["甲乙", "丙丁", "戊己"]) == [0, 0, 0]


def test_the_payload_and_the_words_hold_what_the_rule_gives(publish):
    made = live_preferences(TEXTS, WORTH, rule="越像绝句越好")
    state = made._repr_mimebundle_()[0][MIME]["state"]
    assert (state["items"], state["scores"], state["rule"]) == (TEXTS, WORTH, "越像绝句越好")
    scores = fit(5, demonstrated(WORTH, 20, random_numbers(0)), 0.1).scores
    assert f"「白日依山尽」{scores[1]:+.2f}" in made.first_alt and "越像绝句越好" in made.first_alt


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"items": ["甲", "乙"]}, "2 items"),
        ({"items": ["甲", "乙", "乙"]}, "2 of them different"),
        ({"items": [str(i) for i in range(13)]}, "13 items"),
        ({"scores": [1.0]}, "1 scores for 5 items"),
        ({"scores": [1.0, 2, 3, 4, float("nan")]}, "scores"),
        ({"ridge": 0.0}, "ridge"),
    ],
)
def test_slips_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        live_preferences(**{"items": TEXTS} | call)

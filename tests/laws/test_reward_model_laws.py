import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.posttraining.reward_model import (
    RewardModel,
    accuracy,
    bradley_terry,
    last_places,
    off_centre,
    reward_loss,
)
from course_lib.training.step import Settings, Update

SEEDS, PAIRS = st.integers(0, 2**32), st.integers(1, 6)
V, CONTEXT = 9, 8
torch.manual_seed(0)
MODELS = [
    RewardModel(GPT2(GPT2Config(n_vocab=V, context=CONTEXT, d_model=8, n_heads=2))).double(),
    RewardModel(Llama(LlamaConfig(n_vocab=V, d_model=8, n_heads=2, n_kv_heads=1, d_hidden=12))).double(),
]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def scores(seed: int, *shape: int) -> torch.Tensor:
    return 2 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(PAIRS, SEEDS, st.floats(-5, 5))
def test_only_differences_count_until_the_scores_are_centred(n, seed, shift):
    chosen, rejected = scores(seed, 2, n)
    expected = sum(math.log1p(math.exp(r - c)) for c, r in zip(chosen.tolist(), rejected.tolist())) / n
    assert float(bradley_terry(chosen, rejected)) == pytest.approx(expected, abs=1e-12)
    close(bradley_terry(chosen + shift, rejected + shift), bradley_terry(chosen, rejected))
    close(accuracy(chosen + shift, rejected + shift), accuracy(chosen, rejected))
    assert float(bradley_terry(chosen, chosen)) == pytest.approx(math.log(2), abs=1e-12)
    assert float(accuracy(chosen, chosen)) == 0
    centre = (chosen + rejected) / 2
    close(off_centre(chosen - centre, rejected - centre), torch.zeros(()).double())
    close(off_centre(chosen, rejected), (4 * centre.square()).mean())


@given(PAIRS, SEEDS)
def test_the_gradient_is_how_unsure_the_model_was_of_what_people_chose(n, seed):
    chosen, rejected = scores(seed, 2, n).unbind()
    margin = scores(seed + 1, n).abs()
    chosen.requires_grad_(), rejected.requires_grad_()
    found = torch.autograd.grad(bradley_terry(chosen, rejected, margin), (chosen, rejected))
    unsure = (rejected - chosen + margin).sigmoid() / n
    close(found[0], -unsure)
    close(found[1], unsure)
    close(bradley_terry(chosen, rejected, margin), bradley_terry(chosen - margin, rejected))
    close(bradley_terry(chosen, rejected, 0 * margin), bradley_terry(chosen, rejected))


@given(SEEDS, st.integers(2, 5))
def test_the_expected_loss_is_least_at_the_scores_that_made_the_preferences(seed, n):
    """All pairs, each way as often as Bradley and Terry say: there the gradient is 0, and elsewhere the loss higher."""
    truth = scores(seed, n)
    i, j = torch.tensor([(a, b) for a in range(n) for b in range(n) if a != b]).T
    often = (truth[i] - truth[j]).sigmoid()

    def expected_loss(r):
        return sum(often[k] * bradley_terry(r[i[k]][None], r[j[k]][None]) for k in range(len(i)))

    r = truth.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(expected_loss(r), r)
    close(gradient, torch.zeros(n).double())
    away = scores(seed + 1, n)
    assert float(expected_loss(truth + away - away.mean())) > float(expected_loss(truth))


@given(st.integers(1, 4), st.integers(1, 6), SEEDS)
def test_the_last_place_is_the_last(B, T, seed):
    mask = scores(seed, B, T) > 0
    mask[torch.arange(B), scores(seed, B).long().abs() % T] = True
    assert last_places(mask).tolist() == [max(t for t in range(T) if row[t]) for row in mask.tolist()]


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15)
@given(seed=SEEDS, lengths=st.lists(st.integers(1, CONTEXT), min_size=1, max_size=3), data=st.data())
def test_a_score_is_of_all_up_to_the_answers_end_whatever_pads_it(model, seed, lengths, data):
    """Alone or among longer texts, padded left or right, whatever follows the answer; its first word counts, too."""
    longest = max(lengths)
    ids = torch.randint(V, (len(lengths), longest), generator=torch.Generator().manual_seed(seed))
    is_token = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ends = torch.tensor([data.draw(st.integers(0, n - 1)) for n in lengths])
    is_answer = torch.arange(longest) == ends[:, None]
    alone = [model(row[None, : end + 1], mine[None, : end + 1]) for row, end, mine in zip(ids, ends, is_answer)]
    expected = torch.cat(alone)
    close(model(ids, is_answer, is_token), expected)
    left = [torch.stack([row.roll(longest - n) for row, n in zip(x, lengths)]) for x in (ids, is_answer, is_token)]
    close(model(*left), expected)
    changed = ids.clone()
    changed[:, 0] = (ids[:, 0] + 1) % V
    assert ((model(changed, is_answer, is_token) - expected).abs() > 1e-9).all()


def pairs(n: int) -> dict:
    """The answer with more 1s is preferred; the prompt is two tokens."""
    chance = torch.Generator().manual_seed(0)
    answers = torch.randint(2, (2, 4 * n, CONTEXT - 2), generator=chance)
    first, second = answers[:, answers[0].sum(1) != answers[1].sum(1)][:, :n]
    better = (first.sum(1) > second.sum(1))[:, None]
    is_token = torch.ones(n, CONTEXT, dtype=torch.bool)
    masks = {"is_token": is_token, "is_answer": is_token & (torch.arange(CONTEXT) > 1)}
    prompt = torch.tensor([[2, 3]]).expand(n, 2)
    ordered = {"chosen": torch.where(better, first, second), "rejected": torch.where(better, second, first)}
    return {name: {"ids": torch.cat([prompt, words], 1)} | masks for name, words in ordered.items()}


def test_it_learns_what_people_prefer_and_centring_draws_the_mean_to_zero():
    means, batch = [], pairs(64)
    for centring in (0.0, 0.1):
        torch.manual_seed(1)
        model = RewardModel(GPT2(GPT2Config(n_vocab=V, context=CONTEXT, d_model=16, n_layers=1)))
        loss = partial(reward_loss, centring=centring)
        update = Update(model, Settings(steps=25, lr=1e-2, accumulate=2), loss=loss)
        history = [update(batch) for _ in range(25)]
        assert history[-1][1]["accuracy"] > 0.95 > 0.7 > history[0][1]["accuracy"]
        assert history[-1][1]["gap"] > 0.5
        print(history[-1], history[0])
        means.append(abs(history[-1][1]["mean"]))
    assert means[1] < 0.1 and means[1] < means[0]


@pytest.mark.parametrize("margin", [False, True])
def test_the_loss_of_a_batch_is_made_of_its_parts(margin):
    batch = pairs(5) | ({"margin": torch.arange(5.0).double()} if margin else {})
    chosen, rejected = (MODELS[0](**batch[name]) for name in ("chosen", "rejected"))
    loss, figures = reward_loss(MODELS[0], batch, centring=0.3)
    close(loss, bradley_terry(chosen, rejected, batch.get("margin")) + 0.3 * off_centre(chosen, rejected))
    close(figures["gap"], chosen.mean() - rejected.mean())
    close(figures["mean"], torch.cat([chosen, rejected]).mean())
    close(figures["accuracy"], accuracy(chosen, rejected))

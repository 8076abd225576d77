"""Chapter 20's pairs of poems, the reward model that learns from them, and the best of n."""

from itertools import combinations

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch20_rlhf import poem_judge
from course_lib.chapters.ch20_rlhf import poem_preferences as preferences
from course_lib.data.real.poems import EDGE, tokenizer
from course_lib.posttraining.reward_model import bradley_terry
from course_lib.toys.rhymes import scores

SPRING = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return preferences.build().eval()


def test_the_same_number_writes_the_same_poems_with_the_beginning():
    first, again, other = (preferences.write(3, seed, "春风") for seed in (1, 1, 2))
    assert first == again != other
    assert all(text.startswith("春风") and EDGE not in text and len(text) <= preferences.LONGEST for text in first)


def test_the_rules_prefer_the_chosen_and_a_higher_flip_turns_more():
    clean, some = preferences.pairs(100, 3), preferences.pairs(100, 3, flip=0.3)
    assert all(scores([pair.chosen]) > scores([pair.rejected]) for pair in clean)
    assert 15 <= sum(pair.turned for pair in some) <= 45
    assert [{*pair[:2]} for pair in some] == [{*pair[:2]} for pair in clean]
    assert preferences.pairs(100, 4) != clean


def test_no_poem_of_the_exam_is_learned_from():
    learned = {text for pair in preferences.pairs(100, 0) for text in pair[:2]}
    learned |= {tokenizer().decode(row).strip(EDGE) for row in poem_judge.batches(0).flatten(0, 1).tolist()}
    assert learned.isdisjoint(text for pair in preferences.exam(60) for text in pair[:2])


def test_a_poem_is_laid_out_between_edges_and_scored_at_the_second():
    ids = preferences.ids_of([SPRING, "春", "春" * 50])
    said = preferences.masked(ids)
    assert tokenizer().decode(ids[0].tolist()).strip(EDGE) == SPRING
    for row, length in zip(range(3), (len(SPRING), 1, preferences.LONGEST - 2)):
        assert said["is_token"][row].tolist() == [t < length + 2 for t in range(preferences.LONGEST)]
        assert said["is_answer"][row].nonzero()[:, 0].tolist() == list(range(1, length + 2))
        assert ids[row, length + 1] == preferences.edge()


def test_what_fills_a_row_up_changes_no_score(untrained):
    alone = preferences.scores_of(untrained, [SPRING])
    torch.testing.assert_close(preferences.scores_of(untrained, [SPRING, "春" * 30])[:1], alone, atol=1e-5, rtol=0)


def test_the_loss_is_that_of_bradley_and_terry(untrained):
    some = preferences.pairs(8, 0)
    value, figures = preferences.loss(untrained, preferences.batch_of(some))
    chosen, rejected = (preferences.scores_of(untrained, [pair[side] for pair in some]) for side in (0, 1))
    torch.testing.assert_close(value.detach(), bradley_terry(chosen, rejected), atol=1e-5, rtol=0)
    assert figures["accuracy"] == pytest.approx(preferences.agrees(untrained, some))


def test_a_turned_label_counts_against_the_label_and_for_the_rules(untrained):
    some = preferences.pairs(40, 0, flip=1.0)
    assert preferences.right(untrained, some) == pytest.approx(1 - preferences.agrees(untrained, some))


def test_a_few_pairs_seen_often_are_learned_by_heart_and_the_poet_stays():
    some, before = preferences.pairs(16, 0), preferences.poet().embedding.weight.clone()
    model = preferences.reward_model(some, 0, epochs=12)
    assert preferences.agrees(model, some) > 0.9
    assert torch.equal(preferences.poet().embedding.weight, before)
    assert not torch.equal(model.body.embedding.weight, before)
    with pytest.raises(ValueError, match="3 pairs do not fill a batch of 16"):
        preferences.reward_model(some[:3], 0)


def test_the_best_of_n_is_the_one_with_the_highest_score(untrained):
    (best,) = preferences.best_of(untrained, ["春风"], 5, seed=2)
    texts = preferences.write(5, 2000, "春风")
    assert best == max(texts, key=lambda text: float(preferences.scores_of(untrained, [text])))


def test_the_curve_is_the_mean_over_all_draws():
    chance = torch.Generator().manual_seed(0)
    proxy, true = torch.randn(7, generator=chance), torch.randn(7, generator=chance)
    said, worth = preferences.best_of_curve(proxy, true, (1, 3, 7))
    for n, found, brings in zip((1, 3, 7), said, worth):
        draws = torch.tensor(list(combinations(range(7), n)))
        best = draws.gather(1, proxy[draws].argmax(1, keepdim=True))[:, 0]
        assert float(found) == pytest.approx(float(proxy[best].mean()), abs=1e-6)
        assert float(brings) == pytest.approx(float(true[best].mean()), abs=1e-6)
    with pytest.raises(ValueError, match="best of 8 needs as many; there are 7"):
        preferences.best_of_curve(proxy, true, (8,))


def test_the_recipes_batches_are_pairs_that_the_rules_prefer():
    batch = poem_judge.batches(poem_judge.STEPS_A_PART - 1)
    chosen, rejected = ([tokenizer().decode(row).strip(EDGE) for row in batch[:, side].tolist()] for side in (0, 1))
    assert batch.shape == (preferences.BATCH, 2, preferences.LONGEST)
    assert all(a > b for a, b in zip(scores(chosen), scores(rejected)))


def test_the_zoos_judge_knows_the_better_poem_and_the_better_half():
    model = zoo.load("poem-judge")
    some = preferences.exam(200)
    assert preferences.right(model, some) > 0.6
    texts = preferences.pool(256, preferences.EXAM)
    proxy, true = preferences.scores_of(model, texts), torch.tensor(scores(texts))
    assert true[proxy > proxy.median()].mean() > true[proxy <= proxy.median()].mean() + 0.2

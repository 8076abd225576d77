"""The poet's batches, its measures, and what the shipped one is said to have learned."""

import math
from pathlib import Path

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch08_gpt2 import poet, poet_report
from course_lib.chapters.ch08_gpt2.counted_poems import CountedPoems
from course_lib.data.real.poems import EDGE, poems, tokenizer
from course_lib.training import checkpoint
from course_lib.training.loop import next_token_losses
from course_lib.zoo import store

CARD = (Path(__file__).parents[3] / "book" / "dataset-poems.md").read_text("utf-8")


def test_an_epoch_shows_every_poem_once():
    n = len(poems("train")) // poet.BATCH
    one, next_one = (
        {tuple(row) for step in steps for row in poet.batches(step).tolist()} for steps in (range(n), range(n, 2 * n))
    )
    assert len(one) == len(next_one) == n * poet.BATCH
    assert not torch.equal(poet.batches(0), poet.batches(n))


def test_a_row_is_a_poem_between_edges():
    row = poet.rows("held-out")[0].tolist()
    assert tokenizer().decode(row).rstrip(EDGE) == f"{EDGE}{poems('held-out')[0]}"
    assert row[-1] == poet.edge() and len(row) == poet.LONGEST <= poet.CONTEXT


def test_the_loss_is_that_of_the_poem_and_its_last_edge():
    ids, model = poet.rows("held-out")[:7], poet.build().eval()
    wanted = torch.cat(
        [losses[: len(str(poem)) + 1] for losses, poem in zip(next_token_losses(model(ids), ids), poems("held-out"))]
    )
    torch.testing.assert_close(poet.loss(model, ids), wanted.mean())
    assert poet.weigh(ids) == len(wanted)


def test_a_model_that_knows_nothing_expects_each_token_alike():
    model = poet.build().eval()
    torch.nn.init.zeros_(model.norm_out.weight)
    assert poet.log_probability(model, poet.rows("held-out")[:20]) == pytest.approx(-math.log(tokenizer().n_vocab))


def test_marks_and_edges_are_not_in_the_mean_of_characters():
    ids, model = poet.rows("held-out")[:3], poet.build().eval()
    said = [
        -loss.item()
        for losses, poem in zip(next_token_losses(model(ids), ids), poems("held-out"))
        for loss, token in zip(losses, str(poem))
        if token not in "，。"
    ]
    with torch.no_grad():
        assert poet.log_probability(model, ids) == pytest.approx(sum(said) / len(said), rel=1e-5)


def test_habits_of_poems_that_were_picked_by_hand():
    own = "山山山山山，水水水水流。山山山山山，水水水水楼。"
    assert poet.habits([own, "不成诗"]) == {"form": 0.5, "rhyme": 1, "variety": 0, "copied": 0}
    assert poet.habits([str(poems("train")[0])])["copied"] == 1
    assert poet.habits([""]) == {"form": 0, "rhyme": 0, "variety": 0, "copied": 0}


def test_the_shipped_poet_goes_on_from_a_beginning():
    written = poet.write(zoo.load("poet"), 4, beginning="春眠", temperature=0.8)
    assert all(text.startswith("春眠") for text in written) and len(set(written)) == 4
    assert poet.write(zoo.load("poet"), 4, beginning="春眠", temperature=0.8) == written
    with pytest.raises(ValueError, match="not among the"):
        poet.write(zoo.load("poet"), 1, beginning="hello")


def test_the_card_says_what_the_shipped_poet_reached():
    figures = checkpoint.read(store.shipped_path(store.get_recipe("poet")))[1]["figures"]
    row = next(line for line in CARD.splitlines() if line.startswith("| 诗人模型"))
    assert f"| {-figures['held-out']:.2f} | {-figures['new-poets']:.2f} |" in row


def test_it_expects_poems_better_than_the_best_of_the_counts():
    counted = CountedPoems(poems("train"), 3, poet_report.DISCOUNTS[3])
    recipe = store.get_recipe("poet")
    row = next(line for line in CARD.splitlines() if line.startswith("| 三元计数"))
    for split in poet_report.UNSEEN:
        assert recipe.at_least[split] > counted.log_probability(poems(split)) + 0.3
        assert f"{-counted.log_probability(poems(split)):.2f}" in row


def test_the_longest_run_that_was_copied():
    first = str(poems("train")[0])
    assert poet_report.longest_copied([first[3:9] + "□", "□" + first[:5]]) == first[3:9]
    assert poet_report.longest_copied(["□"]) == poet_report.longest_copied([]) == ""


def test_more_habits_of_poems_that_were_picked_by_hand():
    stork = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    assert poet_report.more_habits([stork, "不成诗"]) == {"tone": 1, "level ends": 1, "different pairs": 1}
    assert poet_report.more_habits([stork, stork])["different pairs"] == 0.5
    assert poet_report.more_habits([stork.replace("流", "月")])["level ends"] == 0.5


def test_who_has_not_learned_expects_no_rhyme():
    own, other = poet_report.rhyme_expected(poet.build().eval())
    assert own == pytest.approx(other, abs=0.01)

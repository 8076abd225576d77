"""The poet's batches, its measures, and what the shipped one is said to have learned."""

import math

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch08_gpt2 import poet
from course_lib.data.real.poems import EDGE, poems, tokenizer
from course_lib.training.loop import next_token_losses


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

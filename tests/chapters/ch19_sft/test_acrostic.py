"""藏头: what is asked, what is learned, and what counts as obeyed."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from course_lib import zoo
from course_lib.chapters.ch19_sft import acrostic
from course_lib.data.real.poem_rules import form_reward
from course_lib.data.real.poems import poems, tokenizer, vocabulary
from course_lib.posttraining.sft import n_targets, sft_loss
from course_lib.widgets.poet import live_acrostic

SPRING = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"


@pytest.fixture(scope="module")
def model():
    return zoo.load("poet-acrostic")


def test_a_poem_asks_for_its_own_first_characters():
    poem = poems("train")[0]
    row = acrostic.rendered(poem)
    heads = "".join(line[0] for line in poem.lines)
    assert tokenizer().decode(row.ids) == f"{heads}|\n{poem}\n"
    assert row.ids[:6] == acrostic.prompt(heads)
    learned = [i for i, mine in zip(row.ids, row.is_answer) if mine]
    assert tokenizer().decode(learned) == f"{poem}\n"


def test_every_row_fits_the_poets_context():
    assert max(len(row.ids) for split in ("train", "held-out", "new-poets") for row in acrostic.rows(split)) == 39
    assert zoo.load("poet").config.context == acrostic.CONTEXT


def test_an_epoch_has_every_poem_once_at_most():
    n = len(acrostic.rows("train")) // acrostic.BATCH
    seen = {tuple(ids.tolist()) for step in range(0, n, 50) for ids in acrostic.batches(step)["ids"]}
    assert len(seen) == len(range(0, n, 50)) * acrostic.BATCH
    assert not torch.equal(acrostic.order(0), acrostic.order(1))


def test_before_its_first_step_it_is_the_poet():
    poet, model = zoo.load("poet"), acrostic.build().eval()
    ids = torch.tensor([acrostic.prompt("春夏秋冬")])
    assert torch.equal(poet(ids), model(ids))


@torch.no_grad()
def test_the_loss_is_the_mean_surprise_of_poem_and_edge(model):
    batch = {name: part[:4] for name, part in acrostic.batches(3).items()}
    rows, surprises = [acrostic.rows("train")[i] for i in acrostic.order(0)[48:52]], []
    for row in rows:
        ids = torch.tensor([row.ids])
        surprises.append(cross_entropy(model(ids)[0, 5:-1], ids[0, 6:], reduction="none"))
    torch.testing.assert_close(sft_loss(model, batch), torch.cat(surprises).mean())
    assert n_targets(batch) == sum(map(len, surprises))


def test_obeyed_is_what_begins_as_asked():
    assert acrostic.begins(SPRING, "春处夜花") == [True] * 4
    assert acrostic.begins(SPRING, "春夏夜冬") == [True, False, True, False]
    assert acrostic.begins(SPRING, "眠处来花") == [False, True, False, True]
    assert acrostic.begins("春眠不觉晓，处", "春处夜花") == [True, True, False, False]
    assert acrostic.kept([SPRING, SPRING], "春处夜花") == (1, 1)
    assert acrostic.kept([SPRING, SPRING], ["春处夜花", "春夏夜冬"]) == (0.75, 0.5)
    with pytest.raises(ValueError, match="zip"):
        acrostic.kept([SPRING], ["春处夜花", "春夏夜冬"])


def test_habits_count_poems_with_their_form():
    found = acrostic.habits([str(poems("train")[0]), "春眠不觉晓，"])
    assert found["form"] == 0.5 and found["own lines"] == 0
    assert acrostic.habits(["无"]) == {"form": 0, "rhyme": 0, "own lines": 0}


def test_heads_are_four_known_characters():
    for each in (*acrostic.held_out_heads(), *acrostic.random_heads()):
        assert len(acrostic.prompt(each)) == 6
    assert {acrostic.heads_of(poem) for poem in poems("held-out")} >= set(acrostic.held_out_heads())
    with pytest.raises(ValueError, match="four"):
        acrostic.prompt("春夏秋")
    with pytest.raises(ValueError, match="not among"):
        acrostic.prompt("春夏秋Z")


def test_the_seed_says_what_is_written(model):
    one, two = (acrostic.write(model, "春夏秋冬", 3, seed=seed) for seed in (0, 1))
    assert one == acrostic.write(model, "春夏秋冬", 3, seed=0) != two
    assert len(set(one)) == 3 and all(not text.endswith("\n") for text in one)


def test_sft_taught_it_and_kept_the_form(model):
    """The poet before knows neither."""
    asked = acrostic.held_out_heads()
    before, after = (acrostic.write_each(each, asked) for each in (zoo.load("poet"), model))
    assert acrostic.kept(after, asked).lines > acrostic.kept(before, asked).lines + 0.4
    assert sum(map(form_reward, after)) > 80 > 20 > sum(map(form_reward, before))


@pytest.mark.parametrize("heads", ["春夏秋冬", "山水风月"])
def test_the_page_asks_as_the_training_did(heads):
    still = live_acrostic(heads).still
    assert still["tokens"][: still["n_prompt"]] == [vocabulary()[i] for i in acrostic.prompt(heads)]

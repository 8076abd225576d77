"""Chapter 19's SFT: masks, what is learned, and how it is examined."""

from functools import cache

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch19_sft import learning
from course_lib.chapters.ch19_sft.experiments import c25d_packing
from course_lib.chapters.ch19_sft.learning import MASKS
from course_lib.posttraining.chat import END, Rendered
from course_lib.posttraining.packing import packed_loss
from course_lib.posttraining.sft import padded, sft_loss
from course_lib.toys import sums

TALK = [*sums.ask("27+15=?"), {"role": "assistant", "content": "42"}]


@cache
def taught():
    """Once for the tests that only read it."""
    history = []
    model = learning.train(lambda step: learning.rendered(sums.talks(64, step)), history=history, steps=80)
    return model, history


def learned(mask, talk=TALK):
    (text,) = learning.rendered([talk], mask)
    return sums.decode(i for i, mine in zip(*text) if mine)


def test_each_mask_marks_what_its_name_says():
    assert learned("只有回答") == "42" + END
    assert learned("少了结束") == "42"
    assert learned("只学结束") == END
    assert learned("全部都学") == sums.decode(sums.chat().render(TALK).ids)
    assert learned("错一位") == "2" + END + "\n"
    assert learned("学反了") == learned("全部都学").replace("42" + END, "")


def test_a_mask_leaves_the_tokens_alone():
    whole = sums.chat().render(TALK)
    for mask in MASKS.values():
        assert mask(whole).ids == whole.ids and len(mask(whole).is_answer) == len(whole.ids)


def test_without_the_end_is_what_padding_with_it_does():
    """transformers' collator marks every id of padding as not to be learned; with pad = <|im_end|> that is the end."""
    batch = padded([sums.chat().render(TALK)], sums.chat().end)
    by_ids = batch["is_answer"] & (batch["ids"] != sums.chat().end)
    assert by_ids[0].tolist() == learning.rendered([TALK], "少了结束")[0].is_answer


def test_training_teaches_and_keeps_its_losses():
    model, history = taught()
    assert len(history) == 80 and history[-1] < 0.5 < history[0]
    assert not model.training
    assert learning.accuracy(model, learning.exam()) > 0.8 > 0.1 > learning.accuracy(learning.base(), learning.exam())


def test_the_same_texts_give_the_same_model():
    once, again = (
        learning.train(lambda step: learning.rendered(sums.talks(4, step)), history=[], steps=2) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(once.parameters(), again.parameters()))


def test_what_is_trained_is_a_model_of_its_own():
    before = learning.base()
    taught()
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), learning.base().parameters()))


def test_a_demonstrator_teaches_the_top_alone():
    model, base = learning.from_demonstrator(0.5, steps=3), learning.base()
    changed = {name for (name, a), b in zip(model.named_parameters(), base.parameters()) if not torch.equal(a, b)}
    assert changed and all(name.startswith(("blocks.2.feedforward", "norm_out")) for name in changed)
    assert all(each.requires_grad for each in model.parameters())


def test_answers_do_not_depend_on_their_neighbours():
    """Prompts of unlike length are padded on the left."""
    model, _ = taught()
    asked = [learning.exam("two turns")[0], learning.exam()[0], learning.exam("three digits")[0]]
    assert learning.answers(model, asked) == [learning.answers(model, [each])[0] for each in asked]


def test_an_answer_is_what_comes_before_the_end():
    model, _ = taught()
    asked = learning.exam(n=20)
    for text, row in zip(learning.answers(model, asked), learning.written(model, asked, n_new=12)):
        assert sums.decode(row).startswith(text + END) and len(row) == 12


def test_sampling_follows_its_seed_and_the_models_probabilities():
    model, _ = taught()
    asked = [learning.exam()[0]] * 400
    said = learning.answers(model, asked, sample=True, seed=1)
    assert (
        said
        == learning.answers(model, asked, sample=True, seed=1)
        != learning.answers(model, asked, sample=True, seed=2)
    )
    (likeliest,) = learning.answers(model, asked[:1])
    sure = float(learning.confidence(model, asked[:1])[0])
    assert said.count(likeliest) / len(said) == pytest.approx(sure, abs=0.1)


@torch.no_grad()
def test_confidence_is_the_product_of_the_answers_probabilities():
    model, _ = taught()
    question = learning.exam()[3]
    (answer,) = learning.answers(model, [question])
    ids = [*sums.chat().prompt(question), *sums.chat().plain(answer), sums.chat().end]
    probs = model(torch.tensor([ids])).softmax(-1)[0]
    by_hand = torch.stack([probs[t, ids[t + 1]] for t in range(len(ids) - len(answer) - 2, len(ids) - 1)]).prod()
    torch.testing.assert_close(learning.confidence(model, [question])[0], by_hand)


@torch.no_grad()
def test_walls_change_no_loss_and_their_lack_does():
    model, _ = taught()
    texts = learning.rendered(sums.talks(12, 5))
    separate = sft_loss(model, learning.batch(texts))
    torch.testing.assert_close(packed_loss(model, c25d_packing.walls(texts)), separate)
    assert abs(sft_loss(model, c25d_packing.no_walls(texts)) - separate) > 0.1


def test_batches_of_all_ways_learn_the_same_words():
    texts = learning.rendered(sums.talks(12, 5))
    n = sum(sum(text.is_answer) for text in texts)
    assert [int(collate(texts)["is_answer"].sum()) for collate, _ in c25d_packing.WAYS.values()] == [n] * 3


def test_the_base_goes_on_with_papers():
    assert zoo.get_recipe("sums-base").at_least.keys() <= zoo.get_recipe("sums-base").check(learning.base()).keys()
    said = learning.answers(learning.base(), learning.exam(n=50), n_new=24)
    assert sum("等于" in text or "=" in text for text in said) > 40


def test_texts_are_rendered_whole():
    (text,) = learning.rendered([TALK])
    assert isinstance(text, Rendered) and sums.decode(text.ids).endswith("42<|im_end|>\n")

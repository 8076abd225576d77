"""BLIP-2 on the drawn world: what its language model reads, what each stage learns, and that the frozen parts stay."""

import copy
from itertools import pairwise

import pytest
import torch

from course_lib import zoo
from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.toys import blip2_shapes, told_shape
from course_lib.toys.blip2_shapes import LM_CONTEXT, stage1_loss, stage2_loss, taught
from course_lib.toys.one_shape import seen
from course_lib.toys.told_shape import exam, is_token, prompt, sentence


@pytest.fixture(scope="module")
def tower():
    return zoo.load("clip-shapes").image


@pytest.fixture(scope="module")
def lm():
    return zoo.load("blip2-lm")


@pytest.fixture
def fresh(tower):
    torch.manual_seed(0)
    return blip2_shapes.stage1(tower)


def test_each_row_of_the_language_model_tells_of_one_thing_in_both_languages():
    of = {sentence(triple, language): triple for triple in combinations() for language in LANGUAGES}
    rows, things, languages = blip2_shapes.told_again_and_again(3, 40), set(), set()
    assert rows.shape == (40, LM_CONTEXT)
    for row in rows:
        starts = (row == told_shape.first()).nonzero()[:, 0].tolist()
        assert starts[0] == 0 and len(starts) >= 3
        told = [told_shape.read(row[a:b]) for a, b in pairwise(starts)]  # the last one may be cut off
        assert len({of[text] for text in told}) == 1
        things.add(of[told[0]])
        languages |= {text.isascii() for text in told}
    assert len(things) > 30 and languages == {True, False}
    assert things - {combinations()[i] for i in seen().tolist()}  # it reads of all 240


def test_the_language_model_tells_again_what_stands_before_and_a_fresh_one_does_not(lm):
    assert [blip2_shapes.told_over(lm, language) for language in LANGUAGES] == [1, 1]
    torch.manual_seed(0)
    assert blip2_shapes.told_over(blip2_shapes.language_model(), "zh") == 0


def test_stage_1_is_the_sum_of_three_and_an_equal_caption_is_no_negative(fresh):
    """Two combinations, each often: whichever pictures and captions are drawn as negatives, they are the other one."""
    images, ids, numbers = told_shape.batches(0, 8)
    assert numbers[0] != numbers[1]
    rows = torch.tensor([0, 1] * 4)
    found = []
    for again in range(2):
        torch.manual_seed(again)
        found.append(blip2_shapes.losses(fresh, (images[rows], ids[rows], numbers[rows])))
    torch.testing.assert_close(found[0].itm, found[1].itm)
    torch.testing.assert_close(stage1_loss(fresh, (images[rows], ids[rows], numbers[rows])), sum(found[0]))


def test_stage_2_judges_the_words_behind_the_prompt_and_none_of_the_padding(fresh, tower, lm):
    model = blip2_shapes.describer(tower, lm, fresh.qformer)
    images, ids, _ = batch = told_shape.batches(0, 4)
    log_probs = model.next_words(model.look(images), ids).log_softmax(-1).detach()
    costs = []
    for row, counts, said in zip(ids, is_token(ids), log_probs):
        words = row[counts]
        costs += [-float(said[t - 1, words[t]]) for t in range(prompt().shape[1], len(words))]
    assert stage2_loss(model, batch).item() == pytest.approx(sum(costs) / len(costs), rel=1e-5)


def test_the_frozen_models_stay_to_the_bit_through_both_stages_and_all_else_learns(fresh, tower, lm):
    frozen = {"tower": tower, "lm": lm}
    before = {name: copy.deepcopy(model.state_dict()) for name, model in frozen.items()}

    def learned(model, loss):
        start = copy.deepcopy(model.state_dict())
        taught(model, loss, 3, 0, size=8)
        return {name for name, each in model.state_dict().items() if not torch.equal(each, start[name])}

    assert learned(fresh, stage1_loss) == set(fresh.state_dict())
    describer = blip2_shapes.describer(tower, lm, fresh.qformer)
    assert learned(describer, stage2_loss) == set(describer.state_dict())
    for name, model in frozen.items():
        assert all(torch.equal(each, before[name][key]) for key, each in model.state_dict().items()), name
        assert not any(each.requires_grad for each in model.parameters()), name


def test_stage_2_begins_with_what_stage_1_has_taught_and_leaves_it_as_it_was(fresh, tower, lm):
    taught(fresh, stage1_loss, 2, 0, size=8)
    before = copy.deepcopy(fresh.qformer.state_dict())
    model = blip2_shapes.describer(tower, lm, fresh.qformer)
    queries = model.qformer.state_dict()
    assert {name for name in before if name not in queries} == {
        name for name in before if name.startswith(("words.", "positions.")) or "feedforward_text" in name
    }
    assert all(torch.equal(each, before[name]) for name, each in queries.items())
    seen = model.look(exam(1).images[:3])
    torch.testing.assert_close(model.qformer.ask(seen), fresh.qformer.ask(seen))
    taught(model, stage2_loss, 2, 0, size=8)
    assert all(torch.equal(each, before[name]) for name, each in fresh.qformer.state_dict().items())


def test_a_seed_says_what_is_shown_and_chosen(tower):
    def history(seed):
        torch.manual_seed(seed)
        model = blip2_shapes.stage1(tower)
        taught(model, stage1_loss, 2, seed, size=6)
        return torch.cat([each.flatten() for each in model.parameters()])

    assert torch.equal(history(1), history(1)) and not torch.equal(history(1), history(2))


def test_operations_grow_with_the_batch_and_leave_no_gradients(fresh):
    cost = blip2_shapes.step_flops(fresh, stage1_loss, 4)
    assert blip2_shapes.step_flops(fresh, stage1_loss, 8) == pytest.approx(2 * cost, rel=0.01)
    assert all(each.grad is None for each in fresh.parameters())


def test_retrieval_and_judgement_turn_with_the_signs_of_their_heads():
    model = zoo.load("blip2-stage1")
    assert blip2_shapes.retrieval(model) > 0.8 and blip2_shapes.judgement(model) > 0.8
    with torch.no_grad():
        for head in (model.project_text, model.match):
            head.weight.neg_(), head.bias.neg_()
    assert blip2_shapes.retrieval(model) < 0.05 and blip2_shapes.judgement(model) < 0.2


def test_a_caption_is_the_likeliest_word_each_time():
    model = zoo.load("blip2-shapes")
    images, numbers, _ = exam(1)
    said = blip2_shapes.caption(model, images)
    right = [text == sentence(combinations()[i]) for text, i in zip(said, numbers.tolist())]
    assert sum(right) / len(right) > 0.85
    for row, text in enumerate(said[:5]):
        ids = told_shape.encode([text])
        following = model.next_words(model.look(images[row : row + 1]), ids)[0].argmax(-1)
        n, begun = int(is_token(ids).sum()), prompt().shape[1]
        assert torch.equal(following[begun - 1 : n - 1], ids[0, begun:n])
    assert blip2_shapes.exact(model) == pytest.approx(sum(right) / len(right), abs=0.1)


def test_untrained_figures_are_at_chance(fresh, tower, lm):
    assert blip2_shapes.retrieval(fresh) < 0.05 and abs(blip2_shapes.judgement(fresh) - 0.5) < 0.1
    assert blip2_shapes.exact(blip2_shapes.describer(tower, lm, fresh.qformer)) < 0.05

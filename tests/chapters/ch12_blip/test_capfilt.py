"""What chapter 12's experiments are fed with: captions that say what is shown, wrong ones that are counted, shares."""

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch12_blip import capfilt, learning
from course_lib.chapters.ch12_blip.experiments.c16b_capfilt import shares
from course_lib.data.world.captions import parse_caption
from course_lib.data.world.scenes import combinations
from course_lib.toys.one_shape import held_out, seen
from course_lib.toys.words import words_of


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("language", learning.LANGUAGES)
def test_a_sentence_comes_back_from_its_ids(language):
    texts = [learning.sentence(triple, language) for triple in combinations()[::17]]
    ids = learning.encode(texts)
    assert [learning.read(row) for row in ids] == texts
    assert (learning.is_token(ids).sum(1) == torch.tensor([len(words_of(text)) + 2 for text in texts])).all()


def test_the_exam_is_of_unseen_combinations_and_each_other_caption_has_one_thing_wrong():
    exam = learning.exam()
    assert set(exam.numbers.tolist()) == set(held_out().tolist()) and not set(held_out().tolist()) & set(
        seen().tolist()
    )
    for number, others in zip(exam.numbers.tolist(), exam.others.tolist()):
        true = combinations()[number]
        wrong = [[a != b for a, b in zip(true, combinations()[other])] for other in others]
        assert wrong == [[True, False, False], [False, True, False], [False, False, True]]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_so_many_of_the_webs_captions_are_wrong(share):
    pairs = capfilt.web(1, share, chance())
    assert (~pairs.right()).float().mean().item() == pytest.approx(share, abs=1e-6)
    assert capfilt.true_pairs(pairs.shown, 0).right().all()
    said = [learning.read(row).removeprefix(learning.PROMPTS["en"]) for row in pairs.ids]
    kinds = {(p.colour, p.kind, p.position) for text in said for p in parse_caption(text, "en")}
    assert kinds <= {
        combinations()[i] for i in seen().tolist()
    }  # a wrong caption is of another combination that is seen


def test_what_is_written_begins_with_the_prompt_and_keeps_the_pictures():
    pairs = capfilt.web(1, 0.5, chance()).of(torch.arange(8))
    written = capfilt.written(zoo.load("blip-shapes").blip, pairs, chance())
    assert written.ids.shape == pairs.ids.shape and torch.equal(written.images, pairs.images)
    prompt = learning.prompt("en")
    assert (written.ids[:, : prompt.shape[1]] == prompt).all()
    assert written.right().float().mean() > 0.5


def test_a_trained_filter_believes_the_right_ones():
    pairs = capfilt.web(1, 0.5, chance())
    belief = capfilt.belief(zoo.load("blip-shapes").blip, pairs)
    before, precision, recall = shares(pairs.right(), belief > 0.5)
    assert before == pytest.approx(0.5) and precision > 0.95 and recall > 0.9


def test_shares_by_hand():
    right, kept = torch.tensor([True, True, True, False]), torch.tensor([True, True, False, True])
    assert shares(right, kept) == pytest.approx([3 / 4, 2 / 3, 2 / 3])
    assert shares(right, torch.zeros(4, dtype=torch.bool)) == [0.75, 0.0, 0.0]

"""C13c's loss is on the answers alone; C13d's corpora are what their names say."""

import pytest
import torch

from course_lib.chapters.ch09_gpt3.experiments import c13c_power_law as c13c
from course_lib.chapters.ch09_gpt3.experiments import c13d_clean_data as c13d
from course_lib.chapters.ch09_gpt3.facts import ANSWER, N_LETTERS, NAME, facts
from course_lib.chapters.ch09_gpt3.other_good_texts import other_good_texts
from course_lib.data.text.web_text import BOILERPLATE, CLEAN, COPY, LABELS, SHUFFLED, curated


def test_the_loss_asks_for_the_two_letters_of_the_answer():
    world = facts(50, 0)

    def knows(ids):
        return 50.0 * torch.nn.functional.one_hot(ids.roll(-1, 1), N_LETTERS).float()

    def knows_nothing(ids):
        return torch.zeros(*ids.shape, N_LETTERS)

    assert c13c.answer_losses(knows, world).max() < 1e-6
    assert c13c.answer_losses(knows_nothing, world).mean() == pytest.approx(torch.log(torch.tensor(16.0)).item())

    def wrong_name_right_answer(ids):
        logits = knows(ids)
        logits[:, : NAME - 1] = 0
        return logits

    assert c13c.answer_losses(wrong_name_right_answer, world).max() < 1e-6
    assert world.shape[1] == NAME + ANSWER


def test_the_corpora_are_what_their_names_say():
    documents = c13d.web(300, 0)
    chosen = c13d.choose([document.text for document in documents], curated(600, 0), 0)
    assert tuple(chosen) == c13d.CORPORA
    assert chosen["whole"] == list(range(300))
    assert set(chosen["both"]) == set(chosen["filtered"]) & set(chosen["deduplicated"])
    assert len(chosen["random"]) == len(chosen["both"])

    def share(name, label):
        return sum(documents[place].label == label for place in chosen[name]) / len(chosen[name])

    assert share("deduplicated", COPY) < 0.05 < share("whole", COPY)
    assert share("both", CLEAN) > 0.9 > share("random", CLEAN)


def test_one_document_of_ten_is_good_in_other_words():
    documents = c13d.web(300, 0)
    labels = [document.label for document in documents]
    assert labels.count(c13d.OTHER) == 30 and set(labels) == {c13d.OTHER, *LABELS}
    assert labels != sorted(labels) and {BOILERPLATE, SHUFFLED} <= set(labels[:100])
    texts = other_good_texts(20, 1)
    assert texts == other_good_texts(30, 1)[:20] != other_good_texts(20, 2)
    sentences = {sentence for text in texts for sentence in text.split("。")[:-1]}
    pages = {sentence for text in curated(200, 1) for sentence in text.split("。")}
    assert len(sentences) > 50 and not sentences & pages
    assert not any("有一个" in sentence for sentence in sentences)

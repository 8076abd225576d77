"""The instruments of C04a, C04b and C06, each on a case whose answer is known."""

import pytest
import torch

from course_lib.chapters.ch02_positions.experiments import c04b_cross_terms as c04b
from course_lib.chapters.ch03_rope.experiments import c06_rope_scaling as c06
from course_lib.toys import reading_further as further
from course_lib.toys.position_schemes import NoPositions
from course_lib.toys.topic_text import topic_texts


def quiet(each, label=""):
    return each


def brief(scheme, seed=0, steps=3):
    return further.trained_model(scheme, seed, steps=steps, batch=4, progress=quiet)


def test_loss_is_read_where_the_text_ends():
    losses = torch.arange(255.0)
    assert further.loss_at(losses, 1) == pytest.approx((15 + 30) / 2)
    assert further.loss_at(losses, 8) == pytest.approx((239 + 254) / 2)
    bins = further.in_bins(losses)
    assert len(bins) == 32
    assert bins[0] == 3.5
    assert bins[-1] == pytest.approx((248 + 254) / 2)


def test_a_short_test_is_the_beginning_of_the_long_one():
    model = brief("sinusoidal")
    whole = further.loss_by_position(model, 0, 5)
    torch.testing.assert_close(further.loss_by_position(model, 0, 5, 64), whole[:63])


def test_learned_positions_beyond_the_trained_length_keep_their_direction():
    fresh = further.untrained_model("learned", 0).positions.table.weight
    trained = brief("learned").positions.table.weight
    same = torch.cosine_similarity(fresh, trained, dim=-1)
    last = further.TRAINED_LENGTH - 1  # its output has no next letter to answer for
    assert same[:last].max() < 1 - 1e-4
    torch.testing.assert_close(same[last:], torch.ones(len(same) - last))


def test_the_same_seed_trains_the_same_model():
    for a, b in zip(brief("rope").parameters(), brief("rope").parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize("scheme", ["none", "learned", "sinusoidal", "rope"])
def test_terms_sum_to_the_scores_of_the_model(scheme):
    model, ids = brief(scheme), topic_texts(0, "test", 4, 32)
    terms = c04b.score_terms(model, ids, model.positions)
    total = sum(terms.values())
    torch.testing.assert_close(total, model.attention_scores(ids)[0], atol=1e-4, rtol=1e-4)
    shares = {name: c04b.share(term.expand_as(total), total) for name, term in terms.items()}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    added = scheme in ("learned", "sinusoidal")
    assert (shares["cross"] != 0) == added
    assert shares["cross"] == 0 or 0.05 < shares["cross"] < 0.9


def test_position_term_alone_is_left_when_all_letters_are_one():
    model = brief("sinusoidal")
    ids = torch.zeros(4, 32, dtype=torch.long)
    terms = c04b.score_terms(model, ids, model.positions)
    total = sum(terms.values())
    assert c04b.share(terms["position"], total) > 0.9


def test_without_its_turning_rope_leaves_the_scores_of_no_positions():
    model, ids = brief("rope"), topic_texts(0, "test", 4, 32)
    unturned = sum(c04b.score_terms(model, ids, NoPositions()).values())
    model.positions = NoPositions()
    torch.testing.assert_close(unturned, model.attention_scores(ids)[0], atol=1e-4, rtol=1e-4)


def test_a_row_is_seen_around_its_own_mean():
    scores = torch.randn(2, 3, 5, 5)
    shift = torch.randn(2, 3, 5, 1)
    term = torch.randn(2, 3, 5, 5)
    assert c04b.share(term, scores) == pytest.approx(c04b.share(term + shift, scores + 7 * shift), abs=1e-5)


@pytest.mark.parametrize("name", c06.SCALINGS)
def test_stretching_by_one_changes_nothing(name):
    model = brief("rope")
    ids = topic_texts(0, "test", 2, 48)
    plain = model(ids)
    model.positions = c06.scaled(name, 1.0)
    torch.testing.assert_close(model(ids), plain)
    model.positions = c06.scaled(name, 8.0)
    assert (model(ids) - plain).abs().max() > 1e-2


def test_interpolated_positions_were_all_seen_in_training():
    slowest_to_fastest = c06.scaled("PI", 8.0).freqs * (further.LONGEST - 1)
    seen = c06.scaled("PI", 1.0).freqs * further.TRAINED_LENGTH
    assert (slowest_to_fastest < seen).all()

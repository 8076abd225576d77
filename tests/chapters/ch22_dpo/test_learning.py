"""Chapter 22 where every answer is listed: where each loss ends, and what pairs come to as a table."""

import pytest
import torch

from course_lib.chapters.ch22_dpo.learning import (
    LOSSES,
    METHODS,
    Featured,
    alike,
    drawn,
    fifteen_answers,
    ipo_best,
    right,
    shared,
    sides,
    table_of,
    to_best,
    weighed,
)
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.reference import Reference
from course_lib.toys.drawn_preferences import draw_pairs
from course_lib.toys.three_answers import three_answers

WORLD = three_answers()


def ends(method, pairs=None, **more):
    return to_best(method, pairs, **more).log_probs[-1]


@pytest.mark.parametrize("method", ["DPO", "exact"])
def test_endless_pairs_and_the_reward_itself_lead_to_the_same_policy(method):
    way = to_best(method)
    torch.testing.assert_close(way.log_probs[0], WORLD.reference)
    torch.testing.assert_close(way.kl[0], exact_kl(WORLD.reference, WORLD.best))
    assert way.kl[0] > 0.5 and way.kl[-1] < 1e-10
    assert len(way.kl) == len(way.probs) == len(way.loss) + 1
    torch.testing.assert_close(way.probs.sum(1), torch.ones(len(way.probs), dtype=torch.float64))


def test_answers_of_several_tokens_are_answers_as_well():
    world, policy = fifteen_answers(7)
    way = to_best("DPO", world=world, policy=policy)
    assert way.kl[-1] < 1e-8 < way.kl[0] and right(way, world) == 1


def test_ipo_stands_still_where_its_closed_form_says_and_not_at_the_best():
    assert exact_kl(ends("IPO"), ipo_best(WORLD)) < 1e-10
    assert exact_kl(ipo_best(WORLD), WORLD.best) > 0.1


def test_the_hinge_ends_where_its_loss_is_least_and_not_at_the_best():
    """No policy among many near by has a smaller loss."""

    def lost(listed):
        d = listed - WORLD.reference
        batch, shares = sides(table_of(WORLD), drawn())
        rows = [batch[side]["ids"][:, 1] for side in ("chosen", "rejected")]
        return weighed(LOSSES["hinge"], shares)(d[rows[0]], d[rows[1]], beta=WORLD.beta)

    found = ends("hinge", steps=600)
    chance = torch.Generator().manual_seed(0)
    near = found + 0.2 * torch.randn(60, 3, generator=chance, dtype=torch.float64)
    assert lost(found) <= min(lost(each.log_softmax(0)) for each in near) + 1e-4
    assert exact_kl(found, WORLD.best) > 0.01


def test_who_is_told_of_turned_labels_and_takes_them_off_finds_the_best_again():
    turned = drawn(flip=0.2)
    assert exact_kl(ends("rDPO", turned, flipped=0.2), WORLD.best) < 1e-10
    far = [float(exact_kl(ends(m, turned, flipped=0.2), WORLD.best)) for m in ("DPO", "cDPO")]
    assert 1e-3 < far[0] < far[1]
    torch.testing.assert_close(ends("cDPO", turned, flipped=0.0), ends("DPO", turned))


@pytest.mark.parametrize("method", list(LOSSES))
def test_a_table_is_its_pairs(method):
    """Loss and gradient of the table are those of the pairs one by one."""
    law = drawn(flip=0.1)
    pairs = draw_pairs(law, 50, torch.Generator().manual_seed(3))
    policy = table_of(WORLD)
    batch, shares = sides(policy, drawn(50, flip=0.1, seed=3))
    told = {"beta": 0.5} | ({"flipped": 0.1} if method in ("cDPO", "rDPO") else {})
    ids, is_answer = policy.answers()
    every = {"ids": ids, "is_token": torch.ones_like(is_answer), "is_answer": is_answer}
    every["reference"] = answer_scores(Reference(policy), every)
    listed = {
        side: {name: each[rows] for name, each in every.items()} for side, rows in zip(("chosen", "rejected"), pairs.T)
    }
    policy.table.data += torch.tensor([0.3, -0.2, 0.5])
    found = on_pairs(policy, batch, loss=weighed(LOSSES[method], shares), **told)[0]
    wanted = on_pairs(policy, listed, loss=LOSSES[method], **told)[0]
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(each, policy.table)[0] for each in (found, wanted)))


def test_more_pairs_come_nearer_to_the_law():
    off = [float((drawn(n, seed=1) - drawn()).abs().sum()) for n in (100, 10_000)]
    assert off[1] < off[0] / 3
    torch.testing.assert_close(drawn(100, seed=2).sum(), torch.ones((), dtype=torch.float64))
    assert not torch.equal(drawn(100, seed=2), drawn(100, seed=3))


def test_what_is_not_covered_is_in_no_pair_and_keeps_its_odds_in_a_table_alone():
    pairs = drawn(covers=(0, 1))
    assert not pairs[2].any() and not pairs[:, 2].any() and pairs[0, 1] > pairs[1, 0] > 0
    turned = drawn(covers=(0, 1), flip=1.0)
    torch.testing.assert_close(turned, pairs.T)
    kept = to_best("DPO", pairs)
    torch.testing.assert_close(
        kept.log_probs[-1].diff()[0], WORLD.best.diff()[0], rtol=0, atol=1e-5
    )  # the odds of what was shown
    assert kept.kl[-1] > 1e-3


def test_one_feature_for_all_lifts_what_no_pair_shows():
    """0.117, 0.867, 0.016 → 0.010, 0.0001, 0.990, while the loss falls from log 2 to 0.42."""
    way, own = shared(), shared(features=False)
    torch.testing.assert_close(way.probs[0], alike().reference.exp())
    torch.testing.assert_close(own.probs[0], way.probs[0])
    assert way.probs[0].tolist() == pytest.approx([0.1173, 0.8668, 0.0159], abs=1e-4)
    assert way.probs[-1].tolist() == pytest.approx([0.010, 0.0001, 0.990], abs=1e-3)
    assert way.loss[0] == pytest.approx(0.6931, abs=1e-4) and way.loss[-1] == pytest.approx(0.42, abs=0.01)
    assert (way.loss.diff() < 0).all() and way.probs[-1] @ alike().reward < way.probs[0] @ alike().reward
    assert own.probs[-1, 0] > 0.99 and (own.loss.diff() < 0).all()


def test_features_are_called_as_models_are():
    features = torch.tensor([[1.0, 0.0], [0.5, 2.0], [-1.0, 1.0], [0.0, 0.3]], dtype=torch.float64)
    policy = Featured(features, torch.tensor([0.4, -1.2], dtype=torch.float64))
    ids, is_answer = policy.answers()
    scores = answer_scores(policy, {"ids": ids, "is_token": torch.ones_like(is_answer), "is_answer": is_answer})
    torch.testing.assert_close(scores, policy.listed())
    torch.testing.assert_close(policy.listed().exp().sum(), torch.ones((), dtype=torch.float64))


def test_order_is_asked_of_every_pair():
    way = to_best("DPO", drawn().T.contiguous())  # the worse is always chosen as often as the better should be
    assert right(way, WORLD) == 0
    assert right(to_best("DPO"), WORLD) == 1


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="method"):
        to_best("ORPO")
    assert set(METHODS) == {*LOSSES, "exact"}


def test_loss_is_log_two_before_the_first_update():
    assert to_best("DPO", steps=1).loss[0] == pytest.approx(float(dpo_loss(*torch.zeros(2, 1))))

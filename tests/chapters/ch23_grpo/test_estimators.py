"""Chapter 23's estimators: exact means, and gradients that point where kl.py says."""

import pytest
import torch

from course_lib.chapters.ch23_grpo.estimators import WEIGHED, both_directions, mean_gradients, policy_at, spread
from course_lib.posttraining.kl import exact_kl
from course_lib.toys.three_answers import three_answers


@pytest.mark.parametrize("distance", [0.25, 1.0, 3.0])
def test_k1_and_k3_have_the_kl_as_mean_and_k2_has_not(distance):
    kl = float(exact_kl(policy_at(distance), three_answers().reference))
    means = {name: mean for name, (mean, *_) in spread(distance).items()}
    assert means["k1"] == pytest.approx(kl) == means["k3"]
    assert abs(means["k2"] - kl) > 0.005 * kl


def test_only_k1_is_ever_negative_and_k3_is_the_quieter_near_and_the_louder_far():
    near, far = spread(0.5), spread(3.0)
    assert near["k1"][2] < 0 < near["k3"][2] and near["k2"][2] > 0
    assert near["k3"][1] < near["k1"][1] and far["k3"][1] > far["k1"][1]


def test_spread_is_the_standard_deviation_of_drawn_answers():
    policy = policy_at(1.0).log_softmax(0)
    drawn = policy.exp().multinomial(200_000, replacement=True, generator=torch.Generator().manual_seed(0))
    d = (policy - three_answers().reference)[drawn]
    mean, sd, _ = spread(1.0)["k1"]
    assert float(d.mean()) == pytest.approx(mean, abs=0.01) and float(d.std()) == pytest.approx(sd, abs=0.01)


def test_gradients_point_in_the_directions_that_are_said():
    found, exact = mean_gradients(1.0), both_directions(1.0)
    torch.testing.assert_close(found["k1"], torch.zeros(3, dtype=torch.float64))
    for name in ("k2", WEIGHED):
        torch.testing.assert_close(found[name], exact["KL(π‖ref)"])
    torch.testing.assert_close(found["k3"], exact["KL(ref‖π)"])
    assert (exact["KL(π‖ref)"] - exact["KL(ref‖π)"]).abs().max() > 0.05

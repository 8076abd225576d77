"""What each method makes of the same scores, against numbers by hand."""

import pytest
import torch

from course_lib.chapters.ch24_comparison.seen import BETA, GONE, SCORES, seen


def test_at_the_reference_pushes_are_by_hand():
    found = seen(torch.tensor([1.0, 0, 0, 1], dtype=torch.float64), torch.zeros(4, dtype=torch.float64))
    a = 0.5 / (1 / 3) ** 0.5 / 4  # advantage 0.866 over four answers
    assert found["GRPO"].tolist() == pytest.approx([a, -a, -a, a], rel=1e-3)
    assert found["PPO"].tolist() == pytest.approx([a, -a, -a, a], rel=1e-3)
    d = 0.5 * 0.5 / 2  # β σ(0) over two pairs; first of the one preferred, last of the other
    assert found["DPO"].tolist() == pytest.approx([d, -d, -d, d])


def test_the_scale_moves_ppo_alone_and_the_zero_nobody():
    plain, larger, shifted = seen(SCORES), seen(10 * SCORES), seen(SCORES + 5)
    assert float((larger["PPO"] - plain["PPO"]).abs().max()) > 0.1
    torch.testing.assert_close(larger["GRPO"], plain["GRPO"], rtol=0, atol=1e-3)
    torch.testing.assert_close(larger["DPO"], plain["DPO"])
    for method in plain:
        torch.testing.assert_close(shifted[method], plain[method])


def test_dpo_hears_the_order_alone():
    turned = SCORES[[1, 0, 3, 2]]
    found, plain = seen(turned, torch.zeros(4, dtype=torch.float64)), seen(SCORES, torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(found["DPO"], -plain["DPO"])


def test_the_pull_of_k3_is_by_hand_and_the_four_are_part_of_a_distribution():
    advantages = (SCORES - SCORES.mean()) / (SCORES.std() + 1e-4)
    torch.testing.assert_close(seen(SCORES)["GRPO"], (advantages - BETA * (1 - (-GONE).exp())) / 4)
    assert (0.2 * GONE.exp()).sum() < 1

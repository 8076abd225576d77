"""One writing followed through many updates: what is shown begins at ratio 1 and is what the room's loss does."""

import math

import torch

from course_lib.chapters.ch21_ppo.figures import is_stopped
from course_lib.chapters.ch21_ppo.one_writing import first_advantages, followed, writing
from course_lib.posttraining.log_probs import is_target
from course_lib.posttraining.ppo import policy_loss


def test_ratios_begin_at_one_and_leave_the_clip():
    free, held = (followed(clip, updates=6, lr=2e-4) for clip in (math.inf, 0.2))
    mask = is_target(writing()[0].is_answer)
    for way in (free, held):
        assert way.ratios.shape == (7, int(mask.sum()))
        torch.testing.assert_close(way.ratios[0], torch.ones_like(way.ratios[0]), atol=1e-4, rtol=0)
    assert torch.equal(free.ratios[1], held.ratios[1])  # on the first update nothing is clipped
    assert held.ratios[-1].max() > 1.2 and held.ratios[-1].min() < 0.8  # the clip does not hold the ratio
    assert free.ratios[-1].log().abs().max() > held.ratios[-1].log().abs().max()


def test_advantages_are_whitened_and_those_stopped_have_no_gradient():
    advantages, mask = first_advantages(), is_target(writing()[0].is_answer)
    assert abs(advantages[mask].mean()) < 1e-5 and abs(advantages[mask].std() - 1) < 1e-5
    way = followed(0.2, updates=6, lr=2e-4)
    now = way.ratios[-1].log()[None].requires_grad_()
    some = torch.ones_like(now, dtype=torch.bool)
    loss = policy_loss(now, torch.zeros_like(now), way.advantages[None], some, clip=0.2)
    (pull,) = torch.autograd.grad(loss, now)
    stopped = is_stopped(way.ratios[-1].numpy(), way.advantages.numpy(), 0.2)
    assert stopped.any() and not stopped.all()
    assert torch.equal(pull[0] == 0, torch.from_numpy(stopped) | (way.advantages == 0))

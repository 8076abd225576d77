"""Chapter 11's exercises: any correct way passes, and the values agree with the rooms."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.contrastive import clip_loss, info_nce, sigmoid_loss, similarities, soft_clip_loss


def test_the_other_direction_is_that_of_the_room():
    logits = torch.tensor([[0.8, 0.2], [0.4, 0.4]], dtype=torch.float64) / 0.2
    assert info_nce(logits.mT).item() == pytest.approx(get_exercise("11-clip-1").solution, abs=1e-4)
    assert clip_loss(logits + 0.5).item() == pytest.approx(clip_loss(logits).item())
    assert sigmoid_loss(logits + 0.5).item() != pytest.approx(sigmoid_loss(logits).item())
    assert get_exercise("11-clip-1-next").solution == "C"


def test_the_losses_at_the_start_are_those_of_the_rooms():
    N = 1024
    assert judge(get_exercise("11-clip-2"), N).passed
    assert info_nce(torch.zeros(N, N)).item() == pytest.approx(6.93, abs=0.005)
    assert sigmoid_loss(torch.zeros(N, N)).item() == pytest.approx(get_exercise("11-clip-2-next").solution, rel=1e-4)


def test_scores_by_the_room_and_by_hand_pass():
    exercise = get_exercise("11-clip-3")
    assert judge(exercise, lambda image, text, scale: similarities(image, text) * scale).passed

    def by_hand(image, text, scale):
        return torch.stack([torch.stack([scale * (i @ t) / (i @ i * (t @ t)).sqrt() for t in text]) for i in image])

    assert judge(exercise, by_hand).passed


def test_without_a_temperature_the_best_loss_is_that_of_directions_as_far_apart_as_they_can_be():
    """The corners of a simplex, in 127 dimensions: no descent of clip_loss from anywhere gets below them."""
    corners = normalize(torch.eye(128, dtype=torch.float64) - 1 / 128, dim=-1)
    cosines = corners @ corners.mT
    assert cosines[0, 1].item() == pytest.approx(-1 / 127)
    exercise = get_exercise("11-clip-3-next")
    assert 100 * cosines.softmax(-1)[0, 0].item() == pytest.approx(exercise.solution, rel=2e-3)
    lowest = clip_loss(cosines).item()
    assert f"{lowest:.2f}" in exercise.passes
    torch.manual_seed(0)
    free = [torch.randn(128, 127, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    optimiser = torch.optim.Adam(free, lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss = clip_loss(similarities(*free))
        loss.backward()
        optimiser.step()
    assert lowest - 1e-6 < loss.item() < lowest + 0.01


@pytest.mark.parametrize("answer", [1017, 1022, 1024, 1028])
def test_a_batch_from_a_rounded_loss_passes(answer):
    assert judge(get_exercise("11-clip-2"), answer).passed


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        *((0.37, "rows"), (0.30, "both"), (0.2955, "both"), (0.13, "first"), (0.1269, "first"), (0.31, "second")),
        *((0.3133, "second"), (0.32, "base_two"), (0.2201 / math.log(2), "base_two"), (0.44, "sum")),
    ],
)
def test_two_decimals_and_all_of_them_name_the_same_mistake(answer, name):
    assert judge(get_exercise("11-clip-1"), answer).mistake == name


def test_halves_of_a_target_are_named():
    exercise = get_exercise("11-clip-5")
    same = lambda captions: torch.tensor([[a == b for b in captions] for a in captions]).double()  # noqa: E731
    assert judge(exercise, lambda captions: same(captions) / len(captions)).mistake == "by_n"
    assert judge(exercise, lambda captions: same(captions).fill_diagonal_(0)).mistake == "others_only"
    assert (
        judge(get_exercise("11-clip-4"), lambda ids, c: ids if len(ids) <= c else ids[: c - 1]).mistake == "only_room"
    )


def test_a_cut_that_keeps_the_end_passes_in_another_way():
    def my_cut(ids, context):
        body, end = ids[:-1], ids[-1]
        return [*body[: context - 1], end]

    assert judge(get_exercise("11-clip-4"), my_cut).passed


def test_targets_counted_one_by_one_pass_and_twins_cost_ln_2():
    def my_targets(captions):
        return torch.tensor([[(a == b) / captions.count(a) for b in captions] for a in captions], dtype=torch.float64)

    exercise = get_exercise("11-clip-5")
    assert judge(exercise, my_targets).passed
    captions = ["a", "b", "b", "c", "d", "e"]
    targets = my_targets(captions)
    best = 100 * (targets > 0).double()
    lowest = clip_loss(best).item()
    assert lowest == pytest.approx(get_exercise("11-clip-5-next").solution, abs=1e-3)
    assert lowest == pytest.approx(2 * math.log(2) / 6)
    assert soft_clip_loss(best, (targets > 0).double()).item() == pytest.approx(lowest)


def test_directions_by_sum_pass():
    def my_classes(features):
        total = sum(prompt / prompt.norm(dim=-1, keepdim=True) for prompt in features)
        return total / total.norm(dim=-1, keepdim=True)

    assert judge(get_exercise("11-clip-6"), my_classes).passed

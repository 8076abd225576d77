"""Patches' costs are those of the paper's model, and attention's figure shows the model's own shares."""

import numpy as np
import pytest
import torch

from course_lib.foundations.rollout import rollout
from course_lib.models.vit import ViT, ViTConfig
from course_lib.widgets.figure import MIME
from course_lib.widgets.vision import attention_widget, block_flops, describe_cost, patch_widget, plot_cost


def vit():
    torch.manual_seed(0)
    return ViT(ViTConfig(height=8, width=12, patch=4, channels=1, n_classes=3, d_model=16, n_layers=2))


def test_the_arithmetic_of_a_block_is_what_its_matrices_do():
    T, D = 17, 24
    matrices = 2 * T * (3 * D * D + D * D + 2 * D * 4 * D)
    assert block_flops(T, D) == (2 * 2 * T * T * D, matrices + 2 * 2 * T * T * D)


def test_the_cost_is_told_for_b16():
    text = describe_cost(224, 16)
    assert "197 个词元" in text and "38,809 对" in text and "34.9 GFLOPs" in text and "4.1%" in text


def test_the_grid_and_the_chosen_bar_are_drawn():
    axes = plot_cost(np.zeros((224, 224, 3), np.uint8), 56).axes
    assert len(axes[0].lines) == 2 * 3
    assert [bar.get_width() for bar in axes[1].patches][-1] == 17
    assert len({bar.get_facecolor() for bar in axes[1].patches}) == 2


def test_a_photograph_that_is_not_square_or_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="cut a square"):
        patch_widget(np.zeros((224, 448, 3), np.uint8))
    with pytest.raises(ValueError, match="does not divide"):
        patch_widget(np.zeros((200, 200, 3), np.uint8))


def shown(**more):
    model, images = vit(), torch.randn(2, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    pictures = np.zeros((2, 8, 12), np.uint8)
    return model, images, attention_widget(model, images, pictures, ["甲", "乙"], **more)


def test_every_head_and_the_rollout_are_laid_over_the_picture():
    model, images, widget = shown()
    with torch.no_grad():
        maps = model.attention_maps(images)
    figure = widget._draw(image=1, query=4)
    seen = [axis.images[1].get_array()[..., 3] for axis in figure.axes if axis.images]
    wanted = [*maps[0, 1, :, 4, 1:], rollout(maps)[1, 4, 1:], *maps[1, 1, :, 4, 1:]]
    assert len(seen) == len(wanted) == 9
    for ours, theirs in zip(seen, wanted):
        share = theirs.reshape(2, 3) / theirs.max()
        np.testing.assert_allclose(ours, 0.85 * share.numpy(), atol=1e-6)


def test_both_knobs_travel_with_the_page(monkeypatch):
    monkeypatch.setenv("COURSE_PUBLISH", "1")
    payload = shown(queries=[0, 6])[2]._repr_mimebundle_()[0][MIME]
    assert len(payload["state"]["frames"]) == 4
    assert "第 2 行第 3 列" in payload["state"]["knobs"][1]["texts"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="query 7 is no token"):
        shown(queries=[7])
    with pytest.raises(ValueError, match="1 names"):
        attention_widget(vit(), torch.zeros(2, 1, 8, 12), np.zeros((2, 8, 12), np.uint8), ["甲"])

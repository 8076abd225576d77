"""What C14d counts is what the widget's formula says, and what ViT-B's name promises."""

from dataclasses import replace

import pytest

from course_lib.chapters.ch10_vit.experiments.c14d_patch import products
from course_lib.chapters.ch10_vit.learning import vit
from course_lib.models.vit import SIZES
from course_lib.widgets.vision import block_flops

CONFIGS = [replace(vit().config, patch=patch) for patch in (8, 4, 2, 1)] + [SIZES["ViT-B/32"], SIZES["ViT-B/16"]]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.height}/{config.patch}")
def test_counted_products_are_those_of_the_formula(config):
    pairs, every = products(config)
    halves = config.n_layers / 2  # the formula is for one block, and counts a multiply-add as two
    expected_pairs, blocks = (halves * part for part in block_flops(config.n_patches + 1, config.d_model))
    ends = config.n_patches * config.channels * config.patch**2 * config.d_model + config.d_model * config.n_classes
    assert pairs == expected_pairs
    assert every == blocks + ends

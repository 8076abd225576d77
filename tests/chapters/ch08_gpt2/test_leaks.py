"""The detector sees every leak and nothing else, and reads as the model reads."""

import pytest
import torch

from course_lib.chapters.ch08_gpt2.leaks import MASKS, leaks, minus_infinity, moved, read
from course_lib.models.gpt2 import GPT2, GPT2Config

V, T = 23, 7
IDS = torch.randint(V, (T,), generator=torch.Generator().manual_seed(0))
RIGHT, ZERO, AFTER, ONE_TOO_FAR, FINITE = MASKS


@pytest.fixture
def model():
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=V, context=16, d_model=16, n_layers=2, n_heads=2)).eval()


def lit(model, way, sharpness=1.0):
    return moved(lambda ids: read(model, ids, MASKS[way], sharpness=sharpness), IDS, V)


def test_the_right_mask_reads_as_the_model_does(model):
    with torch.no_grad():
        torch.testing.assert_close(read(model, IDS[None], minus_infinity), model(IDS[None]))


def test_the_right_mask_lights_now_and_later_and_nothing_before(model):
    for sharpness in (1.0, 1e5):
        assert leaks(lit(model, RIGHT, sharpness)) == 0
    assert lit(model, RIGHT).triu().sum() == T * (T + 1) / 2


def test_the_model_itself_does_not_leak(model):
    with torch.no_grad():
        assert leaks(moved(model, IDS, V)) == 0


@pytest.mark.parametrize("way", [ZERO, AFTER])
def test_these_masks_leak_from_every_later_token_to_every_earlier_place(model, way):
    assert leaks(lit(model, way)) == T * (T - 1) / 2


def test_one_too_far_leaks_one_place_a_layer(model):
    seen = lit(model, ONE_TOO_FAR)
    for j in range(T):
        for i in range(j):
            assert bool(seen[j, i]) == (j - i <= model.config.n_layers)


def test_a_finite_mask_holds_until_scores_are_large(model):
    assert leaks(lit(model, FINITE)) == 0
    assert leaks(lit(model, FINITE, 3e4)) > 0

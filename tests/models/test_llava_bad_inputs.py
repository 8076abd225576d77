"""What readers plausibly hand to LLaVA by mistake: each is refused, with the numbers and the mend."""

import pytest
import torch

from course_lib.foundations.tiles import tiling_of
from course_lib.models.clip import ImageConfig, ImageTower
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.llava import Llava, LlavaConfig, LlavaReader
from course_lib.models.llava_next import NEXT_GRIDS, LlavaNext, LlavaNextConfig, Tiled
from course_lib.models.siglip import SigLIPImageTower

T, R = torch.tensor, torch.randn
SIDES = ImageConfig(height=8, width=8, patch=4, d_model=8, n_heads=2)
TOWER, LM = ImageTower(SIDES), Llama(LlamaConfig(n_vocab=10, d_model=8))
MODEL = Llava(LlavaConfig(image_id=9), TOWER, LM).eval()
NEXT = LlavaNext(LlavaNextConfig(image_id=9), TOWER, LM).eval()
SEEN, FOUR = R(1, 3, 8, 8), [9] * 4
TILING = tiling_of(8, 16, 8, NEXT_GRIDS)
WIDE = tiling_of(12, 24, 12, NEXT_GRIDS)


def short(context: int) -> Llava:
    return Llava(LlavaConfig(image_id=9), TOWER, GPT2(GPT2Config(n_vocab=10, context=context, d_model=8)))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: LlavaConfig(image_id=-1), ValueError, r"image_id \(-1\) must be at least 0"),
        (lambda: LlavaConfig(image_id=9, projector_layers=0), ValueError, r"projector_layers \(0\) must be at least 1"),
        (lambda: LlavaConfig(image_id=9, layer=-1.5), TypeError, "layer is -1.5; a whole number"),
        (lambda: Llava(LlavaConfig(image_id=10), TOWER, LM), ValueError, r"image_id \(10\) .* \(0 to 9\).*n_vocab=11"),
        (lambda: Llava(LlavaConfig(image_id=9, layer=0), TOWER, LM), ValueError, r"layer \(0\) must lie in -3 … -1"),
        (lambda: Llava(LlavaConfig(image_id=9, layer=-4), TOWER, LM), ValueError, r"layer \(-4\).*last of 2 blocks"),
        (
            lambda: Llava(LlavaConfig(image_id=9), SigLIPImageTower(SIDES), LM),
            TypeError,
            "SigLIPImageTower, has no",
        ),
        (lambda: MODEL(T([[1, *FOUR]])), ValueError, "4 image tokens .* 0 images .* give the images, or take"),
        (lambda: MODEL(T([[1, 2]]), SEEN), ValueError, "0 image tokens .* 1 images have 4 features; say where they go"),
        (lambda: MODEL(T([[1, 9, 2]]), SEEN), ValueError, r"one placeholder only: write expanded\(ids, \[4\], 9\)"),
        (
            lambda: MODEL(T([[1, *FOUR[:3]]]), SEEN),
            ValueError,
            "text 0 .* inside its image: was it cut to 4",
        ),
        (lambda: MODEL(T([[1, *FOUR, 9, 2]]), SEEN), ValueError, r"5 image tokens .* 4 features; write as many"),
        (lambda: MODEL(T([[9, 9, 1, 9, 9]]), SEEN), ValueError, "image 0 .* have other tokens between them"),
        (lambda: MODEL(T([FOUR]), SEEN[0]), ValueError, r"images \(3, 8, 8\) must be \[B C H W\].*images\[None\]"),
        (lambda: MODEL(T([FOUR]), R(1, 3, 8, 12)), ValueError, "8×12 pixels, the model has positions for 8×8"),
        (lambda: MODEL(T([FOUR]), R(1, 8, 8, 3)), ValueError, r"images.permute\(0, 3, 1, 2\)"),
        (
            lambda: MODEL(T([FOUR]), (R(1, 3, 8, 8) * 255).byte()),
            TypeError,
            r"images is torch.uint8; write",
        ),
        (lambda: MODEL(T([[1, 30]])), ValueError, "ids from 1 to 30 do not fit a vocabulary of 10"),
        (lambda: MODEL(T([[1, 2]]), is_token=T([[1, 1]])), ValueError, "is_token .* boolean, not torch.int64"),
        (lambda: MODEL.learn("head"), ValueError, "unknown part 'head'; known: tower, lm, projector"),
        (lambda: short(5)(T([[1, *FOUR, 2]]), SEEN), ValueError, "6 tokens, but only positions 0 to 4"),
        (lambda: LlavaReader(MODEL, 8, SEEN)(T([[1, 2]])), ValueError, "0 image tokens .* say where they go"),
        (lambda: LlavaReader(MODEL, 4, SEEN)(T([[1, *FOUR]])), ValueError, "do not fit"),
        (lambda: LlavaReader(MODEL, 8, SEEN, T([[True, False]])), ValueError, "ends in padding; pad on the left"),
        (lambda: LlavaNextConfig(image_id=9, grids=((0, 1),)), ValueError, r"rows \(0\) must be at least 1"),
        (lambda: NEXT(T([FOUR]), [SEEN]), TypeError, r"image 0 is of type Tensor; a Tiled\(views, tiling\) is needed"),
        (lambda: NEXT(T([FOUR]), [Tiled(R(2, 3, 8, 8), TILING)]), ValueError, "2 views, but a grid of 1×2 has 2 tiles"),
        (lambda: NEXT(T([FOUR]), [Tiled(R(3, 3, 12, 12), WIDE)]), ValueError, "12×12 pixels, the model has positions"),
        (
            lambda: NEXT(T([FOUR]), [Tiled(R(3, 3, 8, 8), WIDE)]),
            ValueError,
            "tiled by 12 pixels, the tower sees 8×8",
        ),
        (
            lambda: NEXT(T([FOUR]), [Tiled(R(3, 3, 8, 8), TILING)]),
            ValueError,
            r"4 image tokens .* 1 images have 14 features; text 0 .* \(14\)",
        ),
    ],
)
def test_is_refused_with_its_mend(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()


def test_no_images_at_all():
    assert MODEL.tokens(None) == NEXT.tokens(None) == NEXT.tokens([]) == [] == MODEL.counts() == NEXT.counts([])


def test_an_image_token_later_on_is_refused():
    reader = LlavaReader(MODEL, 9, SEEN)
    reader(T([[1, *FOUR]]))
    with pytest.raises(ValueError, match=r"1 image tokens .* 0 images"):
        reader(T([[9]]))

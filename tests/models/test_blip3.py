"""What readers and authors plausibly hand in by mistake: each is refused in the model's own words."""

import pytest
import torch

from course_lib.models.blip3 import BLIP3, BLIP3Config, BLIP3Reader, text_loss
from course_lib.models.clip import ImageConfig
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.siglip import SigLIPImageTower

T, R = torch.tensor, torch.randn
TOWER = SigLIPImageTower(ImageConfig(height=8, width=8, patch=4, d_model=8))
LM = GPT2(GPT2Config(n_vocab=10, context=12, d_model=8))
MODEL = BLIP3(BLIP3Config(image_id=9, n_latents=2, n_layers=1), TOWER, LM).eval()
SEEN = R(3, 3, 8, 8)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: BLIP3Config(image_id=-1), ValueError, r"image_id \(-1\) must be at least 0"),
        (lambda: BLIP3(BLIP3Config(image_id=10), TOWER, LM), ValueError, r"image_id \(10\).* \(0 to 9\).*n_vocab=11"),
        (lambda: BLIP3(BLIP3Config(image_id=9, n_heads=3), TOWER, LM), ValueError, r"n_heads \(3\) must divide"),
        (lambda: BLIP3(BLIP3Config(image_id=9, n_latents=0), TOWER, LM), ValueError, r"n_latents \(0\)"),
        (lambda: MODEL([]), ValueError, "there are 0 texts"),
        (lambda: MODEL([T([], dtype=torch.long)]), ValueError, r"text 0 has shape \(0,\); \[T\] with T at least 1"),
        (lambda: MODEL([T([1]), T(2)]), ValueError, r"text 1 has shape \(\)"),
        (lambda: MODEL([[1, 2]]), TypeError, "text 0 is of type list"),
        (lambda: MODEL([T([1, 30])]), ValueError, "ids from 1 to 30 do not fit a vocabulary of 10"),
        (lambda: MODEL([T([9, 1])]), ValueError, r"1 placeholders \(token 9\) and there are 0 images; write one"),
        (lambda: MODEL([T([1]), T([9, 9])], [SEEN]), ValueError, "2 placeholders .* 1 images"),
        (lambda: MODEL([T([1, 2])], [SEEN]), ValueError, "0 placeholders .* 1 images"),
        (lambda: MODEL([T([9])], [SEEN[0]]), ValueError, r"images \(3, 8, 8\) must be \[B C H W\].*images\[None\]"),
        (lambda: MODEL([T([9])], SEEN), ValueError, r"images \(3, 8, 8\) must be"),
        (lambda: MODEL([T([9])], [R(2, 3, 8, 12)]), ValueError, "8×12 pixels, the model has positions for 8×8"),
        (lambda: MODEL([T([9])], [R(2, 1, 8, 8)]), ValueError, "1 channels, the model reads 3"),
        (lambda: MODEL([T([9])], [R(0, 3, 8, 8)]), ValueError, "image 0 has 0 views; give at least the small picture"),
        (
            lambda: MODEL([T([9])], [SEEN], []),
            ValueError,
            r"are_patches have shapes \[\]; the images have \[\(3, 4\)\]",
        ),
        (lambda: MODEL([T([9])], [SEEN], [torch.ones(2, 4).bool()]), ValueError, r"shapes \[\(2, 4\)\]; the images"),
        (
            lambda: MODEL([T([1]), T([1, 9, 2, 9, 3])], [SEEN, SEEN]),
            ValueError,
            "text 1 takes 15 slots, 3 for its text and the others for 2 images; the context holds 12: cut the text, or",
        ),
        (lambda: MODEL([torch.ones(13).long()]), ValueError, "text 0 takes 13 slots, 13 for its text .* 0 images"),
        (lambda: text_loss(MODEL, [T([1]), T([9])], MODEL.tokens([SEEN])), ValueError, "nothing to guess; give longer"),
    ],
)
def test_is_refused_with_its_mend(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()


def test_an_answer_past_the_context_or_the_capacity_is_refused():
    for capacity, says in ((12, "13 tokens, but only positions 0 to 11"), (9, "1 more do not fit")):
        if capacity == 12:
            capacity = 20
        reader = BLIP3Reader(MODEL, capacity, [SEEN])
        reader(T([[1, 9, 2]]))
        with pytest.raises(ValueError, match=says):
            for _ in range(12):
                reader(T([[3]]))

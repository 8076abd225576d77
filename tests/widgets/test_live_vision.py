"""The Python side of the models that see: what the first frame says, and what is refused."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.real.pictures import digits
from course_lib.data.world.render import render
from course_lib.data.world.scenes import COLOURS, KINDS, POSITIONS, at_position
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig
from course_lib.models.vit import ViT, ViTConfig
from course_lib.widgets.live_clip import atlas, live_clip, read_caption
from course_lib.widgets.live_vit import as_read, live_vit

WORDS = {"name": "small", "what": "a test", "licence": "MIT"}
TOKENS = ["红", "圆", "red", "<end>"]


def vit(side=8, channels=1):
    torch.manual_seed(0)
    return ViT(ViTConfig(height=side, width=side, patch=2, channels=channels, n_classes=10, d_model=16, n_layers=1))


def clip():
    torch.manual_seed(0)
    text = TextConfig(n_vocab=4, context=4, end=3, d_model=16, n_layers=1)
    return CLIP(CLIPConfig(image=ImageConfig(d_model=16, n_layers=1), text=text, d_shared=8))


def test_a_picture_is_read_as_the_page_reads_it():
    pictures = digits()[0][:2]
    torch.testing.assert_close(as_read(pictures, vit())[:, 0], torch.from_numpy(pictures) / 127.5 - 1)
    larger = as_read(pictures, vit(side=16, channels=3))
    assert larger.shape == (2, 3, 16, 16)
    torch.testing.assert_close(larger[:, 2, 1::2, ::2], as_read(pictures, vit())[:, 0])


def test_the_first_frame_says_what_the_model_reads():
    model, picture = vit(), digits()[0][:1]
    made = live_vit(model, picture, **WORDS)
    with torch.no_grad():
        probs = model(as_read(picture, model)).softmax(-1)[0]
    assert made.still["probs"] == pytest.approx(probs.tolist(), abs=1e-5)
    assert f"模型读成 {int(probs.argmax())}，" in made.first_alt
    assert sum(made.still["rollout"]) == pytest.approx(1, abs=1e-4)


def test_pictures_and_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        live_vit(vit(), np.zeros((2, 8, 8)), **WORDS)
    with pytest.raises(ValueError, match="8×8 does not divide"):
        live_vit(vit(side=12), digits()[0][:1], **WORDS)
    with pytest.raises(ValueError, match="3 texts for the 10"):
        live_vit(vit(), digits()[0][:1], classes=["a", "b", "c"], **WORDS)


def test_the_atlas_holds_the_worlds_pictures():
    whole = atlas(24, 32)
    row, column = 2 * len(KINDS) + 3, 5
    scene = at_position(tuple(COLOURS)[2], KINDS[3], POSITIONS[5], height=24, width=32)
    np.testing.assert_array_equal(whole[24 * row : 24 * (row + 1), 32 * column : 32 * (column + 1)], render(scene))


def test_captions_are_cut_into_tokens_and_strangers_named():
    assert read_caption("红 red圆", TOKENS, start=[2], end=3) == [2, 0, 2, 1, 3]
    with pytest.raises(ValueError, match="龘"):
        read_caption("红龘", TOKENS, start=[], end=3)
    with pytest.raises(ValueError, match="5 tokens, the model's context holds 4"):
        live_clip(clip(), TOKENS, ["红圆红圆"], end=3, **WORDS)
    with pytest.raises(ValueError, match="captions is empty"):
        live_clip(clip(), TOKENS, [], end=3, **WORDS)
    with pytest.raises(ValueError, match="'top left'"):
        live_clip(clip(), TOKENS, ["红"], end=3, places=("centre", "right"), **WORDS)


def test_the_reader_chooses_among_the_places_given():
    made = live_clip(clip(), TOKENS, ["红"], end=3, places=("centre", "top left"), **WORDS)
    assert made.menus[2] == {"label": "位置", "texts": ["中间", "左上角"]} and made.chosen[2] == 1
    sent = np.array(Image.open(io.BytesIO(base64.b64decode(made.atlas.partition(",")[2]))))
    np.testing.assert_array_equal(sent, atlas(32, 32, ("centre", "top left")))
    scene = at_position("red", "circle", "top left", height=24, width=32)
    np.testing.assert_array_equal(atlas(24, 32, ("centre", "top left"))[:24, 32:], render(scene))


def test_the_first_frame_ranks_by_the_models_softmax():
    model = clip()
    made = live_clip(model, TOKENS, ["红", "red圆"], end=3, **WORDS)
    shares = [each["prob"] for each in made.still]
    assert sum(shares) == pytest.approx(1, abs=1e-5) and shares == sorted(shares, reverse=True)
    assert f"排第一的是“{made.still[0]['text']}”" in made.first_alt
    assert made.chosen == [0, 0, 0] and made.captions == "红\nred圆"

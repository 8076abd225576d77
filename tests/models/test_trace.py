"""The shape trace: what it prints for images, for words alone, and for an input that is refused."""

import torch
from torch import nn

from course_lib.models.clip import ImageConfig, ImageTower
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.llava import Llava, LlavaConfig
from course_lib.models.splice import expanded
from course_lib.models.trace import Step, trace

TOWER = ImageTower(ImageConfig(height=8, width=12, patch=4, d_model=8, n_layers=4, n_heads=2))
MODEL = Llava(LlavaConfig(image_id=9), TOWER, Llama(LlamaConfig(n_vocab=10, d_model=16, n_layers=2)))
IDS = torch.tensor([expanded([1, 9, 2], [6], 9)])
IMAGES = torch.randn(1, 3, 8, 12)


def test_every_tensor_from_pixels_to_logits():
    assert str(trace(MODEL, IDS, IMAGES)).splitlines() == [
        "ids                         [1 8]",
        "images                      [1 3 8 12]",
        "image 0                     (8/4)·(12/4) = 2·3 = 6 tokens",
        "tower.patches.project       [1 6 48] -> [1 6 8]",
        "tower.patches               [1 3 8 12] -> [1 6 8]",
        "tower.norm_in               [1 7 8] -> [1 7 8]",
        "tower.encoder.blocks.0 … 2  [1 7 8] -> [1 7 8]",
        "projector.layers.0          [1 6 8] -> [1 6 16]",
        "projector.layers.1          [1 6 16] -> [1 6 16]",
        "projector                   [1 6 8] -> [1 6 16]",
        "lm.embedding                [1 8] -> [1 8 16]",
        "lm.blocks.0 … 1             [1 8 16] [8 8] -> [1 8 16]",
        "lm.norm_out                 [1 8 16] -> [1 8 16]",
        "lm.to_vocab                 [1 8 16] -> [1 8 10]",
    ]


def test_the_formula_is_what_the_model_really_made():
    found = trace(MODEL, IDS, IMAGES)
    assert [count.n for count in found.counts] == [len(tokens) for tokens in MODEL.tokens(IMAGES)]


def test_blocks_from_the_inside():
    names = [step.name for step in trace(MODEL, IDS, images=IMAGES, inside=True).steps]
    assert "tower.encoder.blocks.0.attention.to_qkv" in names and len(names) == len(set(names)) > 40


def test_a_refused_input_is_traced_as_far_as_it_came():
    found = trace(MODEL, IDS[:, :-2], IMAGES)
    assert found.steps[-1].name == "lm.embedding"
    assert (
        str(found).splitlines()[-1].startswith("ValueError: the texts have 5 image tokens (id 9), and their 1 images")
    )


def test_words_alone_have_no_formula():
    told = str(trace(MODEL, torch.tensor([[1, 2, 3]])))
    assert "image" not in told and told.startswith("ids ")


def test_nothing_stays_behind():
    trace(MODEL, IDS, IMAGES), trace(MODEL, IDS[:, 1:3], IMAGES)
    assert not any(module._forward_hooks for module in MODEL.modules())


def test_neighbours_of_other_shapes_stay_apart():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model.blocks = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    found = trace(model, torch.zeros(1, 2))
    assert found.steps[1:3] == [Step("1", ((1, 3),), ((1, 3),)), Step("2", ((1, 3),), ((1, 3),))]
    assert [line.split()[0] for line in str(found).splitlines()] == [
        "input",
        "0",
        "1",
        "2",
        "blocks.0",
        "blocks.1",
        "blocks",
    ]


def test_several_tensors_are_named_by_their_place():
    class Two(nn.Module):
        def forward(self, pair, named):
            return pair[0], named["x"]

    assert trace(Two(), [torch.zeros(1), torch.zeros(2)], {"x": torch.zeros(3)}).inputs == {
        "pair[0]": (1,),
        "pair[1]": (2,),
        "named.x": (3,),
    }

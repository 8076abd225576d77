"""ViT, CLIP and SigLIP: what the loaders read in other spellings, and what they refuse by name."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
    ViTForMaskedImageModeling,
    ViTModel,
)
from written import change, in_halves, reconfigure, same

from course_lib.hub import load_clip, load_siglip, load_vit
from course_lib.hub.clip import clip_config
from course_lib.hub.siglip import siglip_config
from course_lib.hub.vit import vit_config
from course_lib.models.clip import SIZES

BLOCKS = dict(hidden_size=8, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2)
IMAGE, TEXT = BLOCKS | dict(image_size=8, patch_size=4), BLOCKS | dict(vocab_size=11, max_position_embeddings=6)
LOADERS = {"vit": load_vit, "clip": load_clip, "siglip": load_siglip}


def save(family: str, folder) -> None:
    torch.manual_seed(0)
    {
        "vit": lambda: ViTForImageClassification(ViTConfig(**IMAGE, num_labels=3)),
        "clip": lambda: CLIPModel(
            CLIPConfig(vision_config=IMAGE, text_config=TEXT | dict(eos_token_id=10), projection_dim=6)
        ),
        "siglip": lambda: SiglipModel(SiglipConfig(vision_config=IMAGE, text_config=TEXT)),
    }[family]().save_pretrained(folder)


@pytest.fixture(params=LOADERS)
def released(request, tmp_path):
    save(request.param, tmp_path)
    return LOADERS[request.param], tmp_path


@pytest.fixture
def folder(tmp_path):
    """Makes the checkpoint of a family."""
    return lambda family: save(family, tmp_path) or tmp_path


def retower(folder, tower: str, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    config[tower] = {key: value for key, value in (config[tower] | changes).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))


def test_every_number_has_its_place(released):
    load, folder = released
    model, tensors = load(folder), load_file(folder / "model.safetensors")
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in tensors.values())
    assert all(p.requires_grad and p.is_contiguous() for p in model.parameters())


def test_old_buffers_of_position_numbers_are_no_weights(folder):
    """As in openai/clip-vit-base-patch32; elsewhere they are keys too many."""
    for family in ("clip", "siglip"):
        found = folder(family)
        before = LOADERS[family](found)
        change(
            found,
            text_model__embeddings__position_ids=torch.arange(6)[None],
            vision_model__embeddings__position_ids=torch.arange(5)[None],
        )
        assert same(LOADERS[family](found), before)
        change(found, vision_model__position_ids=torch.arange(5)[None])
        with pytest.raises(ValueError, match=r"has 1 tensors .* no place for: vision_model.position_ids"):
            LOADERS[family](found)


def test_half_precision_and_shards_are_read(released, tmp_path_factory):
    load, folder = released
    read = load(in_halves(folder, tmp_path_factory.mktemp("half")))
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    assert all(torch.equal(a, b.half().float()) for a, b in zip(read.parameters(), load(folder).parameters()))


def test_what_a_configuration_leaves_out_is_as_in_the_released_classes(tmp_path):
    """google/siglip-base-patch16-224 names no sizes at all; CLIP-B/32 is its class, but for the end of a text."""
    names = {"text_config": {"model_type": "siglip_text_model"}, "vision_config": {"model_type": "siglip_vision_model"}}
    for config in ({"model_type": "siglip"}, {"model_type": "siglip"} | names):
        (tmp_path / "config.json").write_text(json.dumps(config))
        found = siglip_config(tmp_path)
        assert (found.image.d_model, found.image.n_layers, found.image.n_patches, found.eps) == (768, 12, 196, 1e-6)
        assert (found.text.n_vocab, found.text.context, found.text.d_hidden) == (32000, 64, 3072)
    (tmp_path / "config.json").write_text('{"model_type": "clip", "text_config": {"eos_token_id": 2}}')
    assert clip_config(tmp_path) == SIZES["ViT-B/32"]
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    assert clip_config(tmp_path).text.end == 49407


def test_classes_are_counted(folder):
    found = folder("vit")
    reconfigure(found, id2label={"0": "cat", "1": "dog", "2": "none"})
    assert vit_config(found).n_classes == 3
    reconfigure(found, id2label=None, num_labels=3)
    assert load_vit(found).config.n_classes == 3
    reconfigure(found, id2label=None, num_labels=4)
    with pytest.raises(ValueError, match=r"classifier.weight is \[3, 8\]; by config.json it must be \[4, 8\]"):
        load_vit(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(hidden_act="gelu_new"), r"asks for hidden_act = 'gelu_new'; our model does \['gelu'\] only"),
        (dict(qkv_bias=False), r"asks for qkv_bias = False"),
        (dict(hidden_dropout_prob=0.1), r"asks for hidden_dropout_prob = 0.1"),
        (dict(num_attention_heads=3), r"gives num_attention_heads as 3; it must divide hidden_size \(8\)"),
        (dict(image_size=9), r"a patch of 4 does not divide 9×9"),
        (dict(image_size=[8, 8, 8]), r"gives image_size as \[8, 8, 8\]; one side is needed, or \[height, width\]"),
        (dict(image_size=[8, "x"]), r"gives image_size as 'x'; a positive whole number"),
        (dict(image_size=None), r"gives image_size as None; a positive whole number"),
        (dict(image_size=[8, 12]), r"position_embeddings is \[1, 5, 8\], taken as \[5, 8\]; by .* must be \[7, 8\]"),
        (dict(num_channels=1), r"projection.weight is \[8, 3, 4, 4\], taken as \[8, 48\]; by .* must be \[8, 16\]"),
        (dict(patch_size=0), r"gives patch_size as 0; a positive whole number"),
        (dict(num_hidden_layers=3), r"lacks 16 of \d+ tensors: vit.encoder.layer.2"),
        (dict(num_hidden_layers=1), r"has 16 tensors that this model has no place for: vit.encoder.layer.1"),
        (dict(num_hidden_layers=999), r"promises 999 layers"),
        (dict(id2label=[]), r"gives id2label as \[\]; an object"),
        (dict(model_type="deit"), r"says model_type 'deit', and this loader reads 'vit'"),
    ],
)
def test_a_vit_that_ours_is_not_is_refused(folder, changes, message):
    found = folder("vit")
    reconfigure(found, **changes)
    with pytest.raises(ValueError, match=message):
        load_vit(found)


@pytest.mark.parametrize("kind", [ViTModel, ViTForMaskedImageModeling])
def test_a_vit_without_classifier_is_refused(tmp_path, kind):
    kind(ViTConfig(**IMAGE, encoder_stride=4)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a ViT without classifier; give one of ViTForImageClassification"):
        load_vit(tmp_path)


@pytest.mark.parametrize(
    ("tower", "changes", "message"),
    [
        ("vision_config", dict(hidden_act="gelu"), r"asks for hidden_act = 'gelu'; our model does"),
        ("text_config", dict(hidden_act="gelu"), r"asks for hidden_act = 'gelu'; our model does"),
        ("text_config", dict(attention_dropout=0.1), r"asks for attention_dropout = 0.1"),
        (
            "text_config",
            dict(layer_norm_eps=1e-12),
            r"gives layer_norm_eps .*, 1e-12 for texts; ours has one",
        ),
        ("vision_config", dict(num_attention_heads=5), r"gives num_attention_heads as 5; it must divide hidden_size"),
        ("text_config", dict(vocab_size=12), r"token_embedding.weight is \[11, 8\]; by .* must be \[12, 8\]"),
        ("text_config", dict(num_hidden_layers=3), r"lacks 16 of \d+ tensors: text_model.encoder.layers.2"),
        ("vision_config", dict(num_hidden_layers=1), r"has 16 tensors .*: vision_model.encoder.layers.1"),
        ("vision_config", dict(num_hidden_layers=999), r"promises 999 layers"),
    ],
)
@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_a_tower_that_ours_is_not_is_refused(folder, family, tower, changes, message):
    found = folder(family)
    retower(found, tower, **changes)
    with pytest.raises(ValueError, match=message):
        LOADERS[family](found)


@pytest.mark.parametrize(
    ("family", "tower", "changes", "message"),
    [
        ("siglip", "vision_config", dict(vision_use_head=False), r"asks for vision_use_head = False"),
        ("siglip", "text_config", dict(projection_size=5), r"asks for projection_size = 5; our model does \[None, 8\]"),
        ("clip", "vision_config", dict(image_size=10), r"a patch of 4 does not divide 10×10"),
        ("siglip", "vision_config", dict(image_size=3), r"gives image_size as 0; a positive whole number"),
        ("clip", "text_config", dict(eos_token_id=11), r"end \(11\) is not in the vocabulary \(0 to 10\)"),
        ("clip", "text_config", dict(eos_token_id=None), r"end \(49407\) is not in the vocabulary \(0 to 10\)"),
        ("clip", "text_config", dict(eos_token_id="x"), r"gives eos_token_id as 'x'; a positive whole number"),
    ],
)
def test_what_only_one_of_them_can_get_wrong(folder, family, tower, changes, message):
    found = folder(family)
    retower(found, tower, **changes)
    with pytest.raises(ValueError, match=message):
        LOADERS[family](found)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_towers_must_be_objects_and_numbers_whole(folder, family):
    found = folder(family)
    change(found, logit_scale=torch.tensor(float("nan")) if family == "clip" else torch.tensor([float("nan")]))
    with pytest.raises(ValueError, match="logit_scale gives 1 of 1 numbers that are NaN"):
        LOADERS[family](found)
    change(found, logit_scale=torch.zeros(3))
    with pytest.raises(ValueError, match=r"logit_scale is \[3\]; "):
        LOADERS[family](found)
    reconfigure(found, text_config=[1])
    with pytest.raises(ValueError, match=r"gives text_config as \[1\]; an object is needed"):
        LOADERS[family](found)


def test_clip_asked_to_read_siglip(folder):
    with pytest.raises(ValueError, match="says model_type 'siglip', and this loader reads 'clip'"):
        load_clip(folder("siglip"))

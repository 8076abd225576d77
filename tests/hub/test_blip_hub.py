"""BLIP: what the loaders read in other spellings, and what they refuse by name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval, BlipForQuestionAnswering
from written import change, reconfigure, same

from course_lib.hub import load_blip_captioner, load_blip_retriever
from course_lib.hub.blip import blip_config
from course_lib.models.blip import SIZES

BLOCKS = dict(intermediate_size=20, num_hidden_layers=2, num_attention_heads=2)
IMAGE = BLOCKS | dict(hidden_size=8, image_size=8, patch_size=4)
TEXT = BLOCKS | dict(hidden_size=12, vocab_size=11, max_position_embeddings=6, bos_token_id=9)
HALVES = {
    "captioner": (BlipForConditionalGeneration, load_blip_captioner, "text_decoder__bert"),
    "retriever": (BlipForImageTextRetrieval, load_blip_retriever, "text_encoder"),
}
WORDS = "text_decoder.bert.embeddings.word_embeddings.weight"
HEAD = "text_decoder.cls.predictions"


def save(half: str, folder):
    torch.manual_seed(0)
    HALVES[half][0](BlipConfig(vision_config=IMAGE, text_config=TEXT, image_text_hidden_size=5)).save_pretrained(folder)
    return folder


@pytest.fixture(params=HALVES)
def released(request, tmp_path):
    """How it is loaded, its folder, and what its text model is called."""
    _, load, text = HALVES[request.param]
    return load, save(request.param, tmp_path), text


def retower(folder, tower: str, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    config[tower] = config[tower] | changes
    (folder / "config.json").write_text(json.dumps(config))


def test_every_number_has_its_place(released):
    load, folder, _ = released
    model, tensors = load(folder), load_file(folder / "model.safetensors")
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in tensors.values())
    assert all(p.requires_grad and p.is_contiguous() for p in model.parameters())


def test_the_numbers_of_positions_are_no_weights(released):
    """Old checkpoints hold them; anything else of that kind is a key too many."""
    load, folder, text = released
    before = load(folder)
    change(folder, **{f"{text}__embeddings__position_ids": torch.arange(6)[None]})
    assert same(load(folder), before)
    change(folder, vision_model__embeddings__position_ids=torch.arange(5)[None])
    with pytest.raises(ValueError, match=r"has 1 tensors .* no place for: vision_model.embeddings.position_ids"):
        load(folder)


def test_the_last_matrix_is_that_of_the_words(tmp_path):
    """Not on disk; where an old checkpoint repeats it, or its bias, it must be the same."""
    folder = save("captioner", tmp_path)
    before, tensors = load_blip_captioner(folder), load_file(folder / "model.safetensors")
    assert not any(key.startswith(f"{HEAD}.decoder") for key in tensors)
    copies = {f"{HEAD}.decoder.weight": tensors[WORDS], f"{HEAD}.decoder.bias": tensors[f"{HEAD}.bias"]}
    save_file(tensors | {key: tensor.clone() for key, tensor in copies.items()}, folder / "model.safetensors")
    assert same(load_blip_captioner(folder), before)
    for key, tensor in copies.items():
        save_file(tensors | {key: tensor + 1}, folder / "model.safetensors")
        with pytest.raises(ValueError, match=rf"{key} is not .*, but our model has one matrix for both"):
            load_blip_captioner(folder)


def test_half_precision_is_read(released):
    load, folder, _ = released
    before = load(folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({key: tensor.half() for key, tensor in tensors.items()}, folder / "model.safetensors")
    read = load(folder)
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    assert all(torch.equal(a, b.half().float()) for a, b in zip(read.parameters(), before.parameters()))


def test_what_a_configuration_leaves_out_is_as_in_the_class(tmp_path):
    """The large captioner's names little: the sizes of its images, and that a text has 12 heads (the class: 8)."""
    vision = dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=24)
    config = dict(model_type="blip", vision_config=vision, text_config=dict(num_attention_heads=12))
    (tmp_path / "config.json").write_text(json.dumps(config))
    found, paper = blip_config(tmp_path), SIZES["ViT-L/16"]
    assert (found.image.height, found.image.n_patches, found.image.eps) == (384, 576, 1e-5)
    assert (found.text.dec, found.text.enc, found.text.n_vocab, found.text.context) == (30522, None, 30524, 512)
    assert (found.text.n_heads, found.text.d_hidden, found.d_shared) == (12, 3072, 256) and found.text.eps == 1e-12
    assert (found.image.d_model, found.image.n_layers) == (paper.image.d_model, paper.image.n_layers)
    (tmp_path / "config.json").write_text('{"model_type": "blip"}')
    assert blip_config(tmp_path).text.n_heads == 8 and blip_config(tmp_path).image.d_model == 768


@pytest.mark.parametrize(
    ("tower", "changes", "message"),
    [
        ("vision_config", dict(hidden_act="quick_gelu"), r"asks for hidden_act = 'quick_gelu'; our model does"),
        ("text_config", dict(hidden_act="relu"), r"asks for hidden_act = 'relu'; our model does"),
        ("text_config", dict(is_decoder=False), r"asks for is_decoder = False"),
        ("text_config", dict(tie_word_embeddings=False), r"asks for tie_word_embeddings = False"),
        ("text_config", dict(num_attention_heads=5), r"gives num_attention_heads as 5; it must divide hidden_size"),
        ("vision_config", dict(num_attention_heads=3), r"gives num_attention_heads as 3; it must divide hidden_size"),
        ("text_config", dict(vocab_size=12), r"word_embeddings.weight is \[11, 12\]; by .* must be \[12, 12\]|bias is"),
        ("text_config", dict(max_position_embeddings=7), r"position_embeddings.weight is \[6, 12\]; .* \[7, 12\]"),
        ("text_config", dict(bos_token_id=11), r"dec \(11\) is not in the vocabulary \(0 to 10\)"),
        ("text_config", dict(bos_token_id=None), r"gives bos_token_id as None; a positive whole number"),
        ("text_config", dict(num_hidden_layers=3), r"lacks 26 of \d+ tensors: text_.*encoder.layer.2"),
        ("text_config", dict(num_hidden_layers=1), r"has 26 tensors .*: text_.*encoder.layer.1"),
        ("vision_config", dict(num_hidden_layers=3), r"lacks 12 of \d+ tensors: vision_model.encoder.layers.2"),
        ("vision_config", dict(num_hidden_layers=999), r"promises 999 layers"),
        ("vision_config", dict(image_size=12), r"position_embedding is \[1, 5, 8\], .* must be \[10, 8\]"),
        ("vision_config", dict(image_size=[8, 12]), r"position_embedding is \[1, 5, 8\], .* must be \[7, 8\]"),
        ("vision_config", dict(patch_size=3), r"a patch of 3 does not divide 8×8"),
        ("vision_config", dict(hidden_size=10), r"by config.json it must be"),
        ("text_config", dict(layer_norm_eps=-1), r"gives layer_norm_eps as -1; a number of at least 0"),
    ],
)
def test_a_tower_that_ours_is_not_is_refused(released, tower, changes, message):
    load, folder, _ = released
    retower(folder, tower, **changes)
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_missing_extra_and_broken_tensors_are_named(released):
    load, folder, text = released
    tensors = load_file(folder / "model.safetensors")
    key = f"{text.replace('__', '.')}.encoder.layer.1.crossattention.self.key.weight"
    change(folder, **{key.replace(".", "__"): None})
    with pytest.raises(ValueError, match=rf"lacks 1 of \d+ tensors: {key}"):
        load(folder)
    save_file(tensors | {"text_encoder_m.x": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"has 1 tensors that this model has no place for: text_encoder_m.x"):
        load(folder)
    save_file(tensors | {key: tensors[key].T.contiguous()}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"crossattention.self.key.weight is \[8, 12\]"):
        load(folder)
    save_file(tensors | {key: tensors[key] * float("nan")}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"NaN or infinite"):
        load(folder)


def test_enc_must_be_a_token(tmp_path):
    with pytest.raises(ValueError, match=r"enc \(30523\) is not in the vocabulary \(0 to 10\)"):
        load_blip_retriever(save("retriever", tmp_path), enc=30523)


def test_the_other_half_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no tensor text_encoder.…; give a .* BlipForImageTextRetrieval"):
        load_blip_retriever(save("captioner", tmp_path))
    with pytest.raises(ValueError, match=r"holds no tensor text_decoder.…; give a .* BlipForConditionalGeneration"):
        load_blip_captioner(save("retriever", tmp_path))


def test_a_blip_that_answers_questions_is_neither(tmp_path):
    """Encoder and decoder of its own each: keys too many for one, and another width of what the decoder reads."""
    torch.manual_seed(0)
    text = TEXT | dict(hidden_size=8)  # there the decoder reads the encoder
    BlipForQuestionAnswering(BlipConfig(vision_config=IMAGE, text_config=text)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"no place for: text_encoder"):
        load_blip_captioner(tmp_path)
    with pytest.raises(ValueError, match=r"lacks 6 of \d+ tensors: itm_head"):
        load_blip_retriever(tmp_path)


def test_towers_are_objects_and_the_family_is_blip(released):
    load, folder, _ = released
    reconfigure(folder, text_config=[1])
    with pytest.raises(ValueError, match=r"gives text_config as \[1\]; an object is needed"):
        load(folder)
    reconfigure(folder, model_type="blip-2")
    with pytest.raises(ValueError, match="says model_type 'blip-2', and this loader reads 'blip'"):
        load(folder)

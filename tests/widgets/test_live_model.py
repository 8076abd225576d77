"""A live model's Python side: what is packed, what is refused, what the first frame says, what travels where."""

import base64
import json

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.foundations.attention import attention_weights, causal_mask
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.widgets.figure import MIME
from course_lib.widgets.live_model import attention_maps, distributions, live_text, pack, spell, weights_script

TEXTS = tuple("\n，。春眠不觉晓处闻啼鸟")
WORDS = {"name": "small", "what": "a test", "licence": "MIT", "about": "说明。"}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=len(TEXTS), context=12, d_model=16, n_layers=2, n_heads=2)).eval()


def test_header_and_bytes_say_where_every_number_lies(model):
    header, data = pack(model, TEXTS, what="a test", licence="MIT")
    numbers = np.frombuffer(data, "<f2")
    for name, tensor in model.state_dict().items():
        offset, shape = header["tensors"][name]
        there = numbers[offset : offset + tensor.numel()].reshape(shape)
        np.testing.assert_array_equal(there, tensor.half().numpy())
    assert len(numbers) == sum(tensor.numel() for tensor in model.state_dict().values())
    assert (header["texts"], header["licence"], header["config"]["context"]) == (list(TEXTS), "MIT", 12)


def test_the_script_is_the_same_each_time_and_named_after_what_it_holds(model):
    header, data = pack(model, TEXTS, what="a test", licence="MIT")
    file, text = weights_script("small", header, data)
    assert (file, text) == weights_script("small", *pack(model, TEXTS, what="a test", licence="MIT"))
    held = json.loads(text.partition("] = ")[2].rstrip(";\n"))
    assert held["header"] == json.loads(json.dumps(header)) and base64.b64decode(held["data"]) == data
    with torch.no_grad():
        model.norm_out.bias += 1
    assert weights_script("small", *pack(model, TEXTS, what="a test", licence="MIT"))[0] != file


def test_what_cannot_be_packed_is_refused(model):
    with pytest.raises(TypeError, match="Linear"):
        pack(nn.Linear(2, 2), TEXTS, what="", licence="")
    with pytest.raises(ValueError, match="3 texts for the 12"):
        pack(model, TEXTS[:3], what="", licence="")
    with torch.no_grad():
        model.norm_out.weight[0] = 1e6
    with pytest.raises(ValueError, match=r"norm_out.weight holds 1e\+06"):
        pack(model, TEXTS, what="", licence="")


def test_attention_maps_are_those_that_give_the_layers_output(model):
    ids = torch.randint(len(TEXTS), (2, 9), generator=torch.Generator().manual_seed(0))
    maps = attention_maps(model, ids)
    assert maps.shape == (2, 2, 2, 9, 9) and not maps.triu(1).any()
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 2, 9))
    block = model.blocks[0]
    x = block.norm_attention(model.embed(ids) + model.positions(9))
    q, k, v = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in block.attention.to_qkv(x).chunk(3, -1))
    torch.testing.assert_close(maps[0], attention_weights(q, k, causal_mask(9)))
    heads = (maps[0] @ v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(block.attention.to_out(heads), block.attention(x))


def test_the_longest_token_that_fits_is_taken_and_strangers_are_named():
    texts = ["a", "b", "ab", "abc", "c"]
    assert spell("abcab", texts) == [3, 2] and spell("", texts) == []
    with pytest.raises(ValueError, match="'龘x'"):
        spell("a龘bx龘", texts)


def test_the_first_frame_is_the_moment_after_the_prompt(model):
    made = live_text(model, TEXTS, prompt="春眠", start=[0], end=[0], top_k=3, seed=1, **WORDS)
    still = made.still
    assert still["tokens"][:3] == ["\n", "春", "眠"] and (still["n_prompt"], still["at"]) == (3, 2)
    before, after = distributions(model, torch.tensor([[0, 3, 4]]), temperature=1.0, top_k=3)
    for token, text, p, q in still["next"]:
        assert text == TEXTS[token]
        assert (p, q) == (pytest.approx(float(before[token]), rel=1e-5), pytest.approx(float(after[token]), rel=1e-5))
    shares = [q for *_, q in still["next"]]
    assert shares == sorted(shares, reverse=True) and sum(q > 0 for q in shares) == 3
    assert [sum(each) + rest for each, rest in zip(zip(*(row[2:] for row in still["next"])), still["rest"])] == (
        pytest.approx([1, 1], abs=1e-4)
    )
    np.testing.assert_allclose(
        still["attention"], attention_maps(model, torch.tensor([[0, 3, 4]]))[:, 0, :, 2], atol=1e-5
    )
    assert "说明。" in made.first_alt and "“春眠" in made.first_alt


def test_a_page_without_a_kernel_gets_a_file_and_one_with_a_kernel_bytes(model, monkeypatch):
    with_kernel = live_text(model, TEXTS, prompt="春", **WORDS)
    assert with_kernel.weights == pack(model, TEXTS, what="a test", licence="MIT")[1]
    assert with_kernel.header["config"]["d_model"] == 16
    monkeypatch.setenv("COURSE_PUBLISH", "1")
    bundle = live_text(model, TEXTS, prompt="春", **WORDS)._repr_mimebundle_()[0]
    state, weights = bundle[MIME]["state"], bundle[MIME]["weights"]
    assert state["file"] == weights["file"] and not {"weights", "header"} & set(state)
    assert weights["script"].startswith("(globalThis.courseModels ||= {})") and len(json.dumps(state)) < 20_000


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"prompt": ""}, "0 tokens"),
        ({"prompt": "春" * 12}, "12 tokens; give 1 to 11"),
        ({"prompt": "龘"}, "龘"),
        ({"prompt": "春", "top_k": 0}, "top_k"),
        ({"prompt": "春", "temperature": -1}, "temperature"),
    ],
)
def test_slips_are_named(model, settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        live_text(model, TEXTS, **WORDS, **settings)

"""What readers and authors plausibly hand in by mistake: each is refused in the model's own words."""

import pytest
import torch

from course_lib.chapters.ch04_attention.pronoun_reader import PronounReader
from course_lib.chapters.ch05_kv_cache.cache_sizes import GroupedSizes, LatentSizes, cache_gib
from course_lib.chapters.ch07_gpt1.gpt1_tasks import pad
from course_lib.chapters.ch08_gpt2.leaks import moved
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader, check_left_padding
from course_lib.models.siglip import SigLIP, SigLIPConfig
from course_lib.models.transformer import Transformer, TransformerConfig
from course_lib.models.vit import ViT, ViTConfig
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig

T, NAN = torch.tensor, float("nan")
IDS = T([[1, 2, 3]])
ROOMS = [(GPT1, GPT1Config), (GPT2, GPT2Config), (GPT3, GPT3Config), (Llama, LlamaConfig), (Llama, DeepSeekConfig)]
CONFIGS = [*(config for _, config in ROOMS), TinyLMConfig]


def build(kind, config, **sizes):
    return kind(config(n_vocab=11, d_model=8, n_heads=2, **sizes)).eval()


@pytest.mark.parametrize(("kind", "config"), ROOMS, ids=lambda x: x.__name__)
def test_every_language_model_refuses(kind, config, as_readers_have_it):
    model = build(kind, config)
    two_rows = torch.ones(3, 3, dtype=torch.bool)
    for call, error, says in [
        (lambda: model(T([1, 2])), ValueError, r"\(2, 8\) .*as \[B T D\].*write ids\[None\]"),
        (lambda: LlamaReader(model, 4)(T([1, 2])), ValueError, r"\(2, 8\) .*as \[B T D\]"),
        (lambda: model(None), TypeError, "ids is of type NoneType"),
        (lambda: model(IDS.to(torch.uint8)), TypeError, "torch.uint8"),
        (lambda: model(IDS, caches=build(kind, config, n_layers=1).new_caches(8)), ValueError, "1 caches for 2 layers"),
        (lambda: model(IDS, is_token=two_rows), ValueError, r"is_token \(3, 3\) must be \(1, 3\)"),
        (lambda: model(IDS, is_token=torch.ones(1, 3, dtype=torch.long)), ValueError, "not torch.int64"),
    ]:
        with pytest.raises(error, match=says):
            call()


@pytest.mark.parametrize("config", CONFIGS)
def test_a_model_has_layers(config):
    with pytest.raises(ValueError, match=r"n_layers \(-1\) must be at least 1"):
        config(n_vocab=5, n_layers=-1)


GROUPED = dict(n_layers=2, d_model=8, n_heads=2, n_kv_heads=1, d_head=4)
LATENT = dict(n_layers=2, d_model=8, n_heads=2, d_latent=4, d_rope=2, d_head=4, d_value=4)
PAIR = Transformer(TransformerConfig(n_source_vocab=5, n_target_vocab=5))
CASES = [
    (lambda: GPT3Config(n_vocab=5, window=2.5), TypeError, "window is 2.5"),
    (lambda: GroupedSizes(**GROUPED | {"n_layers": -1}), ValueError, r"n_layers \(-1\)"),
    (lambda: LatentSizes(**LATENT | {"d_latent": 0}), ValueError, r"d_latent \(0\)"),
    (lambda: cache_gib(GroupedSizes(**GROUPED), n_tokens=1.5), TypeError, "n_tokens is 1.5"),
    (lambda: PAIR(IDS, IDS.repeat(2, 1)), ValueError, r"x \(2, 3, 64\) and context \(1, 3, 64\)"),
    (lambda: PAIR(IDS[0], IDS[0]), ValueError, r"x \(3, 64\).*\[B T D\]"),
    (lambda: TinyLM(TinyLMConfig(n_vocab=5))(IDS[0]), ValueError, r"x \(3, 64\) .*as \[B T D\]"),
    (lambda: TinyLM(TinyLMConfig(n_vocab=5)).attention_maps(IDS[0]), ValueError, r"x \(3, 64\) .*as \[B T D\]"),
    (lambda: PronounReader(24, 7, 4, n_layers=1)(IDS[0]), ValueError, r"x \(3, 32\).*\[B T D\]"),
    (lambda: pad([[[]]]), ValueError, r"the shortest reading \(0\) must be at least 1"),
    (lambda: PronounReader(24, 7, 4, n_layers=0), ValueError, r"n_layers \(0\)"),
    (lambda: moved(lambda ids: ids, T([1, 2, 3]), 0), ValueError, r"n_vocab \(0\)"),
    (lambda: check_left_padding(T([[1, 1], [0, 1]])), TypeError, "torch.int64; try is_token > 0"),
    (lambda: check_left_padding(T([[True] * 4, [True, False, True, True]])), ValueError, "row 1 .* between tokens"),
]


@pytest.mark.parametrize(("call", "error", "says"), CASES)
def test_is_refused_by_the_room(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()


def test_readers_take_padding_on_the_left_only(as_readers_have_it):
    from course_lib.decoding.fast_gpt import FastGPTReader
    from course_lib.decoding.fast_reader import FastReader

    inside = T([[True, False, True, True]])
    for reader, kind, config in (
        (LlamaReader, GPT2, GPT2Config),
        (FastGPTReader, GPT2, GPT2Config),
        (LlamaReader, Llama, LlamaConfig),
        (FastReader, Llama, LlamaConfig),
    ):
        with pytest.raises(ValueError, match="row 0 of the prompts has padding between tokens"):
            reader(build(kind, config), 8, inside)
        with pytest.raises(TypeError, match=r"torch\.int64"):
            reader(build(kind, config), 8, inside.long())


PICTURE, TEXT = (
    ImageConfig(height=8, width=12, patch=4, d_model=8, n_heads=2),
    TextConfig(n_vocab=11, context=5, d_model=8),
)
PICTURES = torch.randn(2, 3, 8, 12)
SEEING = {
    "ViT": ViT(ViTConfig(height=8, width=12, patch=4, d_model=8, n_classes=3)),
    "CLIP": CLIP(CLIPConfig(image=PICTURE, text=TEXT)).image,
    "SigLIP": SigLIP(SigLIPConfig(image=PICTURE, text=TEXT)).image,
}
READING = CLIP(CLIPConfig(image=PICTURE, text=TextConfig(n_vocab=11, context=5, end=10, d_model=8))).text
SIGLIP = SigLIP(SigLIPConfig(image=PICTURE, text=TEXT)).text


@pytest.mark.parametrize("name", SEEING)
def test_every_model_of_images_refuses(name, as_readers_have_it):
    model = SEEING[name]
    assert model(PICTURES).shape[0] == 2 and model(PICTURES[:1]).shape[0] == 1
    for images, error, says in [
        (torch.randn(2, 3, 12, 8), ValueError, "images are 12×8 pixels, .* positions for 8×12; resize"),
        (torch.randn(2, 3, 16, 24), ValueError, "images are 16×24 pixels, .* positions for 8×12; resize"),
        (torch.randn(2, 3, 9, 12), ValueError, "images are 9×12 pixels"),
        (torch.randn(2, 3, 0, 0), ValueError, "images are 0×0 pixels"),
        (torch.randn(2, 1, 8, 12), ValueError, "1 channels, the model reads 3; .*grey"),
        (torch.randn(2, 4, 8, 12), ValueError, "4 channels, the model reads 3; .*RGBA"),
        (torch.randn(2, 8, 12, 3), ValueError, "colours first.*permute"),
        (torch.randn(3, 8, 12), ValueError, r"for one image alone write images\[None\]"),
        (torch.zeros(2, 3, 8, 12, dtype=torch.uint8), TypeError, r"images is torch.uint8; write images.float\(\)"),
        ([[1.0]], TypeError, "images is of type list"),
    ]:
        with pytest.raises(error, match=says):
            model(images)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: READING(T([[1, 2, 3]])),
            ValueError,
            r"text 0 has no end token \(10\) among its 3 tokens; .*keep its end",
        ),
        (lambda: READING(T([[1, 10, 3], [1, 2, 3]])), ValueError, "text 1 has no end token"),
        (
            lambda: READING(T([[1, 2, 3, 4, 5, 10]])),
            ValueError,
            "6 tokens, the context holds 5; cut the text, but keep its end",
        ),
        (
            lambda: READING(torch.empty(2, 0, dtype=torch.long)),
            ValueError,
            r"\(2, 0\) .*even an empty text has its end",
        ),
        (lambda: READING(T([1, 10])), ValueError, r"ids \(2,\) must be \[M L\]"),
        (lambda: READING(T([[11, 10]])), ValueError, "ids from 10 to 11 do not fit a vocabulary of 11"),
        (lambda: READING(None), TypeError, "ids is of type NoneType"),
        (
            lambda: SIGLIP(T([[1, 2, 3]])),
            ValueError,
            r"ids \(1, 3\) must be \[M 5\]: pad every text to the full length",
        ),
        (lambda: SIGLIP(T([1, 2, 3, 4, 5])), ValueError, r"ids \(5,\) must be \[M 5\]"),
        (lambda: SIGLIP(None), TypeError, "ids is of type NoneType"),
        (lambda: ViTConfig(height=8, width=10, patch=4), ValueError, "a patch of 4 does not divide 8×10; .* to 8×8"),
        (lambda: ViTConfig(height=0), ValueError, r"height \(0\) must be at least 1"),
        (lambda: ViTConfig(d_model=10), ValueError, r"n_heads \(4\) must divide d_model \(10\)"),
        (lambda: ViTConfig(n_layers=0), ValueError, r"n_layers \(0\)"),
        (lambda: ViTConfig(n_classes=-1), ValueError, r"n_classes \(-1\)"),
        (lambda: ViTConfig(d_hidden=0), ValueError, r"d_hidden \(0\)"),
        (lambda: ImageConfig(patch=5), ValueError, "a patch of 5 does not divide 32×32; .* to 30×30"),
        (lambda: TextConfig(n_vocab=0), ValueError, r"n_vocab \(0\)"),
        (lambda: TextConfig(n_vocab=5, end=5), ValueError, r"end \(5\) is not in the vocabulary \(0 to 4\)"),
        (
            lambda: CLIPConfig(image=PICTURE, text=TEXT, temperature=0),
            ValueError,
            r"temperature \(0\) must be positive",
        ),
        (
            lambda: CLIPConfig(image=PICTURE, text=TEXT, temperature=NAN),
            ValueError,
            r"temperature \(nan\) must be positive",
        ),
    ],
)
def test_texts_and_sizes_are_refused(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()

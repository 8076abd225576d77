"""What readers and authors plausibly hand in by mistake: each is refused in the model's own words."""

import pytest
import torch

from course_lib.chapters.ch04_attention.pronoun_reader import PronounReader
from course_lib.chapters.ch05_kv_cache.cache_sizes import GroupedSizes, LatentSizes, cache_gib
from course_lib.chapters.ch07_gpt1.gpt1_tasks import pad
from course_lib.chapters.ch08_gpt2.leaks import moved
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader, check_left_padding
from course_lib.models.transformer import Transformer, TransformerConfig
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig

T = torch.tensor
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

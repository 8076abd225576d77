import pytest

from course_lib.chapters.ch05_kv_cache.cache_sizes import (
    REAL_MODELS,
    GroupedSizes,
    LatentSizes,
    bytes_per_token,
    cache_gib,
    four_designs,
)

SYLLABUS = {
    "Llama-2-7B": 524_288,
    "Llama-3-8B": 131_072,
    "Qwen2.5-7B": 57_344,
    "DeepSeek-V2": 69_120,
    "DeepSeek-V3": 70_272,
}


@pytest.mark.parametrize("name", SYLLABUS)
def test_bytes_of_real_models(name):
    assert bytes_per_token(REAL_MODELS[name].sizes) == SYLLABUS[name]


@pytest.mark.parametrize("model", [m for m in REAL_MODELS.values() if m.published], ids=lambda m: m.name)
def test_published_figures(model):
    assert bytes_per_token(model.sizes) == model.published and model.where
    assert model.source.startswith("https://")


def test_two_figures_that_papers_state():
    """V3 makes 40,960 numbers a token and layer into keys and values and keeps 576; V2 keeps as much as GQA with 2.25
    groups would (DeepSeek-V2, table 1: 4.5 Dh numbers)."""
    v3, v2 = REAL_MODELS["DeepSeek-V3"].sizes, REAL_MODELS["DeepSeek-V2"].sizes
    assert v3.n_heads * (v3.d_head + v3.d_rope + v3.d_value) == 40_960 and v3.numbers_per_layer == 576
    assert v2.numbers_per_layer == 4.5 * v2.d_head == 2 * 2.25 * v2.d_head


def test_gib():
    llama2 = REAL_MODELS["Llama-2-7B"].sizes
    assert cache_gib(llama2, n_tokens=4096) == 2.0
    assert cache_gib(llama2, n_tokens=4096, batch=8, dtype="fp32") == 32.0
    assert cache_gib(llama2, n_tokens=0) == 0


def test_four_designs_of_one_model():
    designs = four_designs(n_layers=32, d_model=4096, n_heads=32, n_kv_heads=8)
    assert {name: bytes_per_token(sizes) for name, sizes in designs.items()} == {
        "MHA": 524_288,
        "GQA": 131_072,
        "MQA": 16_384,
        "MLA": 36_864,
    }
    assert isinstance(designs["MLA"], LatentSizes) and isinstance(designs["MQA"], GroupedSizes)


def test_weights_of_attention():
    """MHA: four times D²; MQA: K and V together 2 D Dh, as the slides count them, beside 2 D² for Q and the output."""
    designs = four_designs(n_layers=1, d_model=4096, n_heads=32, n_kv_heads=8)
    assert set(designs["MHA"].attention_weights.values()) == {4096**2}
    assert designs["MQA"].attention_weights["k"] + designs["MQA"].attention_weights["v"] == 2 * 4096 * 128
    assert sum(REAL_MODELS["DeepSeek-V3"].sizes.attention_weights.values()) == 187_105_280


def test_bad_requests_are_refused():
    sizes = REAL_MODELS["Llama-3-8B"].sizes
    with pytest.raises(ValueError, match="unknown dtype 'int3'; known: fp32"):
        bytes_per_token(sizes, "int3")
    with pytest.raises(ValueError, match=r"n_tokens \(-1\) must be at least 0"):
        cache_gib(sizes, n_tokens=-1)
    with pytest.raises(ValueError, match=r"n_kv_heads \(3\) must divide"):
        GroupedSizes(n_layers=1, d_model=8, n_heads=4, n_kv_heads=3, d_head=2)

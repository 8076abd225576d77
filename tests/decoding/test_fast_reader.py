"""FastReader is LlamaReader, and refuses what does not fit."""

import pytest
import torch

from course_lib.decoding.fast_reader import FastReader, unit_norm
from course_lib.decoding.generation import beam_search, greedy
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader

V = 17
CONFIGS = {
    "MHA": LlamaConfig(n_vocab=V, n_kv_heads=4),
    "GQA": LlamaConfig(n_vocab=V, n_kv_heads=2, rope_base=500.0, norm_eps=1e-3),
    "MQA": LlamaConfig(n_vocab=V, n_kv_heads=1),
    "Qwen2": LlamaConfig(n_vocab=V, n_kv_heads=2, qkv_bias=True),
    "MLA": DeepSeekConfig(n_vocab=V, d_value=10),
    "MLA, query latent": DeepSeekConfig(n_vocab=V, d_query_latent=21, d_latent=30),
}


@pytest.fixture(params=CONFIGS)
def model(request) -> Llama:
    """All weights random, those of the norms and biases too."""
    torch.manual_seed(0)
    model = Llama(CONFIGS[request.param]).double().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    return model


def close(ours: torch.Tensor, reference: torch.Tensor) -> None:
    torch.testing.assert_close(ours, reference, atol=1e-10, rtol=0)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("pieces", [[1] * 9, [9], [6, 1, 1, 1], [5, 3, 1]])
def test_the_fast_path_is_the_readable_path(model, padded, pieces):
    """Prompts of 4, 3 and 1 tokens, or 5 each, then more; some pieces longer than one token."""
    first = pieces[0]
    is_token = torch.arange(first) >= (first - 1 - torch.tensor([3, 2, 0]).clamp(max=first - 1))[:, None]
    ids = torch.randint(V, (3, 9))
    fast, readable = (R(model, 9, is_token if padded else None) for R in (FastReader, LlamaReader))
    for part in ids.split(pieces, dim=1):
        close(fast(part), readable(part))


@pytest.mark.parametrize("padded", [False, True])
def test_it_goes_on_with_the_rows_it_is_told(model, padded):
    is_token = torch.arange(5) >= torch.tensor([0, 2, 4])[:, None] if padded else None
    prompt = torch.randint(V, (3, 5))
    fast, readable = (R(model, 9, is_token) for R in (FastReader, LlamaReader))
    for rows in ([2, 2, 0, 1], [3, 0], [0, 1]):
        close(fast(prompt), readable(prompt))
        rows = torch.tensor(rows)
        fast.reorder(rows), readable.reorder(rows)
        prompt = torch.randint(V, (len(rows), 1))
    close(fast(prompt), readable(prompt))


def test_greedy_and_beams_say_the_same(model):
    prompt = torch.randint(V, (3, 4))
    assert torch.equal(greedy(FastReader(model, 24), prompt, 20), greedy(LlamaReader(model, 24), prompt, 20))
    fast, readable = (beam_search(R(model, 12), prompt, 8, end=0) for R in (FastReader, LlamaReader))
    assert fast[0] == readable[0]


def test_single_precision_is_as_near_to_double_as_the_readable_path(model):
    ids = torch.randint(V, (2, 30))
    exact = LlamaReader(model, 30)(ids)
    model.float()
    fast, readable = FastReader(model, 30)(ids), LlamaReader(model, 30)(ids)
    assert fast.dtype == torch.float32
    assert (fast - exact).abs().max() < 4 * (readable - exact).abs().max() + 1e-6


def test_the_norm_without_its_weight():
    from course_lib.foundations.norm import RMSNorm

    norm, x = RMSNorm(8, 0.1).double(), torch.randn(3, 8, dtype=torch.float64)
    close(unit_norm(norm)(x) * 8**0.5, norm(x).detach())
    assert unit_norm(norm)(torch.zeros(1, 8, dtype=torch.float64)).eq(0).all()


def test_what_does_not_fit_is_refused(model):
    reader = FastReader(model, 4)
    reader(torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="holds 3 of 4 tokens and 2 more do not fit"):
        reader(torch.zeros(2, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="ids have 1 rows and the reader 2; one reader serves one batch"):
        reader(torch.zeros(1, 1, dtype=torch.long))
    with pytest.raises(ValueError, match="row 2 does not exist; the cache holds rows 0 to 1"):
        reader.reorder(torch.tensor([0, 2]))
    with pytest.raises(ValueError, match="ids have 1 rows and the reader 2"):
        FastReader(model, 4, torch.ones(2, 2, dtype=torch.bool))(torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="row 1 of the prompts ends in padding"):
        FastReader(model, 4, torch.tensor([[True, True], [True, False]]))
    with pytest.raises(ValueError, match=f"vocabulary of {V}"):
        FastReader(model, 4)(torch.full((1, 2), V))
    with pytest.raises(ValueError, match=r"capacity \(0\) must be at least 1"):
        FastReader(model, 0)
    with pytest.raises(TypeError, match="float32 or float64, got torch"):
        FastReader(model.bfloat16(), 4)


def test_an_odd_latent_is_refused():
    with pytest.raises(ValueError, match=r"d_latent \(25\) must be even for FastReader"):
        FastReader(Llama(DeepSeekConfig(n_vocab=V, d_latent=25)), 4)

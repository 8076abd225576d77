"""FastGPTReader is LlamaReader on a GPT-2."""

import pytest
import torch

from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.generation import beam_search, greedy
from course_lib.decoding.sampling import sample
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import LlamaReader

V, CONTEXT = 19, 24


@pytest.fixture
def model() -> GPT2:
    """All weights random, those of the norms and biases too."""
    torch.manual_seed(0)
    model = GPT2(GPT2Config(n_vocab=V, context=CONTEXT, d_model=24, n_layers=3, n_heads=3)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


def close(ours: torch.Tensor, reference: torch.Tensor) -> None:
    torch.testing.assert_close(ours, reference, atol=1e-10, rtol=0)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("pieces", [[1] * 9, [9], [6, 1, 1, 1], [5, 3, 1]])
def test_the_fast_path_is_the_readable_path(model, padded, pieces):
    first = pieces[0]
    is_token = torch.arange(first) >= (first - 1 - torch.tensor([3, 2, 0]).clamp(max=first - 1))[:, None]
    ids = torch.randint(V, (3, 9))
    fast, readable = (R(model, 9, is_token if padded else None) for R in (FastGPTReader, LlamaReader))
    for part in ids.split(pieces, dim=1):
        close(fast(part), readable(part))


@pytest.mark.parametrize("padded", [False, True])
def test_it_goes_on_with_the_rows_it_is_told(model, padded):
    is_token = torch.arange(5) >= torch.tensor([0, 2, 4])[:, None] if padded else None
    ids = torch.randint(V, (3, 5))
    fast, readable = (R(model, 9, is_token) for R in (FastGPTReader, LlamaReader))
    for rows in ([2, 2, 0, 1], [3, 0], [0, 1]):
        close(fast(ids), readable(ids))
        rows = torch.tensor(rows)
        fast.reorder(rows), readable.reorder(rows)
        ids = torch.randint(V, (len(rows), 1))
    close(fast(ids), readable(ids))


def test_greedy_beams_and_samples_say_the_same(model):
    prompt = torch.randint(V, (3, 4))
    readers = (FastGPTReader, LlamaReader)
    fast, readable = (greedy(R(model, CONTEXT), prompt, 20) for R in readers)
    assert torch.equal(fast, readable)
    fast, readable = (beam_search(R(model, 12), prompt, 8, end=0)[0] for R in readers)
    assert fast == readable
    fast, readable = (
        sample(R(model, CONTEXT), prompt, 20, top_p=0.9, generator=torch.Generator().manual_seed(1)) for R in readers
    )
    assert torch.equal(fast, readable)


def test_padding_does_not_use_up_the_context(model):
    """Two pads and then as many tokens as there are positions."""
    is_token = torch.tensor([[False, False, True]])
    ids = torch.randint(V, (1, CONTEXT + 2))
    reader = FastGPTReader(model, CONTEXT + 2, is_token)
    reader(ids[:, :3])
    close(reader(ids[:, 3:]), model(ids[:, 2:])[:, -1])


def test_weights_are_those_of_the_moment_it_was_built(model):
    ids = torch.randint(V, (1, 3))
    reader, before = FastGPTReader(model, 4), LlamaReader(model, 4)(ids)
    for block in model.blocks:
        for parameter in block.parameters():
            parameter.data.mul_(2)
    close(reader(ids), before)


def test_what_does_not_fit_is_refused(model):
    with pytest.raises(ValueError, match=r"capacity \(25\) must be 1 to 24, the context"):
        FastGPTReader(model, CONTEXT + 1)
    with pytest.raises(ValueError, match=r"capacity \(0\)"):
        FastGPTReader(model, 0)
    with pytest.raises(ValueError, match="row 1 of the prompts ends in padding"):
        FastGPTReader(model, 4, torch.tensor([[True, True], [True, False]]))
    reader = FastGPTReader(model, 4)
    reader(torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="holds 3 of 4 tokens and 2 more do not fit"):
        reader(torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="ids have 2 rows and the reader 1"):
        reader(torch.zeros(2, 1, dtype=torch.long))
    with pytest.raises(ValueError, match=f"vocabulary of {V}"):
        reader(torch.full((1, 1), V))


def test_other_models_are_refused(as_readers_have_it):
    with pytest.raises(TypeError, match="FastGPTReader reads GPT2, got GPT3; use LlamaReader"):
        FastGPTReader(GPT3(GPT3Config(n_vocab=V)), 4)

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config

V, C = 11, 12
torch.manual_seed(0)
MODELS = {
    "GPT-1": GPT1(GPT1Config(n_vocab=V, context=C, d_model=16)),
    "GPT-2": GPT2(GPT2Config(n_vocab=V, context=C, d_model=16)),
    "GPT-3": GPT3(GPT3Config(n_vocab=V, context=C, d_model=16, window=3)),
}
TEXTS = st.lists(st.integers(0, V - 1), min_size=2, max_size=C)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(text=TEXTS, data=st.data())
def test_future_tokens_cannot_change_the_past(name, text, data):
    model = MODELS[name].double().requires_grad_(False)
    changed = data.draw(st.integers(1, len(text) - 1))
    ids = torch.tensor([text])
    other = ids.clone()
    other[:, changed] = (ids[:, changed] + data.draw(st.integers(1, V - 1))) % V
    before, after = model(ids), model(other)
    torch.testing.assert_close(before[:, :changed], after[:, :changed], atol=1e-12, rtol=0)
    assert (before[:, changed] - after[:, changed]).abs().max() > 1e-9


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(text=TEXTS, data=st.data())
def test_a_cut_anywhere_and_a_cache_change_nothing(name, text, data):
    model = MODELS[name].double().requires_grad_(False)
    cut = data.draw(st.integers(1, len(text) - 1))
    ids, caches = torch.tensor([text]), model.new_caches(C)
    parts = [model(part, caches=caches) for part in (ids[:, :cut], ids[:, cut:])]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids), atol=1e-12, rtol=0)

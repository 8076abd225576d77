import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.generation import greedy
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.posttraining.lora import LoRALinear, add_lora, merge, unmerge
from course_lib.training.step import Settings, Update

SEEDS = st.integers(0, 2**32)
V = 9
NAMES = ("to_qkv", "to_out", "down")


def gpt2() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=V, context=8, d_model=12, n_heads=3)).double()


def llama() -> Llama:
    torch.manual_seed(0)
    return Llama(LlamaConfig(n_vocab=V, d_model=12, n_heads=3, n_kv_heads=1, d_hidden=16)).double()


def ids(seed: int, rows: int = 3) -> torch.Tensor:
    return torch.randint(V, (rows, 8), generator=torch.Generator().manual_seed(seed))


def stirred(model: nn.Module) -> nn.Module:
    """B away from 0."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if name.rpartition(".")[2] == "B":
            nn.init.normal_(parameter, std=0.3)
    return model


def close(found: torch.Tensor, expected: torch.Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, atol=atol, rtol=0)


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 5), st.floats(0.1, 40), st.booleans(), st.integers(0, 2))
def test_it_is_one_dense_matrix_of_low_rank_more_in_values_and_gradients(seed, rank, alpha, bias, n_rows):
    """A second way: the sum as one matrix, whose gradient G gives those of A and B by the chain rule."""
    torch.manual_seed(seed)
    base = nn.Linear(7, 5, bias=bias).double()
    plain, layer = copy.deepcopy(base), stirred(LoRALinear(base, rank, alpha))
    with torch.no_grad():
        plain.weight += alpha / rank * layer.B @ layer.A
    x = torch.randn(*(3,) * n_rows, 7, dtype=torch.float64, requires_grad=True)
    other = x.detach().clone().requires_grad_()
    close(layer(x), plain(other))
    layer(x).square().sum().backward()
    plain(other).square().sum().backward()
    G = plain.weight.grad
    close(layer.A.grad, alpha / rank * layer.B.T @ G, 1e-9 * float(1 + G.abs().max()))
    close(layer.B.grad, alpha / rank * G @ layer.A.T, 1e-9 * float(1 + G.abs().max()))
    close(x.grad, other.grad, 1e-9)
    assert base.weight.grad is None and torch.linalg.matrix_rank(layer.learned()) == rank
    close(layer.learned(), plain.weight - base.weight)


def test_at_first_nothing_is_changed_and_only_b_has_a_gradient():
    before, model = gpt2(), gpt2()
    named = add_lora(model, NAMES, rank=2)
    assert named == [
        f"blocks.{i}.{n}" for i in (0, 1) for n in ("attention.to_qkv", "attention.to_out", "feedforward.down")
    ]
    out = model(ids(0))
    assert torch.equal(out, before(ids(0)))
    out.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == name.endswith((".A", ".B")) == parameter.requires_grad
        if parameter.requires_grad:
            assert parameter.grad.any() == name.endswith(".B")


def test_so_many_numbers_are_learned():
    model = gpt2()
    add_lora(model, NAMES, rank=2)
    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert learned == 2 * 2 * ((12 + 36) + (12 + 12) + (48 + 12))


@pytest.mark.parametrize("names", [("to_q", "to_v"), ("gate", "up", "down", "to_vocab")])
def test_a_whole_model_is_the_model_with_dense_matrices(names):
    """Llama's, by functional_call on the matrices with the products added, in values and gradients."""
    model, plain = llama(), llama()
    for name in add_lora(model, names, rank=3, alpha=6):
        part = stirred(model).get_submodule(name)
        assert part.scale == 2
    learned = {n: p for n, p in model.named_parameters() if p.requires_grad}
    dense = {n: p.detach() for n, p in plain.named_parameters()}
    for name in {n.rpartition(".")[0] for n in learned}:
        dense[f"{name}.weight"] = dense[f"{name}.weight"] + 2 * learned[f"{name}.B"] @ learned[f"{name}.A"]
    ours, expected = model(ids(2)), functional_call(plain, dense, ids(2))
    close(ours, expected)
    ours = torch.autograd.grad(ours.square().sum(), list(learned.values()))
    theirs = torch.autograd.grad(expected.square().sum(), list(learned.values()))
    for mine, other in zip(ours, theirs):
        close(mine, other, 1e-9)


@settings(max_examples=10)
@given(SEEDS)
def test_merged_it_says_the_same_and_taken_back_it_is_what_it_was_to_the_bit(seed):
    model = gpt2()
    add_lora(model, NAMES, rank=2, alpha=5)
    stirred(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    said = model(ids(seed))
    beside = merge(model)
    assert not any(isinstance(part, LoRALinear) for part in model.modules())
    assert model.state_dict().keys() == gpt2().state_dict().keys()
    close(model(ids(seed)), said)
    fast = greedy(FastGPTReader(model.eval(), 8), ids(seed)[:, :2], 6)
    unmerge(model, beside)
    after = model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    assert torch.equal(model(ids(seed)), said)
    greedily = ids(seed)[:, :2]
    for _ in range(6):
        greedily = torch.cat([greedily, model(greedily)[:, -1:].argmax(-1)], 1)
    assert torch.equal(fast, greedily[:, 2:])


def test_a_refused_call_leaves_the_model_as_it_was():
    """Rank 5 is possible beside to_q, which comes first, and too much for to_k, which is [4 12]."""
    model = llama()
    with pytest.raises(ValueError, match=r"rank \(5\) is above 4"):
        add_lora(model, ("to_q", "to_k"), rank=5)
    assert all(p.requires_grad for p in model.parameters()) and model.state_dict().keys() == llama().state_dict().keys()


def test_training_moves_the_products_alone():
    """With weight decay, too: what is frozen is the same to the bit."""
    model, start = gpt2(), gpt2().state_dict()
    named = add_lora(model, NAMES, rank=2)
    update = Update(model, Settings(steps=10, lr=5e-2, weight_decay=0.5))
    losses = [update(ids(3))[0] for _ in range(10)]
    assert losses[-1] < 0.8 * losses[0]
    for name, value in start.items():
        path, _, part = name.rpartition(".")
        assert torch.equal(model.state_dict()[f"{path}.base.{part}" if path in named else name], value)
    assert all(model.get_submodule(name).B.any() for name in named)
    merge(model)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, start[name])}
    assert moved == {f"{name}.weight" for name in named}

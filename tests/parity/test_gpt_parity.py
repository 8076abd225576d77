"""GPT-1, GPT-2 and GPT-3 against transformers, weights copied in: values, gradients, cached tokens, padded batches."""

from operator import attrgetter

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu
from transformers import GPT2Config as TheirGPT2Config
from transformers import (
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    OpenAIGPTConfig,
    OpenAIGPTDoubleHeadsModel,
    OpenAIGPTForSequenceClassification,
    OpenAIGPTLMHeadModel,
)
from transformers.activations import ACT2FN, NewGELUActivation, QuickGELUActivation

from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task, Marks, multiple_choice, pad, task_loss
from course_lib.decoding.generation import greedy
from course_lib.foundations.gelu import gelu_tanh, quick_gelu
from course_lib.models import gpt1, gpt2, gpt3
from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import LlamaReader

V, C, D, N, H = 61, 32, 48, 4, 6
WINDOW = 5  # itself and 4 more
SIZES = dict(n_vocab=V, context=C, d_model=D, n_layers=N, n_heads=H)


def scrambled(model: nn.Module, std: float = 0.15) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.double().eval()


def load(ours: nn.Module, values: dict[str, torch.Tensor]) -> nn.Module:
    """Strict: every parameter of ours is named once, with its shape."""
    ours.load_state_dict({name: value.detach().clone() for name, value in values.items()}, strict=True)
    return ours.double().eval()


def renamed_openai(theirs: nn.Module, part: str = "data", *, final_norm: bool) -> dict[str, torch.Tensor]:
    """GPT-1 and GPT-2 share these names. part: "data" or "grad". Their matrices lie transposed."""
    body, get = theirs.transformer, attrgetter(part)
    tables = (body.wte, body.wpe) if final_norm else (body.tokens_embed, body.positions_embed)
    values = {"embedding.weight": get(tables[0].weight), "positions.weight": get(tables[1].weight)}
    for i, layer in enumerate(body.h):
        for name, linear in (
            ("attention.to_qkv", layer.attn.c_attn),
            ("attention.to_out", layer.attn.c_proj),
            ("feedforward.up", layer.mlp.c_fc),
            ("feedforward.down", layer.mlp.c_proj),
        ):
            values[f"blocks.{i}.{name}.weight"] = get(linear.weight).T
            values[f"blocks.{i}.{name}.bias"] = get(linear.bias)
        for name, norm in (("norm_attention", layer.ln_1), ("norm_feedforward", layer.ln_2)):
            values |= {f"blocks.{i}.{name}.{which}": get(getattr(norm, which)) for which in ("weight", "bias")}
    if final_norm:
        values |= {f"norm_out.{which}": get(getattr(body.ln_f, which)) for which in ("weight", "bias")}
    return values


def renamed_neo(theirs: nn.Module, part: str = "data") -> dict[str, torch.Tensor]:
    """q, k, v lie apart and have no bias; and without 1/√d their queries are √d smaller for the same scores."""
    body, get = theirs.transformer, attrgetter(part)
    to_ours = (D // H) ** (0.5 if part == "data" else -0.5)
    values = {"embedding.weight": get(body.wte.weight), "positions.weight": get(body.wpe.weight)}
    for i, layer in enumerate(body.h):
        inner = layer.attn.attention
        q, k, v = (get(projection.weight) for projection in (inner.q_proj, inner.k_proj, inner.v_proj))
        values[f"blocks.{i}.attention.to_qkv.weight"] = torch.cat([q * to_ours, k, v])
        values[f"blocks.{i}.attention.to_qkv.bias"] = torch.zeros(3 * D).to(q)
        for name, linear in (
            ("attention.to_out", inner.out_proj),
            ("feedforward.up", layer.mlp.c_fc),
            ("feedforward.down", layer.mlp.c_proj),
            ("norm_attention", layer.ln_1),
            ("norm_feedforward", layer.ln_2),
        ):
            values |= {f"blocks.{i}.{name}.{which}": get(getattr(linear, which)) for which in ("weight", "bias")}
    return values | {f"norm_out.{which}": get(getattr(body.ln_f, which)) for which in ("weight", "bias")}


OPENAI = dict(vocab_size=V, n_positions=C, n_embd=D, n_layer=N, n_head=H)


def gpt1_pair(kind=OpenAIGPTLMHeadModel, **more):
    reference = scrambled(kind(OpenAIGPTConfig(**OPENAI, **more)))
    return load(GPT1(GPT1Config(**SIZES)), renamed_openai(reference, final_norm=False)), reference


def gpt2_pair():
    special = dict(bos_token_id=None, eos_token_id=None, pad_token_id=0)
    reference = scrambled(GPT2LMHeadModel(TheirGPT2Config(**OPENAI, **special)))
    return load(GPT2(GPT2Config(**SIZES)), renamed_openai(reference, final_norm=True)), reference


def gpt3_pair():
    config = GPTNeoConfig(
        vocab_size=V,
        max_position_embeddings=C,
        hidden_size=D,
        num_layers=N,
        num_heads=H,
        attention_types=[[["global", "local"], N // 2]],
        window_size=WINDOW,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    reference = scrambled(GPTNeoForCausalLM(config))
    return load(GPT3(GPT3Config(**SIZES, window=WINDOW)), renamed_neo(reference)), reference


PAIRS = {"GPT-1": gpt1_pair, "GPT-2": gpt2_pair, "GPT-3": gpt3_pair}


def gradients_of(name: str, reference: nn.Module) -> dict[str, torch.Tensor]:
    if name == "GPT-3":
        return renamed_neo(reference, "grad")
    return renamed_openai(reference, "grad", final_norm=name == "GPT-2")


@torch.no_grad()
def talkative(*models: nn.Module) -> None:
    """Scrambled models repeat one token. Wide positions, narrow biases and norms near 1 let the text matter."""
    for model in models:
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter *= 0.1
                parameter += float(name.endswith("weight"))
            elif "pos" in name or "wpe" in name:
                parameter *= 6


@pytest.mark.parametrize("name", PAIRS)
def test_logits_and_every_gradient(name, float64_reference, agree):
    with float64_reference():
        ours, reference = PAIRS[name]()
        ids = torch.randint(V, (2, 17))
        theirs = reference(ids).logits
        judge = torch.randn_like(theirs)
        theirs.backward(judge)
        gradients = gradients_of(name, reference)
    logits = ours(ids)
    agree(logits, theirs)
    logits.backward(judge)
    compared = 0
    for key, parameter in ours.named_parameters():
        if name == "GPT-3" and key.endswith("to_qkv.bias"):
            continue  # theirs has none
        gradient = gradients[key]
        if "embedding" in key or "positions" in key:
            used = gradient.abs().sum(-1) > 0
            agree(parameter.grad[used], gradient[used])
            assert not parameter.grad[~used].any()
        else:
            agree(parameter.grad, gradient)
        compared += 1
    assert compared == len(list(ours.parameters())) - (N if name == "GPT-3" else 0)


@pytest.mark.parametrize("name", PAIRS)
def test_hidden_states(name, float64_reference, agree):
    with float64_reference(), torch.no_grad():
        ours, reference = PAIRS[name]()
        ids = torch.randint(V, (2, 20))
        theirs = reference(ids, output_hidden_states=True).hidden_states
    seen = []
    for block in ours.blocks:
        block.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    last = ours.hidden(ids)
    for (before, _), reference_state in zip(seen, theirs):
        agree(before, reference_state)
    agree(last, theirs[-1])


@pytest.mark.parametrize("name", ["GPT-2", "GPT-3"])
def test_padded_prompts(name, float64_reference, agree):
    """Prompts of 12, 9 and 1 tokens, padded on the left. (Their GPT-1 counts positions over the padding.)"""
    is_token = torch.arange(12) >= torch.tensor([0, 3, 11])[:, None]
    with float64_reference(), torch.no_grad():
        ours, reference = PAIRS[name]()
        ids = torch.randint(1, V, (3, 12)).masked_fill(~is_token, 0)
        positions = (is_token.cumsum(1) - 1).clamp(min=0)
        theirs = reference(ids, attention_mask=is_token.long(), position_ids=positions).logits
    agree(ours(ids, is_token=is_token)[is_token], theirs[is_token])
    agree(LlamaReader(ours, 12, is_token)(ids), theirs[:, -1])


def test_padded_prompts_of_gpt1(float64_reference, agree):
    is_token = torch.arange(12) >= torch.tensor([0, 3, 11])[:, None]
    with float64_reference(), torch.no_grad():
        ours, reference = gpt1_pair()
        ids = torch.randint(1, V, (3, 12)).masked_fill(~is_token, 0)
        positions = (is_token.cumsum(1) - 1).clamp(min=0)
        theirs = reference(ids, attention_mask=is_token.double(), position_ids=positions).logits
    agree(ours(ids, is_token=is_token)[is_token], theirs[is_token])


@pytest.mark.parametrize("name", PAIRS)
def test_greedy_tokens_are_identical(name, float64_reference):
    """20 tokens after prompts of 9 tokens, by their generate and by ours through the cache."""
    with float64_reference():
        ours, reference = PAIRS[name]()
        talkative(ours, reference)
        ids = torch.randint(1, V, (3, 9))
        theirs = reference.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, pad_token_id=0
        )
    assert greedy(LlamaReader(ours, 29), ids, 20).tolist() == theirs[:, 9:].tolist()
    assert len(set(theirs[:, 9:].flatten().tolist())) > 5


def test_greedy_tokens_after_padded_prompts_are_identical(float64_reference):
    is_token = torch.arange(9) >= torch.tensor([0, 4, 8])[:, None]
    with float64_reference():
        ours, reference = gpt2_pair()
        talkative(ours, reference)
        ids = torch.randint(1, V, (3, 9)).masked_fill(~is_token, 0)
        theirs = reference.generate(ids, attention_mask=is_token.long(), max_new_tokens=20, do_sample=False)
    assert greedy(LlamaReader(ours, 29, is_token), ids, 20).tolist() == theirs[:, 9:].tolist()


def test_dense_gpt3_is_gpt2(agree):
    """To the bit, not only to 1e-10: a window as wide as the context leaves no trace."""
    ours = scrambled(GPT2(GPT2Config(**SIZES)))
    dense = load(GPT3(GPT3Config(**SIZES, window=C)), ours.state_dict())
    banded = load(GPT3(GPT3Config(**SIZES, window=C - 1)), ours.state_dict())
    ids = torch.randint(V, (2, C))
    assert torch.equal(dense(ids), ours(ids))
    agree(banded(ids)[:, : C - 1], ours(ids)[:, : C - 1])
    assert (banded(ids) - ours(ids))[:, -1].abs().max() > 1e-9


def test_classification_head(float64_reference, agree):
    """Their classifier reads the last token that is no padding; ours the token <extract>."""
    marks = Marks(start=58, delimiter=59, extract=60)
    with float64_reference():
        gpt, reference = gpt1_pair(OpenAIGPTForSequenceClassification, num_labels=3, pad_token_id=0)
        texts = [[[58, 4, 9, 2, 60]], [[58, 7, 60]], [[58, 3, 3, 8, 1, 5, 60]]]
        ids, is_token = pad(texts)
        theirs = reference(ids[:, 0]).logits
        judge = torch.randn_like(theirs)
        theirs.backward(judge)
    model = GPT1Task(gpt, marks, n_classes=3).double()
    model.head.weight.data = reference.score.weight.detach().clone()
    scores = model(ids, is_token)
    agree(scores, theirs)
    scores.backward(judge)
    agree(model.head.weight.grad, reference.score.weight.grad)
    agree(gpt.blocks[0].attention.to_qkv.weight.grad, reference.transformer.h[0].attn.c_attn.weight.grad.T)
    agree(model(ids), theirs)  # what is padded on the right comes after <extract>: no mask is needed


def test_multiple_choice_head_and_auxiliary_loss(float64_reference, agree):
    """Their double-heads model: one score an answer, and the language model's loss, here over texts of one length."""
    marks = Marks(start=58, delimiter=59, extract=60)
    examples = [
        multiple_choice([4, 9], [[2, 2], [7, 1], [8, 5]], marks),
        multiple_choice([3, 1], [[6, 2], [1, 1], [2, 9]], marks),
    ]
    ids, is_token = pad(examples)
    labels = torch.tensor([2, 0])
    with float64_reference():
        gpt, reference = gpt1_pair(
            OpenAIGPTDoubleHeadsModel, summary_type="cls_index", summary_first_dropout=0.0, num_labels=1
        )
        places = torch.full((2, 3), ids.shape[-1] - 1)
        theirs = reference(ids, mc_token_ids=places, labels=ids, mc_labels=labels)
    model = GPT1Task(gpt, marks, n_classes=None).double()
    model.head.load_state_dict(reference.multiple_choice_head.summary.state_dict())
    scores, logits = model.scores_and_logits(ids, is_token)
    agree(scores, theirs.mc_logits)
    agree(logits, theirs.logits)
    agree(task_loss(scores, labels, logits, ids, is_token, lm_weight=0.5), theirs.mc_loss + 0.5 * theirs.loss)


def test_gelu_variants(agree):
    x = torch.linspace(-6, 6, 1001, dtype=torch.float64)
    agree(gelu_tanh(x), NewGELUActivation()(x))
    agree(quick_gelu(x), QuickGELUActivation()(x))
    assert 1e-4 < (gelu_tanh(x) - gelu(x)).abs().max() < 5e-4
    assert isinstance(ACT2FN["gelu_new"], NewGELUActivation)


@pytest.mark.parametrize(
    ("config", "ours", "theirs"),
    [
        (OpenAIGPTConfig(), gpt1.n_parameters(gpt1.SIZES["openai-gpt"]), OpenAIGPTLMHeadModel),
        *(
            (
                TheirGPT2Config(n_embd=c.d_model, n_layer=c.n_layers, n_head=c.n_heads),
                gpt2.n_parameters(c),
                GPT2LMHeadModel,
            )
            for c in gpt2.SIZES.values()
        ),
    ],
)
def test_released_sizes_have_as_many_parameters_as_theirs(config, ours, theirs):
    with torch.device("meta"):
        model = theirs(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == ours
    assert gpt3.n_parameters(gpt3.SIZES["GPT-3 Small"]) == 125_226_240

"""Released layouts that are not ours, saved by transformers: a convolution over patches, q, k, v fused and apart."""

import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import GPT2Config, GPT2Model, ViTConfig, ViTModel

from course_lib.foundations.attention import MultiHeadAttention
from course_lib.hub.core import From, build, part, read_config, read_tensors

D, H, P, LAYERS = 12, 3, 4, 2


class FlatViT(nn.Module):
    """A ViT whose patches [3·P·P] go through a Linear, and whose q, k, v are one matrix."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Linear(3 * P * P, D)
        self.cls = nn.Parameter(torch.empty(D))
        self.positions = nn.Parameter(torch.empty(7, D))
        options = dict(dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True, norm_first=True)
        layer = nn.TransformerEncoderLayer(D, H, 20, **options)
        self.body = nn.TransformerEncoder(layer, LAYERS, norm=nn.LayerNorm(D, eps=1e-12), enable_nested_tensor=False)

    def forward(self, pictures):
        patches = rearrange(pictures, "B C (h P) (w Q) -> B (h w) (C P Q)", P=P, Q=P)
        x = torch.cat([self.cls.expand(len(pictures), 1, D), self.patches(patches)], 1)
        return self.body(x + self.positions)


def vit_keys() -> dict[str, From]:
    keys = {
        "patches.weight": From("embeddings.patch_embeddings.projection.weight", take=lambda kernel: kernel.flatten(1)),
        "patches.bias": From("embeddings.patch_embeddings.projection.bias"),
        "cls": From("embeddings.cls_token", take=torch.flatten),
        "positions": From("embeddings.position_embeddings", take=lambda table: table[0]),
    }
    pairs = {"body.norm": "layernorm"}
    for i in range(LAYERS):
        ours, theirs = f"body.layers.{i}.", f"encoder.layer.{i}."
        pairs |= {
            ours + "self_attn.out_proj": theirs + "attention.output.dense",
            ours + "linear1": theirs + "intermediate.dense",
            ours + "linear2": theirs + "output.dense",
            ours + "norm1": theirs + "layernorm_before",
            ours + "norm2": theirs + "layernorm_after",
        }
        for kind in ("weight", "bias"):
            parts = tuple(f"{theirs}attention.attention.{name}.{kind}" for name in ("query", "key", "value"))
            keys[f"{ours}self_attn.in_proj_{kind}"] = From(parts)
    return keys | {f"{o}.{kind}": From(f"{t}.{kind}") for o, t in pairs.items() for kind in ("weight", "bias")}


@pytest.fixture
def vit(tmp_path):
    """The reference in float64, and the folder it was saved in; pictures are 2 patches high and 3 wide."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=D, num_hidden_layers=LAYERS, num_attention_heads=H, intermediate_size=20, image_size=(8, 12),
        patch_size=P, attn_implementation="eager",
    )  # fmt: skip
    reference = ViTModel(config, add_pooling_layer=False).double().eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.3)
    reference.save_pretrained(tmp_path)
    return reference, tmp_path


def load_vit(folder) -> nn.Module:
    assert read_config(folder, "vit")["hidden_size"] == D
    return build(FlatViT, read_tensors(folder), vit_keys(), dtype=torch.float64)


def test_a_vit_with_a_convolution_and_apart_q_k_v(vit, float64_reference, agree):
    reference, folder = vit
    ours = load_vit(folder)
    pictures = torch.randn(2, 3, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with float64_reference():
        theirs = reference(pictures).last_hidden_state
        theirs.square().sum().backward()
    out = ours(pictures)
    out.square().sum().backward()
    agree(out, theirs)
    kernel = reference.embeddings.patch_embeddings.projection.weight.grad
    agree(ours.patches.weight.grad, kernel.flatten(1))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("patch_embeddings.projection.weight", (D, 1, P, P), r"is \[12, 1, 4, 4\], taken as \[12, 16\]; .* \[12, 48\]"),
        (
            "patch_embeddings.projection.weight",
            (D,),
            r"is \[12\]; patches.weight of our model, \[12, 48\], is not made",
        ),
        ("position_embeddings", (2, 7, D), r"is \[2, 7, 12\]; this model takes 1/2 of it and leaves the rest"),
    ],
)
def test_another_shape_is_refused_before_anything_is_loaded(vit, key, shape, message):
    _, folder = vit
    tensors = load_file(folder / "model.safetensors") | {f"embeddings.{key}": torch.zeros(shape)}
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match=rf"embeddings.{key} {message}"):
        load_vit(folder)


def test_q_k_v_from_gpt2s_fused_matrix(tmp_path, float64_reference, agree):
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=5, n_positions=9, n_embd=D, n_layer=1, n_head=H, attn_implementation="eager")
    reference = GPT2Model(config).double().eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.3)
    reference.save_pretrained(tmp_path)
    attention = {k: t for k, t in read_tensors(tmp_path).items() if ".attn." in k}
    keys = {}
    for kind in ("weight", "bias"):
        turned = kind == "weight"
        for i, name in enumerate("qkv"):
            keys[f"to_{name}.{kind}"] = From(f"h.0.attn.c_attn.{kind}", turned, part(i, of=3))
        keys[f"to_out.{kind}"] = From(f"h.0.attn.c_proj.{kind}", turned)
    ours = build(lambda: MultiHeadAttention(D, H), attention, keys, dtype=torch.float64)
    x = torch.randn(2, 9, D, dtype=torch.float64)
    with float64_reference():
        mask = torch.zeros(9, 9).masked_fill(torch.ones(9, 9).triu(1) > 0, -torch.inf)
        theirs = reference.h[0].attn(x, attention_mask=mask[None, None])[0]
    agree(ours(x, may_attend=torch.ones(9, 9, dtype=torch.bool).tril()), theirs)

"""CLIP against transformers, read from a checkpoint that it saved: values, gradients, losses, both ways to end."""

import pytest
import torch
from torch import nn
from transformers import CLIPConfig as TheirConfig
from transformers import CLIPModel
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from course_lib.foundations.contrastive import clip_loss, info_nce, similarities
from course_lib.foundations.patches import patchify, unpatchify
from course_lib.hub import load_clip
from course_lib.hub.clip import key_map
from course_lib.models import clip

V, CONTEXT = 23, 9
END = V - 1


def sizes(width: int, hidden: int, layers: int, heads: int, **more) -> dict:
    found = dict(hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers, num_attention_heads=heads)
    return found | more


def text(end: int, *numbers: int) -> dict:
    return sizes(*numbers, vocab_size=V, max_position_embeddings=CONTEXT, eos_token_id=end)


CONFIGS = {
    "largest id ends": dict(
        vision_config=sizes(48, 80, 3, 6, image_size=24, patch_size=8),
        text_config=text(2, 32, 48, 2, 4),
        projection_dim=20,
    ),
    "first end": dict(
        vision_config=sizes(10, 28, 1, 1, image_size=6, patch_size=6),
        text_config=text(END, 14, 9, 3, 7),
        projection_dim=33,
    ),
    "an end in the middle of the vocabulary": dict(
        vision_config=sizes(12, 20, 2, 3, image_size=9, patch_size=3),
        text_config=text(7, 12, 20, 1, 2),
        projection_dim=5,
    ),
}


def scrambled(model: nn.Module, std: float = 0.15) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.eval()


def captions(end: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of 9, 3, 1 and 6 tokens with their end, and what comes after it: padding, or the end again."""
    ids = torch.randint(0, V - 1, (4, CONTEXT), generator=torch.Generator().manual_seed(2))
    ids[ids == end] = 1
    lengths = torch.tensor([9, 3, 1, 6])
    ids[torch.arange(4), lengths - 1] = end
    is_text = torch.arange(CONTEXT) < lengths[:, None]
    ids[:2] = ids[:2].masked_fill(~is_text[:2], 0)
    ids[2:] = ids[2:].masked_fill(~is_text[2:], end)
    return ids, is_text


@pytest.fixture(params=CONFIGS)
def pair(request, tmp_path):
    """Ours, read from the folder that the reference was saved in, and the reference, both in float64."""
    reference = scrambled(CLIPModel(TheirConfig(**CONFIGS[request.param]))).double()
    reference.save_pretrained(tmp_path)
    return load_clip(tmp_path, dtype=torch.float64), reference


def batch(reference) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    side, end = reference.config.vision_config.image_size, reference.config.text_config.eos_token_id
    images = torch.randn(4, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return images, *captions(END if end == 2 else end)


def test_features_logits_loss_and_every_gradient(pair, float64_reference, agree):
    ours, reference = pair
    images, ids, is_text = batch(reference)
    with float64_reference():
        theirs = reference(pixel_values=images, input_ids=ids, attention_mask=is_text.long(), return_loss=True)
        theirs.loss.backward()
    logits = ours(images, ids)
    agree(logits, theirs.logits_per_image)
    agree(nn.functional.normalize(ours.image_features(images), dim=-1), theirs.image_embeds)
    agree(nn.functional.normalize(ours.text_features(ids), dim=-1), theirs.text_embeds)
    agree(ours.image.features(images), theirs.vision_model_output.last_hidden_state)
    loss = clip_loss(logits)
    agree(loss, theirs.loss)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    keys = key_map(ours.config)
    for name, parameter in ours.named_parameters():
        agree(parameter.grad, keys.pop(name).made(gradients))
    assert not keys and sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


def test_in_single_precision(pair, agree):
    ours, reference = pair
    images, ids, _ = batch(reference)
    agree(
        ours.float()(images.float(), ids),
        reference.float()(pixel_values=images.float(), input_ids=ids).logits_per_image,
    )


def test_other_padding_after_the_end_changes_nothing(pair, agree):
    """To the bit: attention is causal."""
    ours, reference = pair
    _, ids, is_text = batch(reference)
    other = torch.where(is_text, ids, 3 if ours.config.text.end != 3 else 4)
    assert torch.equal(ours.text_features(other), ours.text_features(ids))
    agree(ours.text_features(ids[1:2, :3]), ours.text_features(ids)[1:2])


def test_quick_gelu_and_not_gelu(pair):
    """The exact one moves the logits of these scrambled models by more than 1e-5, so agreement above means quick."""
    ours, reference = pair
    images, ids, _ = batch(reference)
    before = ours(images, ids)
    for module in [*ours.image.modules(), *ours.text.modules()]:
        if hasattr(module, "feedforward"):
            inner = module.feedforward
            inner.forward = lambda x, inner=inner: inner.down(nn.functional.gelu(inner.up(x)))
    assert (ours(images, ids) - before).abs().max() > 1e-5


def test_images_that_are_not_square(float64_reference, agree):
    """Theirs takes squares alone: the same patches in the same order, laid as a strip for ours."""
    reference = scrambled(CLIPModel(TheirConfig(**CONFIGS["largest id ends"]))).double()
    strip = torch.randn(2, 3, 8, 72, dtype=torch.float64)
    square = unpatchify(patchify(strip, 8), 8, 24, 24)
    tower = clip.ImageTower(
        clip.ImageConfig(height=8, width=72, patch=8, d_model=48, n_layers=3, n_heads=6, d_hidden=80)
    )
    keys = key_map(clip.CLIPConfig(image=tower.config, text=clip.TextConfig(n_vocab=V, n_layers=2)))
    weights = {
        name.removeprefix("image."): keys[name].made(reference.state_dict()) for name in keys if name[:6] == "image."
    }
    tower.load_state_dict(weights, strict=True)
    with float64_reference():
        agree(tower.double()(strip), reference.vision_model(square).pooler_output)


@pytest.mark.parametrize("n", [2, 7])
def test_the_loss_is_theirs(n, agree):
    logits = torch.randn(n, n, dtype=torch.float64, requires_grad=True)
    mine, other = clip_loss(logits), image_text_contrastive_loss(logits)
    agree(mine, other)
    agree(*(torch.autograd.grad(loss, logits)[0] for loss in (mine, other)))


def test_info_nce_with_all_others_as_negatives_is_cross_entropy(agree):
    """Equation 4 of van den Oord et al. written out, one positive and K = N - 1 negatives a row."""
    image, caption = torch.randn(2, 6, 5, dtype=torch.float64)
    cosines = similarities(image, caption) / 0.07
    rows = []
    for i in range(6):
        positive = cosines[i, i].exp()
        negatives = [cosines[i, j].exp() for j in range(6) if j != i]
        rows.append(-(positive / (positive + sum(negatives))).log())
    agree(info_nce(cosines), torch.stack(rows).mean())


@pytest.mark.parametrize(
    ("name", "vision", "words", "joint", "published"),
    [
        ("ViT-B/32", dict(), dict(), 512, 151_277_313),
        ("ViT-B/16", dict(patch_size=16), dict(), 512, 149_620_737),
        ("ViT-L/14", dict(**sizes(1024, 4096, 24, 16), patch_size=14), sizes(768, 3072, 12, 12), 768, 427_616_513),
    ],
)
def test_released_sizes_have_as_many_parameters_as_theirs(name, vision, words, joint, published):
    with torch.device("meta"):
        theirs = CLIPModel(TheirConfig(vision_config=vision, text_config=words, projection_dim=joint))
        ours = clip.CLIP(clip.SIZES[name])
        shapes = ours.image_features(torch.empty(2, 3, 224, 224)).shape
    assert {sum(p.numel() for p in model.parameters()) for model in (theirs, ours)} == {published}
    assert shapes == (2, joint)


def test_the_scale_starts_as_theirs():
    ours = clip.CLIP(clip.CLIPConfig(image=clip.ImageConfig(), text=clip.TextConfig(n_vocab=V)))
    assert float(ours.logit_scale.detach()) == pytest.approx(TheirConfig().logit_scale_init_value, abs=1e-4)

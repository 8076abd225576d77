"""SigLIP against transformers, read from a checkpoint that it saved: values, gradients, the pooling head, the loss."""

import pytest
import torch
from torch import nn
from transformers import SiglipConfig, SiglipModel

from course_lib.foundations.contrastive import sigmoid_loss
from course_lib.hub import load_siglip
from course_lib.hub.siglip import key_map
from course_lib.models.clip import ImageConfig, TextConfig
from course_lib.models.siglip import SigLIP, SigLIPConfig

V, CONTEXT = 23, 9


def sizes(width: int, hidden: int, layers: int, heads: int, **more) -> dict:
    found = dict(hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers, num_attention_heads=heads)
    return found | more


def text(*numbers: int) -> dict:
    return sizes(*numbers, vocab_size=V, max_position_embeddings=CONTEXT)


CONFIGS = {
    "alike": dict(vision_config=sizes(48, 80, 2, 6, image_size=24, patch_size=8), text_config=text(48, 80, 2, 6)),
    "one head": dict(vision_config=sizes(10, 7, 1, 1, image_size=6, patch_size=6), text_config=text(10, 21, 3, 5)),
    "narrow text": dict(
        vision_config=sizes(12, 20, 3, 4, image_size=9, patch_size=3),
        text_config=text(8, 30, 1, 2) | dict(projection_size=12),
    ),
    "pixels left over": dict(
        vision_config=sizes(12, 20, 1, 3, image_size=11, patch_size=3), text_config=text(12, 9, 1, 2)
    ),
}


def scrambled(model: nn.Module, std: float = 0.15) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.eval()


@pytest.fixture(params=CONFIGS)
def pair(request, tmp_path):
    """Ours, read from the folder that the reference was saved in, and the reference, both in float64."""
    reference = scrambled(SiglipModel(SiglipConfig(**CONFIGS[request.param]))).double()
    reference.save_pretrained(tmp_path)
    return load_siglip(tmp_path, dtype=torch.float64), reference


def batch(reference) -> tuple[torch.Tensor, torch.Tensor]:
    side = reference.config.vision_config.image_size
    chance = torch.Generator().manual_seed(1)
    return (
        torch.randn(4, 3, side, side, dtype=torch.float64, generator=chance),
        torch.randint(V, (4, CONTEXT), generator=chance),
    )


def whole_patches(images: torch.Tensor, ours) -> torch.Tensor:
    """Their convolution leaves out the pixels after the last whole patch; ours is for the others."""
    return images[..., : ours.config.image.height, : ours.config.image.width]


def test_features_logits_loss_and_every_gradient(pair, float64_reference, agree):
    ours, reference = pair
    images, ids = batch(reference)
    with float64_reference():
        theirs = reference(pixel_values=images, input_ids=ids, return_loss=True)
        theirs.loss.backward()
    images = whole_patches(images, ours)
    logits = ours(images, ids)
    agree(logits, theirs.logits_per_image)
    agree(ours.image.features(images), theirs.vision_model_output.last_hidden_state)
    agree(ours.image(images), theirs.vision_model_output.pooler_output)
    agree(ours.text(ids), theirs.text_model_output.pooler_output)
    loss = sigmoid_loss(logits)
    agree(loss, theirs.loss)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    keys = key_map(ours.config)
    for name, parameter in ours.named_parameters():
        agree(parameter.grad, keys.pop(name).made(gradients))
    assert not keys and sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


def test_in_single_precision(pair, agree):
    ours, reference = pair
    images, ids = batch(reference)
    theirs = reference.float()(pixel_values=images.float(), input_ids=ids)
    agree(ours.float()(whole_patches(images, ours).float(), ids), theirs.logits_per_image)


def test_padding_is_read_as_any_token(pair):
    """Their text tower reads the last token and sees all: another padding is another text, in ours as in theirs."""
    ours, reference = pair
    _, ids = batch(reference)
    other = ids.clone()
    other[:, -2:] = (ids[:, -2:] + 1) % V
    assert (ours.text(other) - ours.text(ids)).abs().max() > 1e-6


def test_released_sizes_have_as_many_parameters_as_theirs():
    """siglip-base-patch16-224 and siglip-so400m-patch14-384, whose 384 pixels are read as 378: 27² patches."""
    base = SigLIPConfig(
        image=ImageConfig(height=224, width=224, patch=16, d_model=768, n_layers=12, n_heads=12),
        text=TextConfig(n_vocab=32000, context=64, d_model=768, n_layers=12, n_heads=12),
    )
    wide = sizes(1152, 4304, 27, 16)
    ours = dict(d_model=1152, n_layers=27, n_heads=16, d_hidden=4304)
    so400m = SigLIPConfig(
        image=ImageConfig(height=378, width=378, patch=14, **ours), text=TextConfig(n_vocab=32000, context=64, **ours)
    )
    theirs = SiglipConfig(vision_config=wide | dict(image_size=384, patch_size=14), text_config=wide)
    with torch.device("meta"):
        pairs = ((SigLIP(base), SiglipModel(SiglipConfig())), (SigLIP(so400m), SiglipModel(theirs)))
        counts = [{sum(p.numel() for p in model.parameters()) for model in pair} for pair in pairs]
    assert counts == [{203_155_970}, {877_960_498}]

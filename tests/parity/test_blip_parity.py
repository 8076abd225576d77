"""BLIP against transformers, read from checkpoints that it saved: captioning, contrast, matching, and every gradient.

Joint pre-training has no packaged reference: tests/laws/test_blip_laws.py.
"""

import pytest
import torch
from torch import nn
from transformers import BlipConfig, BlipForConditionalGeneration, BlipForImageTextRetrieval

from course_lib.decoding.generation import beam_search, greedy
from course_lib.foundations.contrastive import similarities
from course_lib.foundations.patches import patchify, unpatchify
from course_lib.hub import load_blip_captioner, load_blip_retriever
from course_lib.hub.blip import captioner_keys, retriever_keys
from course_lib.models import blip
from course_lib.models.blip_pretrain import caption_loss
from course_lib.models.vit import ViTConfig

V, CONTEXT = 23, 9
PAD, END, DEC = 0, 3, 21


def tower(width: int, hidden: int, layers: int, heads: int, **more) -> dict:
    found = dict(hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers, num_attention_heads=heads)
    return found | more


def text(*numbers: int, **more) -> dict:
    tokens = dict(bos_token_id=DEC, sep_token_id=END, pad_token_id=PAD, eos_token_id=2)
    return tower(*numbers, vocab_size=V, max_position_embeddings=CONTEXT, label_smoothing=0.1, **tokens) | more


CONFIGS = {
    "texts narrower than images": dict(
        vision_config=tower(48, 80, 3, 6, image_size=24, patch_size=8),
        text_config=text(32, 48, 2, 4),
        image_text_hidden_size=20,
    ),
    "texts wider than images": dict(
        vision_config=tower(10, 28, 1, 1, image_size=6, patch_size=6, layer_norm_eps=1e-3),
        text_config=text(14, 9, 3, 7, layer_norm_eps=1e-4),
        image_text_hidden_size=33,
    ),
    "one width": dict(
        vision_config=tower(12, 20, 2, 3, image_size=9, patch_size=3),
        text_config=text(12, 20, 1, 2),
        image_text_hidden_size=5,
    ),
}
HALVES = {
    "captioner": (BlipForConditionalGeneration, load_blip_captioner, captioner_keys),
    "retriever": (BlipForImageTextRetrieval, load_blip_retriever, retriever_keys),
}


def scrambled(model: nn.Module, std: float = 0.15) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.eval()


def talkative(model: nn.Module) -> nn.Module:
    """Scrambled so that captions differ: strong matrices, norms near 1, weak biases."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=2 * parameter[0].numel() ** -0.5)
        else:
            parameter.data = parameter.data.round() + 0.2 * torch.randn_like(parameter)
    return model.eval()


@pytest.fixture(params=CONFIGS)
def pair(request, tmp_path):
    """Makes ours, read from the folder that the reference was saved in, and the reference, both in float64."""

    def made(half: str, start=scrambled):
        theirs, load, _ = HALVES[half]
        reference = start(theirs(BlipConfig(**CONFIGS[request.param]))).double()
        reference.save_pretrained(tmp_path)
        return load(tmp_path, dtype=torch.float64), reference

    return made


def batch(reference) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Four images and captions of 9, 3, 2 and 6 tokens; the first of each is [DEC]."""
    side = reference.config.vision_config.image_size
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(4, 3, side, side, dtype=torch.float64, generator=draw)
    ids = torch.randint(PAD + 1, V, (4, CONTEXT), generator=draw)
    ids[:, 0] = DEC
    is_token = torch.arange(CONTEXT) < torch.tensor([9, 3, 2, 6])[:, None]
    return images, ids.masked_fill(~is_token, PAD), is_token


def every_gradient_agrees(ours, reference, keys, agree) -> None:
    gradients = {name: p.grad for name, p in reference.named_parameters()}
    for name, parameter in ours.named_parameters():
        agree(parameter.grad, keys.pop(name).made(gradients))
        assert parameter.grad.abs().max() > 0
    assert not keys and sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


def test_captions_logits_loss_and_every_gradient(pair, float64_reference, agree):
    ours, reference = pair("captioner")
    images, ids, is_token = batch(reference)
    with float64_reference():
        theirs = reference(
            pixel_values=images,
            input_ids=ids,
            attention_mask=is_token.long(),
            labels=ids.masked_fill(~is_token, -100),
        )
        theirs.loss.backward()
    seen = ours.look(images)
    agree(seen, theirs.last_hidden_state)
    agree(ours.next_words(seen, ids, is_token)[is_token], theirs.logits[is_token])
    agree(ours.next_words(seen, ids)[is_token], theirs.logits[is_token])
    loss = caption_loss(ours, seen, ids, is_token, smoothing=0.1)
    agree(loss, theirs.loss)
    loss.backward()
    every_gradient_agrees(ours, reference, captioner_keys(ours.config), agree)


def test_contrast_match_and_every_gradient(pair, float64_reference, agree):
    ours, reference = pair("retriever")
    images, ids, is_token = batch(reference)
    given = dict(pixel_values=images, input_ids=ids, attention_mask=is_token.long())
    weights = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with float64_reference():
        matched, contrasted = (reference(**given, use_itm_head=choice) for choice in (True, False))
        joined = torch.cat([matched.itm_score, contrasted.itm_score], dim=1)
        (joined * weights).sum().backward()
    seen = ours.look(images)
    agree(ours.text.encode(ids, is_token, seen)[is_token], matched.question_embeds[is_token])
    agree(ours.text.encode(ids, is_token)[is_token], contrasted.question_embeds[is_token])
    logits = ours.matches(seen, ids, is_token)
    cosines = similarities(ours.image_features(seen), ours.text_features(ids, is_token))
    agree(logits, matched.itm_score)
    agree(cosines, contrasted.itm_score)
    (torch.cat([logits, cosines], dim=1) * weights).sum().backward()
    every_gradient_agrees(ours, reference, retriever_keys(ours.config), agree)


def test_captions_without_padding(pair, float64_reference, agree):
    """No mask at all is a path of its own in both."""
    ours, reference = pair("captioner")
    images, ids, _ = batch(reference)
    ids[ids == PAD] = 5
    with float64_reference():
        agree(ours.next_words(ours.look(images), ids), reference(pixel_values=images, input_ids=ids).logits)


@pytest.mark.parametrize("prompt", [[DEC], [DEC, 4, 17]])
def test_greedy_captions_are_theirs(pair, float64_reference, prompt):
    """To the token, with and without a prompt; the end is [SEP], and what was said after it is padding there."""
    ours, reference = pair("captioner", talkative)
    images, _, _ = batch(reference)
    images = torch.cat([images, images.flip(1), 3 * images])
    start = torch.tensor([prompt] * len(images))
    with float64_reference():
        given = torch.cat([start, torch.full_like(start[:, :1], END)], dim=1)  # their generate drops the last token
        theirs = reference.generate(
            pixel_values=images, input_ids=given, max_length=CONTEXT, do_sample=False, num_beams=1
        )
    said = greedy(blip.CaptionReader(ours, images), start, CONTEXT - len(prompt), end=END)
    theirs = theirs[:, len(prompt) :]
    ended = (said == END).cumsum(1) - (said == END).long() > 0
    assert torch.equal(said.masked_fill(ended, PAD), theirs)
    assert len({tuple(row) for row in said.tolist()}) > 1


def test_beams_find_captions_as_likely_as_theirs(pair, float64_reference, agree):
    """With alpha 0 the score is the log-probability; scored anew by their model, it is the same number."""
    ours, reference = pair("captioner")
    images, _, _ = batch(reference)
    answers, scores = beam_search(
        blip.CaptionReader(ours, images), torch.full((4, 1), DEC), CONTEXT - 1, n_beams=3, end=END, alpha=0.0
    )
    for image, answer, score in zip(images, answers, scores):
        ids = torch.tensor([[DEC, *answer]])
        with float64_reference():
            log_probs = reference(pixel_values=image[None], input_ids=ids).logits.log_softmax(-1)
        agree(log_probs[0, :-1].gather(1, ids[0, 1:, None]).sum(), score)


def test_matching_as_trained_is_theirs_with_another_first_token(pair, tmp_path, float64_reference, agree):
    """The loader is told [ENC]; theirs has to be given it."""
    _, reference = pair("retriever")
    ours = load_blip_retriever(tmp_path, enc=V - 1, dtype=torch.float64)
    images, ids, is_token = batch(reference)
    first = torch.cat([torch.full_like(ids[:, :1], V - 1), ids[:, 1:]], dim=1)
    with float64_reference():
        theirs = reference(pixel_values=images, input_ids=first, attention_mask=is_token.long())
    agree(ours.matches(ours.look(images), ids, is_token), theirs.itm_score)


def test_in_single_precision(pair, agree):
    ours, reference = pair("retriever")
    images, ids, is_token = batch(reference)
    reference, ours = reference.float(), ours.float()
    theirs = reference(pixel_values=images.float(), input_ids=ids, attention_mask=is_token.long())
    agree(ours.matches(ours.look(images.float()), ids, is_token), theirs.itm_score)


def test_images_that_are_not_square(tmp_path, float64_reference, agree):
    """Theirs takes squares alone: the same patches in the same order, laid as a strip for ours."""
    reference = scrambled(BlipForConditionalGeneration(BlipConfig(**CONFIGS["texts narrower than images"]))).double()
    reference.save_pretrained(tmp_path)
    square = load_blip_captioner(tmp_path, dtype=torch.float64)
    strip = torch.randn(2, 3, 8, 72, dtype=torch.float64)
    config = ViTConfig(height=8, width=72, patch=8, d_model=48, n_layers=3, n_heads=6, d_hidden=80, eps=1e-5)
    ours = blip.Captioner(blip.BLIPConfig(image=config, text=square.config.text)).double()
    ours.load_state_dict(square.state_dict(), strict=True)
    ids = torch.tensor([[DEC, 4, 5], [DEC, 6, END]])
    with float64_reference():
        theirs = reference(pixel_values=unpatchify(patchify(strip, 8), 8, 24, 24), input_ids=ids)
    agree(ours.next_words(ours.look(strip), ids), theirs.logits)


@pytest.mark.parametrize(
    ("name", "vision"), [("ViT-B/16", {}), ("ViT-L/16", tower(1024, 4096, 24, 16))], ids=["base", "large"]
)
@pytest.mark.parametrize("half", HALVES)
def test_released_sizes_have_as_many_parameters_as_theirs(name, vision, half):
    kind = {"captioner": blip.Captioner, "retriever": blip.Retriever}[half]
    config = BlipConfig(vision_config=dict(image_size=224) | vision, text_config=dict(num_attention_heads=12))
    with torch.device("meta"):
        theirs, ours = HALVES[half][0](config), kind(blip.SIZES[name])
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())

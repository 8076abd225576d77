"""Qwen2-VL and Qwen2.5-VL against transformers, read from checkpoints that it saved: the tower alone, text, images of
odd sizes, videos, padded batches, gradients, greedy tokens.

Positions are ours and handed to both where the two conventions differ: see test_mrope_parity.py.
"""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLForConditionalGeneration,
)
from transformers import (
    Qwen2VLConfig as TheirQwen2VLConfig,
)

from course_lib.decoding.generation import greedy
from course_lib.foundations.mrope import after_sides
from course_lib.foundations.native import Grid, Seen
from course_lib.hub import load_qwen2_5_vl, load_qwen2_vl
from course_lib.hub.qwen2_vl import key_map
from course_lib.models.qwen2_vl import Qwen2VL, Qwen2VLReader

V, IMAGE, VIDEO, START = 53, 50, 51, 52
WORDS = [i for i in range(V) if i not in (IMAGE, VIDEO)]
TEXT = dict(vocab_size=V, hidden_size=48, intermediate_size=56, num_hidden_layers=2, bos_token_id=1, eos_token_id=None)
ROPE = {"rope_type": "default", "rope_theta": 500.0}
TEXTS = {
    "grouped": TEXT
    | dict(num_attention_heads=3, num_key_value_heads=1, rope_parameters=ROPE | {"mrope_section": [2, 3, 3]}),
    "alone": TEXT
    | dict(num_attention_heads=2, num_key_value_heads=2, rope_parameters=ROPE | {"mrope_section": [4, 5, 3]}),
}
IDS = dict(image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=49)
TOWER2 = dict(depth=2, embed_dim=24, hidden_size=48, num_heads=3, patch_size=4)
TOWER5 = dict(depth=3, hidden_size=24, out_hidden_size=48, num_heads=2, intermediate_size=37, patch_size=4)
TOWER5 |= dict(window_size=24, fullatt_block_indexes=[1], tokens_per_second=2)


def two(text: str, **more) -> nn.Module:
    tower = TOWER2 | more.pop("vision", {})
    return Qwen2VLForConditionalGeneration(
        TheirQwen2VLConfig(text_config=TEXTS[text], vision_config=tower, **IDS, **more)
    )


def two_and_a_half(text: str, **more) -> nn.Module:
    tower = TOWER5 | more.pop("vision", {})
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=TEXTS[text], vision_config=tower, **IDS, **more)
    )


MODELS = {
    "2": (load_qwen2_vl, lambda: two("grouped")),
    "2, tied, blocks of 3": (
        load_qwen2_vl,
        lambda: two("alone", tie_word_embeddings=True, vision=dict(spatial_merge_size=3, mlp_ratio=2)),
    ),
    "2.5": (load_qwen2_5_vl, lambda: two_and_a_half("grouped")),
    "2.5, tied, small windows": (
        load_qwen2_5_vl,
        lambda: two_and_a_half(
            "alone", tie_word_embeddings=True, vision=dict(window_size=17, fullatt_block_indexes=[])
        ),
    ),
}


def scrambled(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.25)
    return model.double().eval()


@pytest.fixture(params=MODELS)
def pair(request, tmp_path, float64_reference):
    """Ours, read from the folder that the reference was saved in, and the reference, both in float64."""
    load, make = MODELS[request.param]
    with float64_reference():
        reference = scrambled(make())
        reference.save_pretrained(tmp_path)
    return load(tmp_path, dtype=torch.float64), reference


def seen(ours: Qwen2VL, blocks: tuple[int, int, int], fps: float | None = None) -> Seen:
    """Random patches of a grid of so many blocks."""
    m = ours.config.tower.merge
    grid = Grid(blocks[0], m * blocks[1], m * blocks[2])
    chance = torch.Generator().manual_seed(sum(grid))
    return Seen(
        torch.randn(grid.n_patches, ours.config.tower.d_patch, dtype=torch.float64, generator=chance), grid, fps
    )


def row(ours: Qwen2VL, *parts: int | Seen) -> torch.Tensor:
    """So many tokens of text, or the placeholders of what is seen, in turn."""
    chance, found = torch.Generator().manual_seed(7), []
    for part in parts:
        if isinstance(part, int):
            found.append(torch.randint(1, 49, (part,), generator=chance))
        else:
            n = part.grid.n_tokens(ours.config.tower.merge)
            found.append(torch.full((n,), IMAGE if part.fps is None else VIDEO))
    return torch.cat(found)


def theirs(reference: nn.Module, ids: torch.Tensor, shown: list[Seen], **more):
    """They take images and videos apart, and the seconds between two frames of each video."""
    inputs = dict(input_ids=ids, mm_token_type_ids=(ids == IMAGE).int() + 2 * (ids == VIDEO).int(), **more)
    for name, grids, is_video in (
        ("pixel_values", "image_grid_thw", False),
        ("pixel_values_videos", "video_grid_thw", True),
    ):
        chosen = [one for one in shown if (one.fps is not None) == is_video]
        if chosen:
            inputs[name] = torch.cat([one.patches for one in chosen])
            inputs[grids] = torch.tensor([one.grid for one in chosen])
            if is_video and "2_5" in reference.config.model_type:
                inputs["second_per_grid_ts"] = torch.tensor([2 / one.fps for one in chosen], dtype=torch.float64)
    return inputs


CASES = {  # tokens of text in a row; or (frames of a patch, rows, columns of blocks), and frames a second of a video
    "text": [9],
    "one image": [3, (1, 5, 4), 4],
    "several of odd sizes": [(1, 1, 1), 2, (1, 5, 4), 1, (1, 1, 7), 1, (1, 3, 6), 3],
    "a video": [2, (3, 2, 3, 2.0), 3],
    "a video at 4 frames a second": [2, (5, 1, 2, 4.0), 3],
    "videos at 8 and 1, an image between": [(6, 2, 1, 8.0), 1, (1, 3, 6), 1, (2, 1, 3, 1.0), 4],
}


def made(ours: Qwen2VL, case: str) -> tuple[torch.Tensor, list[Seen]]:
    """The ids of one text, and what is seen in it."""
    parts = [part if isinstance(part, int) else seen(ours, part[:3], *part[3:]) for part in CASES[case]]
    return row(ours, *parts), [part for part in parts if isinstance(part, Seen)]


@pytest.mark.parametrize("name", CASES)
def test_logits_and_every_gradient(name, pair, float64_reference, agree):
    ours, reference = pair
    ids, shown = made(ours, name)
    ids = ids[None]
    logits = ours(ids, shown)
    judge = torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    logits.backward(judge)
    with float64_reference():
        their_logits = reference(**theirs(reference, ids, shown, position_ids=ours.positions(ids, shown))).logits
        their_logits.backward(judge)
    agree(logits, their_logits)
    compare_gradients(ours, reference, agree)
    assert not shown or ours.tower.patches.weight.grad.abs().max() > 1e-3


def compare_gradients(ours: Qwen2VL, reference: nn.Module, agree) -> None:
    """All parameters of both, each once."""
    named = reference.named_parameters()
    gradients = {name: p.grad if p.grad is not None else torch.zeros_like(p) for name, p in named}
    gradients = {released(name): grad for name, grad in gradients.items()}
    keys = key_map(ours.config)
    if ours.config.text.tied:
        keys.pop("lm.to_vocab.weight")
    for name, parameter in ours.named_parameters():
        grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        agree(grad, keys.pop(name).made(gradients))
    assert not keys and sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


def test_the_tower_alone(pair, float64_reference, agree):
    """Images within a window, of whole windows, and with a rest on one side or on both; videos."""
    ours, reference = pair
    blocks = [(1, 1, 1), (1, 3, 3), (1, 6, 3), (1, 4, 3), (1, 3, 7), (2, 5, 4), (3, 2, 2)]
    shown = [seen(ours, each) for each in blocks]
    patches, grids = torch.cat([one.patches for one in shown]), [one.grid for one in shown]
    with float64_reference():
        their_features = reference.model.visual(patches, grid_thw=torch.tensor(grids)).pooler_output
    features = ours.tower(patches, grids)
    agree(features, their_features)
    alone = [ours.tower(one.patches, [one.grid]) for one in shown]
    agree(torch.cat(alone), features)


def batch(ours: Qwen2VL, padding: str) -> tuple[torch.Tensor, list[Seen], torch.Tensor]:
    """All cases in one batch, padded on one side: ids, what is seen, is_token."""
    rows, shown = zip(*(made(ours, name) for name in CASES))
    ids = pad_sequence(rows, batch_first=True, padding_side=padding)
    is_token = pad_sequence([torch.ones_like(one) for one in rows], batch_first=True, padding_side=padding).bool()
    return ids, [one for several in shown for one in several], is_token


@pytest.mark.parametrize("padding", ["left", "right"])
def test_padded_batches(padding, pair, float64_reference, agree):
    ours, reference = pair
    ids, shown, is_token = batch(ours, padding)
    logits = ours(ids, shown, is_token=is_token)
    positions = ours.positions(ids, shown, is_token)
    with float64_reference():
        their_logits = reference(
            **theirs(reference, ids, shown, attention_mask=is_token.long(), position_ids=positions)
        ).logits
    agree(logits[is_token], their_logits[is_token])
    for i, name in enumerate(CASES):
        one, its = made(ours, name)
        agree(ours(one[None], its)[0], logits[i, is_token[i]])


def test_greedy_tokens_are_identical(pair, float64_reference):
    """20 tokens after all cases in one padded batch, by their generate and by ours; videos as long as the two rules for
    what follows agree."""
    ours, reference = pair
    ids, shown, is_token = batch(ours, "left")
    with float64_reference():
        inputs = theirs(reference, ids, shown, attention_mask=is_token.long())
        settings = dict(max_new_tokens=20, do_sample=False, suppress_tokens=[IMAGE, VIDEO])
        expected = reference.generate(**inputs, **settings)[:, ids.shape[1] :]
    ours = following_theirs(ours)
    reader = Qwen2VLReader(ours, ids.shape[1] + 20, shown, is_token)
    assert greedy(reader, ids, 20).tolist() == expected.tolist()
    assert len(set(expected.flatten().tolist())) > 4


def following_theirs(ours: Qwen2VL) -> Qwen2VL:
    ours.config = replace(ours.config, resume=after_sides)
    return ours


def test_cached_is_full(pair, agree):
    """Token by token after the prompt, and several at once: what the full pass gives at the same places."""
    ours, _ = pair
    ids, shown, is_token = batch(ours, "left")
    new = torch.randint(1, 49, (len(ids), 6), generator=torch.Generator().manual_seed(3))
    whole = torch.cat([ids, new], dim=1)
    full = ours(whole, shown, is_token=torch.cat([is_token, torch.ones_like(new).bool()], dim=1))[..., WORDS]
    reader = Qwen2VLReader(ours, whole.shape[1], shown, is_token)
    agree(reader(ids)[:, WORDS], full[:, -7])
    for t in range(3):
        agree(reader(new[:, t : t + 1])[:, WORDS], full[:, t - 6])
    agree(reader(new[:, 3:5])[:, WORDS], full[:, -2])
    last = reader(new[:, 5:])
    agree(last[:, WORDS], full[:, -1])
    assert last[:, [IMAGE, VIDEO]].isneginf().all()


def test_in_single_precision(pair, agree):
    ours, reference = pair
    ids, shown = made(ours, "several of odd sizes")
    shown = [replace(one, patches=one.patches.float()) for one in shown]
    with torch.no_grad():
        their_logits = reference.float()(**theirs(reference, ids[None], shown)).logits
    agree(ours.float()(ids[None], shown), their_logits)


def released(name: str) -> str:
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")

"""LLaVA-1.5 and LLaVA-NeXT against transformers, read from checkpoints that it saved: features, logits, the loss, every
gradient, several images in padded batches, greedy text."""

import pytest
import torch
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    MistralForCausalLM,  # noqa: F401  its module must be there before float64_reference looks for it
)
from transformers import LlavaConfig as TheirConfig
from transformers import LlavaNextConfig as TheirNextConfig
from transformers.models.llava_next.modeling_llava_next import unpad_image

from course_lib.decoding.generation import greedy
from course_lib.foundations.tiles import tiling_of
from course_lib.hub import llama as hub_llama
from course_lib.hub import load_llama, load_llava, load_llava_next
from course_lib.hub.core import From
from course_lib.hub.llava import as_on_the_hub, key_map, llava_sizes, text_config, vision_config
from course_lib.models.clip import ImageTower
from course_lib.models.llama import Llama
from course_lib.models.llava import Llava, LlavaConfig, LlavaReader
from course_lib.models.llava_next import HD_GRIDS, NEXT_GRIDS, Tiled, count, unpadded
from course_lib.models.splice import expanded
from course_lib.posttraining.log_probs import masked_mean, token_log_probs

V = 31
IMAGE, PAD = V - 1, 0


def tower(width: int, hidden: int, layers: int, heads: int, side: int, patch: int) -> dict:
    return dict(
        model_type="clip_vision_model",
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=side,
        patch_size=patch,
    )


def text(width: int, hidden: int, layers: int, heads: int, groups: int, **more) -> dict:
    return (
        dict(
            model_type="llama",
            vocab_size=V,
            hidden_size=width,
            intermediate_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=groups,
        )
        | more
    )


CONFIGS = {
    "layer -2": dict(vision_config=tower(18, 28, 4, 3, 12, 4), text_config=text(16, 26, 3, 4, 2)),
    "layer -1, Mistral": dict(
        vision_config=tower(10, 7, 1, 1, 6, 3),
        text_config=text(12, 9, 1, 2, 2, model_type="mistral", sliding_window=None, rms_norm_eps=1e-5),
        vision_feature_layer=-1,
    ),
    "layer -4, one patch, another base": dict(
        vision_config=tower(12, 20, 3, 2, 5, 5),
        text_config=text(24, 40, 2, 6, 1, rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
        vision_feature_layer=-4,
    ),
}


def scrambled(model: nn.Module, std: float = 0.3) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.double().eval()


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def texts(sizes: list[list[int]], side: str, seed: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """One text for each list of image sizes, of different lengths: words between, before and after the images."""
    chance = torch.Generator().manual_seed(seed)
    rows = []
    for i, own in enumerate(sizes):
        words = torch.randint(1, IMAGE, (4 + 3 * i + len(own),), generator=chance).tolist()
        for j in range(len(own)):
            words.insert(1 + 2 * j, IMAGE)
        rows.append(expanded(words, own, IMAGE))
    longest = max(map(len, rows))
    ids, is_token = torch.full((len(rows), longest), PAD), torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, row in enumerate(rows):
        place = slice(longest - len(row), None) if side == "left" else slice(0, len(row))
        ids[i, place], is_token[i, place] = torch.tensor(row), True
    return ids, is_token


@pytest.fixture(params=CONFIGS)
def pair(request, tmp_path, float64_reference):
    """Ours, read from the folder that the reference was saved in, and the reference, both in float64."""
    with float64_reference():  # for the frequencies of its rotation, too
        config = TheirConfig(**CONFIGS[request.param], image_token_index=IMAGE)
        reference = scrambled(LlavaForConditionalGeneration(config))
    reference.save_pretrained(tmp_path)
    return load_llava(tmp_path, dtype=torch.float64), reference


def images_for(reference, n: int) -> torch.Tensor:
    side = reference.config.vision_config.image_size
    return normal(1, n, 3, side, side)


def agree_on_gradients(ours, reference, keys, agree) -> None:
    """Of every parameter; what is not read, the tower's last blocks and norm, has none in either."""
    gradients = {as_on_the_hub(name): parameter.grad for name, parameter in reference.named_parameters()}
    idle = 0
    for name, parameter in ours.named_parameters():
        source = keys.pop(name)
        if parameter.grad is None:
            assert all(gradients[key] is None for key in source.keys) and name.startswith("tower.")
            idle += 1
        else:
            agree(parameter.grad, source.made(gradients))
    assert not keys and idle


@pytest.mark.parametrize("side", ["left", "right"])
def test_logits_loss_and_every_gradient(pair, side, float64_reference, agree):
    """Texts with two images, none and one, padded."""
    ours, reference = pair
    images, n = images_for(reference, 3), ours.tower.config.n_patches
    ids, is_token = texts([[n, n], [], [n]], side)
    is_target = is_token[:, 1:] & is_token[:, :-1] & (ids[:, 1:] != IMAGE)
    labels = ids.masked_fill(~torch.cat([torch.zeros(3, 1).bool(), is_target], dim=1), -100)
    with float64_reference():
        theirs = reference(pixel_values=images, input_ids=ids, attention_mask=is_token.long(), labels=labels)
        theirs.loss.backward()
    agree(torch.cat(ours.tokens(images)), theirs.image_hidden_states)
    logits = ours(ids, images, is_token=is_token)
    agree(logits[is_token], theirs.logits[is_token])
    loss = masked_mean(-token_log_probs(logits, ids), is_target)
    agree(loss, theirs.loss)
    loss.backward()
    agree_on_gradients(ours, reference, key_map(ours.tower.config, ours.lm.config), agree)


def test_words_alone(pair, float64_reference, agree):
    ours, reference = pair
    ids, _ = texts([[]], "left")
    with float64_reference():
        agree(ours(ids), reference(input_ids=ids).logits)


def test_in_single_precision(pair, agree):
    ours, reference = pair
    ids, _ = texts([[ours.tower.config.n_patches]], "left")
    images = images_for(reference, 1).float()
    agree(ours.float()(ids, images), reference.float()(pixel_values=images, input_ids=ids).logits)


def test_greedy_text_from_padded_prompts(pair, float64_reference):
    ours, reference = pair
    images, n = images_for(reference, 3), ours.tower.config.n_patches
    ids, is_token = texts([[n, n], [], [n]], "left")
    with float64_reference():
        theirs = reference.generate(
            pixel_values=images,
            input_ids=ids,
            attention_mask=is_token.long(),
            max_new_tokens=8,
            do_sample=False,
            eos_token_id=None,
            suppress_tokens=[IMAGE],
        )[:, ids.shape[1] :]
    assert torch.equal(greedy(LlavaReader(ours, ids.shape[1] + 8, images, is_token), ids, 8), theirs)
    assert len(theirs.unique()) > 1


@pytest.mark.parametrize(("name", "published"), [("7B", 7_063_427_072), ("13B", 13_351_494_656)])
def test_released_sizes_have_as_many_parameters_as_theirs(name, published):
    more = dict(hidden_size=5120, intermediate_size=13824, num_hidden_layers=40, num_attention_heads=40)
    config = TheirConfig(text_config=dict(model_type="llama", vocab_size=32064) | (more if name == "13B" else {}))
    told = config.to_dict()
    with torch.device("meta"):
        theirs = LlavaForConditionalGeneration(config)
        image, eps = vision_config(told)
        ours = Llava(LlavaConfig(**llava_sizes(told)), ImageTower(image, eps), Llama(text_config(told)))
        images = torch.empty(1, 3, 336, 336)
    assert {sum(p.numel() for p in model.parameters()) for model in (theirs, ours)} == {published}
    assert ours.counts(images)[0].n == config.image_seq_length == 576


NEXT = {
    "grids of 2 to 4": dict(
        vision_config=tower(18, 28, 3, 3, 12, 4),
        text_config=text(16, 26, 2, 4, 2),
        image_grid_pinpoints=[[r * 12, c * 12] for r, c in NEXT_GRIDS],
    ),
    "HD's": dict(
        vision_config=tower(10, 7, 2, 1, 6, 2),
        text_config=text(12, 9, 1, 2, 2),
        image_grid_pinpoints=[[r * 6, c * 6] for r, c in HD_GRIDS],
    ),
}
PICTURES = [(7, 5), (12, 12), (13, 40), (50, 9), (24, 24), (11, 100), (3, 17), (31, 30)]


@pytest.fixture(params=NEXT)
def next_pair(request, tmp_path, float64_reference):
    with float64_reference():
        config = TheirNextConfig(**NEXT[request.param], image_token_index=IMAGE)
        reference = scrambled(LlavaNextForConditionalGeneration(config))
    reference.save_pretrained(tmp_path)
    return load_llava_next(tmp_path, dtype=torch.float64), reference


def pictures_for(ours, sizes) -> tuple[list[Tiled], torch.Tensor]:
    """Ours, and the reference's views, filled up to the most with zeros."""
    side = ours.tower.config.height
    tilings = [tiling_of(height, width, side, ours.config.grids) for height, width in sizes]
    most = max(tiling.n_views for tiling in tilings)
    views = [normal(7 + i, tiling.n_views, 3, side, side) for i, tiling in enumerate(tilings)]
    padded = [torch.cat([v, torch.zeros(most - len(v), 3, side, side, dtype=v.dtype)]) for v in views]
    return [Tiled(*both) for both in zip(views, tilings)], torch.stack(padded)


@pytest.mark.parametrize("side", ["left", "right"])
def test_any_resolution_logits_loss_and_every_gradient(next_pair, side, float64_reference, agree):
    ours, reference = next_pair
    images, pixels = pictures_for(ours, PICTURES)
    sizes = [each.n for each in ours.counts(images)]
    ids, is_token = texts([sizes[:3], [], sizes[3:7], sizes[7:]], side)
    is_target = is_token[:, 1:] & is_token[:, :-1] & (ids[:, 1:] != IMAGE)
    labels = ids.masked_fill(~torch.cat([torch.zeros(4, 1).bool(), is_target], dim=1), -100)
    with float64_reference():
        theirs = reference(
            pixel_values=pixels,
            image_sizes=torch.tensor(PICTURES),
            input_ids=ids,
            attention_mask=is_token.long(),
            labels=labels,
        )
        theirs.loss.backward()
    agree(torch.cat(ours.tokens(images)), theirs.image_hidden_states)
    logits = ours(ids, images, is_token=is_token)
    agree(logits[is_token], theirs.logits[is_token])
    loss = masked_mean(-token_log_probs(logits, ids), is_target)
    agree(loss, theirs.loss)
    loss.backward()
    keys = key_map(ours.tower.config, ours.lm.config) | {"row_end": From("image_newline")}
    agree_on_gradients(ours, reference, keys, agree)


def test_any_resolution_greedy_text(next_pair, float64_reference):
    ours, reference = next_pair
    images, pixels = pictures_for(ours, PICTURES[2:5])
    sizes = [each.n for each in ours.counts(images)]
    ids, is_token = texts([sizes[:1], sizes[1:]], "left")
    with float64_reference():
        theirs = reference.generate(
            pixel_values=pixels,
            image_sizes=torch.tensor(PICTURES[2:5]),
            input_ids=ids,
            attention_mask=is_token.long(),
            max_new_tokens=7,
            do_sample=False,
            eos_token_id=None,
            suppress_tokens=[IMAGE],
        )[:, ids.shape[1] :]
    assert torch.equal(greedy(LlavaReader(ours, ids.shape[1] + 7, images, is_token), ids, 7), theirs)


@pytest.mark.parametrize("grids", [NEXT_GRIDS, HD_GRIDS])
@pytest.mark.parametrize(("tile", "patch"), [(336, 14), (224, 14), (12, 3)])
def test_unpadding_and_its_count_on_two_thousand_sizes(grids, tile, patch):
    """The same rows and columns are kept, by their function, and counted as their processor does."""
    side = tile // patch
    sizes = torch.randint(1, 1500, (400, 2), generator=torch.Generator().manual_seed(0)).tolist()
    for height, width in [*sizes, [1, 9], [9, 1], [20, 2000], [2000, 20], [336, 336], [337, 336], [100, 200]]:
        try:
            tiling = tiling_of(height, width, tile, grids)
        except ValueError:
            continue
        R, L = tiling.grid
        numbers = torch.arange(R * L * side**2).view(1, R * side, L * side)
        kept = unpad_image(numbers, (height, width))[0]
        assert torch.equal(numbers[0][unpadded(tiling, patch)], kept)
        assert count(tiling, patch).n == side**2 + kept.shape[0] * (kept.shape[1] + 1)


def test_llama_alone(tmp_path, float64_reference, agree):
    sizes = text(16, 26, 3, 4, 2)
    sizes.pop("model_type")
    with float64_reference():
        reference = scrambled(LlamaForCausalLM(LlamaConfig(**sizes)))
    reference.save_pretrained(tmp_path)
    ours = load_llama(tmp_path, dtype=torch.float64)
    ids = torch.randint(0, V, (2, 9), generator=torch.Generator().manual_seed(3))
    with float64_reference():
        theirs = reference(input_ids=ids).logits
        theirs.square().sum().backward()
    logits = ours(ids)
    agree(logits, theirs)
    logits.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    keys = hub_llama.key_map(ours.config.n_layers)
    for name, parameter in ours.named_parameters():
        agree(parameter.grad, keys.pop(name).made(gradients))
    assert not keys

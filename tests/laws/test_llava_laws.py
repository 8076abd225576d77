"""Laws of LLaVA and LLaVA-NeXT: caches, padding, order, what is read of the tower, what learns, the map of tiles."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.decoding.generation import beam_search, greedy
from course_lib.foundations.tiles import is_patch, tiling_of
from course_lib.models.clip import ImageConfig, ImageTower
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.llava import Llava, LlavaConfig, LlavaReader, Projector
from course_lib.models.llava_next import (
    HD_GRIDS,
    NEXT_GRIDS,
    LlavaNext,
    LlavaNextConfig,
    Tiled,
    count,
    merged,
    pack,
    unpadded,
)
from course_lib.models.splice import expanded
from course_lib.models.vit import ViT, ViTConfig

V, IMAGE, N = 20, 19, 6
LMS = {
    "Llama": lambda: Llama(LlamaConfig(n_vocab=V, d_model=16, n_layers=2)),
    "GPT-2": lambda: GPT2(GPT2Config(n_vocab=V, context=40, d_model=16, n_layers=2)),
}


def scrambled(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.double().eval()


def tower() -> ImageTower:
    return ImageTower(ImageConfig(height=8, width=12, patch=4, d_model=8, n_layers=3, n_heads=2))


@pytest.fixture(params=LMS)
def model(request):
    return scrambled(Llava(LlavaConfig(image_id=IMAGE), tower(), LMS[request.param]()))


def images(n: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 3, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def row(*ids: int) -> list[int]:
    return expanded(ids, [N] * ids.count(IMAGE), IMAGE)


def near(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and float((a - b).abs().max()) < 1e-12


def left_padded(*rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(each)) + each for each in rows])
    return ids, torch.tensor([[i >= longest - len(each) for i in range(longest)] for each in rows])


PROMPTS = [row(1, IMAGE, 2), row(3), row(IMAGE, IMAGE, 4, 5)]


def test_cached_decoding_is_the_full_pass(model):
    """One token after the other, and in pieces; the prompts are padded, and of 0, 1 and 2 images."""
    ids, is_token = left_padded(*PROMPTS)
    more = torch.randint(1, IMAGE, (3, 5), generator=torch.Generator().manual_seed(3))
    reader = LlavaReader(model, ids.shape[1] + 5, images(3), is_token)
    got = [reader(ids), reader(more[:, :1]), reader(more[:, 1:4]), reader(more[:, 4:])]
    every = torch.cat([is_token, torch.ones(3, 5).bool()], dim=1)
    full = model(torch.cat([ids, more], dim=1), images(3), is_token=every)
    full[..., IMAGE] = -torch.inf
    for logits, at in zip(got, (0, 1, 4, 5)):
        expected = full[:, ids.shape[1] - 1 + at]
        assert torch.equal(logits == -torch.inf, expected == -torch.inf)
        assert near(logits[:, :IMAGE], expected[:, :IMAGE])


def test_padding_and_company_change_nothing(model):
    """Each text alone, padded on the left, and padded on the right."""
    alone = [model(torch.tensor([PROMPTS[0]]), images(3)[:1])[0], model(torch.tensor([PROMPTS[1]]))[0]]
    alone += [model(torch.tensor([PROMPTS[2]]), images(3)[1:])[0]]
    ids, is_token = left_padded(*PROMPTS)
    right = torch.stack([row.roll(int(told.sum())) for row, told in zip(ids, is_token)])
    for each, told in ((ids, is_token), (right, is_token.flip(1))):
        logits = model(each, images(3), is_token=told)
        for i in range(3):
            assert near(logits[i][told[i]], alone[i])


def test_images_belong_to_their_places(model):
    """Two images exchanged, with their places: the same; without: not."""
    ids = torch.tensor([row(IMAGE, 3), row(IMAGE, 4)])
    pair = images(2)
    logits = model(ids, pair)
    assert near(model(ids.flip(0), pair.flip(0)), logits.flip(0))
    assert (model(ids, pair.flip(0)) - logits).abs().max() > 1e-3


def test_what_stands_before_an_image_does_not_see_it(model):
    ids = torch.tensor([row(1, 2, IMAGE, 3)])
    change = (model(ids, images(1)) - model(ids, images(1, seed=9))).abs().amax(dim=-1)[0]
    assert not change[:2].any() and (change[2:] > 1e-6).all()


def test_the_layer_before_the_last_without_the_class_token(model):
    """Written out; the last block and the last norm can be anything."""
    x = model.tower.embed(images(2))
    for block in model.tower.encoder.blocks[:2]:
        x = block(x)
    assert torch.equal(model.look(images(2)), x[:, 1:])
    before = model(torch.tensor([row(IMAGE)]), images(1))
    for part in (model.tower.encoder.blocks[2], model.tower.norm_out):
        for parameter in part.parameters():
            nn.init.normal_(parameter)
    assert torch.equal(model(torch.tensor([row(IMAGE)]), images(1)), before)


@pytest.mark.parametrize(("layer", "blocks"), [(-1, 3), (-3, 1), (-4, 0)])
def test_other_layers(layer, blocks):
    other = scrambled(Llava(LlavaConfig(image_id=IMAGE, layer=layer), tower(), LMS["Llama"]()))
    x = other.tower.embed(images(1))
    for block in other.tower.encoder.blocks[:blocks]:
        x = block(x)
    assert torch.equal(other.look(images(1)), x[:, 1:])


def test_a_vit_may_be_the_tower():
    vit = ViT(ViTConfig(height=8, width=12, patch=4, d_model=8, n_heads=2))
    other = scrambled(Llava(LlavaConfig(image_id=IMAGE), vit, LMS["Llama"]()))
    assert other(torch.tensor([row(IMAGE, 1)]), images(1)).shape == (1, 7, V)


def test_the_first_llava_projects_by_one_matrix_and_1_5_by_two_layers():
    one, two = Projector(5, 7, 1), Projector(5, 7, 2)
    x, y = torch.randn(2, 3, 5)
    zero = torch.zeros(3, 5)
    for project, is_linear in ((one, True), (two, False)):
        assert torch.allclose(project(x + y) + project(zero), project(x) + project(y), atol=1e-5) == is_linear
    assert sum(p.numel() for p in one.parameters()) == 5 * 7 + 7
    assert sum(p.numel() for p in two.parameters()) == 5 * 7 + 7 + 7 * 7 + 7
    expected = two.layers[1](nn.functional.gelu(two.layers[0](x)))
    assert torch.allclose(two(x), expected, atol=1e-6)


@pytest.mark.parametrize("parts", [("projector",), ("projector", "lm"), ()])
def test_only_what_shall_learn_has_gradients_and_moves(model, parts):
    model.learn("tower"), model.learn(*parts)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    if parts:
        model(torch.tensor([row(IMAGE, 1)]), images(1)).square().sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    for name, parameter in model.named_parameters():
        learns = name.startswith(tuple(f"{part}." for part in parts)) if parts else False
        assert parameter.requires_grad == learns and (parameter.grad is not None) == learns
        moved = not torch.equal(parameter, before[name])
        assert moved <= learns and (moved or not learns or not parameter.grad.any())


def test_greedy_and_beam_search_never_write_an_image(model):
    ids, is_token = left_padded(*PROMPTS)
    with torch.no_grad():
        model.lm.embedding.weight[IMAGE] = 50.0
    said = greedy(LlavaReader(model, ids.shape[1] + 6, images(3), is_token), ids, 6)
    assert not (said == IMAGE).any()
    found, _ = beam_search(LlavaReader(model, 40, images(1)), torch.tensor([PROMPTS[0]]), 4, n_beams=3, end=0)
    assert IMAGE not in found[0]


def test_beam_search_of_one_is_greedy(model):
    ids = torch.tensor([PROMPTS[0]])
    found, _ = beam_search(LlavaReader(model, 40, images(1)), ids, 5, n_beams=1, end=0)
    said = greedy(LlavaReader(model, 40, images(1)), ids, 5, end=0)[0].tolist()
    assert found[0] == said[: len(found[0])]


SIZES = st.tuples(st.integers(1, 200), st.integers(1, 200)).filter(lambda size: max(size) <= 12 * min(size))


@given(SIZES, st.sampled_from([NEXT_GRIDS, HD_GRIDS]), st.sampled_from([1, 2, 4]))
@settings(max_examples=60, deadline=None)
def test_the_map_is_the_picture(size, grids, patch):
    """Numbers that say where a patch lies come out in reading order, between row ends, behind the small picture; the
    kept part begins and ends within one patch of where the picture does."""
    tiling, side = tiling_of(*size, 8, grids), 8 // patch
    R, L = tiling.grid
    where = torch.stack(torch.meshgrid(torch.arange(R * side), torch.arange(L * side), indexing="ij"), dim=-1).double()
    tiles = where.view(R, side, L, side, 2).transpose(1, 2).reshape(R * L, side**2, 2)
    features = torch.cat([-torch.ones(1, side**2, 2).double(), tiles])
    assert torch.equal(merged(features, tiling.grid), where)
    packed = pack(features, tiling, patch, torch.full((2,), 99.0))
    assert len(packed) == count(tiling, patch).n and (packed[: side**2] == -1).all()
    rows, columns = unpadded(tiling, patch)
    kept = where[rows, columns]
    lines = packed[side**2 :].view(len(kept), kept.shape[1] + 1, 2)
    assert torch.equal(lines[:, :-1], kept) and (lines[:, -1] == 99).all()
    real = is_patch(tiling, patch)[1:].view(R, L, side, side).transpose(1, 2).reshape(R * side, L * side)
    for part, there in ((rows, real.any(dim=1)), (columns, real.any(dim=0))):
        places = there.nonzero()[:, 0].tolist()
        assert abs(part.start - places[0]) <= 1 and abs(part.stop - 1 - places[-1]) <= 1


@pytest.fixture
def tiler():
    config = LlavaNextConfig(image_id=IMAGE, grids=NEXT_GRIDS)
    square = ImageTower(ImageConfig(height=8, width=8, patch=4, d_model=8, n_layers=3, n_heads=2))
    return scrambled(LlavaNext(config, square, LMS["Llama"]()))


def picture(height: int, width: int, seed: int = 1) -> Tiled:
    tiling = tiling_of(height, width, 8, NEXT_GRIDS)
    chance = torch.Generator().manual_seed(seed)
    return Tiled(torch.randn(tiling.n_views, 3, 8, 8, dtype=torch.float64, generator=chance), tiling)


def test_any_resolution_cached_is_full(tiler):
    pictures = [picture(10, 24), picture(20, 9, seed=2)]
    sizes = [each.n for each in tiler.counts(pictures)]
    ids, is_token = left_padded(expanded([1, IMAGE, 2], sizes[:1], IMAGE), expanded([IMAGE, 3], sizes[1:], IMAGE))
    more = torch.tensor([[4, 5], [6, 7]])
    reader = LlavaReader(tiler, ids.shape[1] + 2, pictures, is_token)
    got = [reader(ids), reader(more[:, :1]), reader(more[:, 1:])]
    every = torch.cat([is_token, torch.ones(2, 2).bool()], dim=1)
    full = tiler(torch.cat([ids, more], dim=1), pictures, is_token=every)
    for logits, at in zip(got, range(3)):
        assert near(logits[:, :IMAGE], full[:, ids.shape[1] - 1 + at, :IMAGE])


def test_a_view_is_seen_alone(tiler):
    """One tile changed: of the picture's tokens only those of its patches move; another picture does not notice."""
    one, other = picture(16, 16), picture(9, 20, seed=4)
    before = tiler.tokens([one, other])
    views = one.views.clone()
    views[2] += 1
    after = tiler.tokens([Tiled(views, one.tiling), other])
    moved = (after[0] != before[0]).any(dim=-1)
    assert one.tiling.grid == (2, 2) and torch.equal(after[1], before[1])
    rows = moved[4:].view(4, 5)  # behind the small picture
    expected = torch.zeros(4, 5).bool()
    expected[:2, 2:4] = True  # the upper right tile; the last column are row ends
    assert torch.equal(rows, expected) and not moved[:4].any()


def test_row_ends_learn(tiler):
    one = picture(10, 24)
    ids = torch.tensor([expanded([IMAGE, 3], [tiler.counts([one])[0].n], IMAGE)])
    tiler.learn("projector", "lm", "row_end")
    tiler(ids, [one])[:, -1].square().sum().backward()
    assert tiler.row_end.grad.any() and all(p.grad is None for p in tiler.tower.parameters())

"""The fast readers of models that see are the readable ones: prompts with and without pictures, padded and not, rows
that go on in another order; and what the models refuse, they refuse."""

import pytest
import torch
from torch import nn

from course_lib.decoding.fast_seeing import FastLlavaReader, FastQwen2VLReader
from course_lib.decoding.generation import greedy
from course_lib.foundations.native import Grid, Seen
from course_lib.models.clip import ImageConfig, ImageTower
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.llava import Llava, LlavaConfig, LlavaReader
from course_lib.models.qwen2 import Qwen2Config
from course_lib.models.qwen2_5_vl import WindowTowerConfig
from course_lib.models.qwen2_vl import Qwen2VL, Qwen2VLConfig, Qwen2VLReader, TowerConfig

V, IMAGE, VIDEO = 23, 21, 22
FORMS = {"2": TowerConfig(d_out=64, patch=4, d_model=32, n_heads=4)}
FORMS["2.5"] = WindowTowerConfig(d_out=64, patch=4, d_model=32, n_heads=4, window=16)


def scrambled(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.25)
    return model.double().eval().requires_grad_(False)


@pytest.fixture
def llava() -> Llava:
    tower = ImageTower(ImageConfig(height=8, width=8, patch=4, d_model=32))
    return scrambled(Llava(LlavaConfig(image_id=IMAGE), tower, Llama(LlamaConfig(n_vocab=V))))


@pytest.fixture(params=FORMS)
def qwen(request) -> Qwen2VL:
    text = Qwen2Config(n_vocab=V, rope_base=500.0)
    return scrambled(Qwen2VL(Qwen2VLConfig(tower=FORMS[request.param], text=text, image_id=IMAGE, video_id=VIDEO)))


def seen(model: Qwen2VL, t: int, h: int, w: int, fps: float | None = None) -> Seen:
    grid, d = Grid(t, h, w), model.config.tower
    return Seen(torch.randn(grid.n_patches, 3 * 2 * d.patch**2, dtype=torch.float64), grid, fps)


def prompt(*parts: int | list[int], width: int) -> torch.Tensor:
    """So many words, or these ids; padding with 0 on the left."""
    row = [i for part in parts for i in (part if isinstance(part, list) else [3] * part)]
    return torch.tensor([0] * (width - len(row)) + row)


def two_rows(qwen: Qwen2VL) -> tuple[torch.Tensor, list[Seen], torch.Tensor]:
    """An image of 3 by 2 tokens in one text, a video of 4 times 1 by 2 in the other, which is shorter."""
    shown = [seen(qwen, 1, 6, 4), seen(qwen, 4, 2, 4, fps=0.5)]
    ids = torch.stack([prompt(4, [IMAGE] * 6, 3, width=13), prompt(1, [VIDEO] * 8, 2, width=13)])
    return ids, shown, ids > 0


def same(fast, readable, ids: torch.Tensor) -> None:
    torch.testing.assert_close(fast(ids), readable(ids), atol=1e-10, rtol=0)


@pytest.mark.parametrize("more", [[1] * 4, [3, 1], [2, 2]])
def test_qwen2_vl_is_read_alike(qwen, more):
    ids, shown, is_token = two_rows(qwen)
    fast, readable = (R(qwen, 17, shown, is_token) for R in (FastQwen2VLReader, Qwen2VLReader))
    same(fast, readable, ids)
    for part in torch.randint(1, 21, (2, 4)).split(more, dim=1):
        same(fast, readable, part)


def test_qwen2_vl_goes_on_with_the_rows_it_is_told(qwen):
    ids, shown, is_token = two_rows(qwen)
    fast, readable = (R(qwen, 20, shown, is_token) for R in (FastQwen2VLReader, Qwen2VLReader))
    same(fast, readable, ids)
    for rows in ([1, 0, 1], [2, 2, 0], [1]):
        rows = torch.tensor(rows)
        fast.reorder(rows), readable.reorder(rows)
        same(fast, readable, torch.randint(1, 21, (len(rows), 1)))


def test_time_counts_where_it_is_longer_than_the_text(qwen):
    """At one frame in ten seconds Qwen2.5-VL's times are larger than any number of tokens."""
    shown = [seen(qwen, 4, 2, 2, fps=0.1)]
    ids = prompt(1, [VIDEO] * 4, 1, width=6)[None]
    answers = [greedy(R(qwen, 12, shown), ids, 6) for R in (FastQwen2VLReader, Qwen2VLReader)]
    assert torch.equal(*answers)
    same(FastQwen2VLReader(qwen, 6, shown), Qwen2VLReader(qwen, 6, shown), ids)


@pytest.mark.parametrize("padded", [False, True])
def test_llava_is_read_alike(llava, padded):
    ids = torch.stack([prompt(3, [IMAGE] * 4, 2, width=9), prompt(*([1] if padded else [5]), [IMAGE] * 4, width=9)])
    images, is_token = torch.randn(2, 3, 8, 8, dtype=torch.float64), (ids > 0 if padded else None)
    fast, readable = (R(llava, 14, images, is_token) for R in (FastLlavaReader, LlavaReader))
    same(fast, readable, ids)
    for T in (1, 2, 1):
        same(fast, readable, torch.randint(1, 21, (2, T)))
    rows = torch.tensor([1, 1, 0])
    fast.reorder(rows), readable.reorder(rows)
    same(fast, readable, torch.randint(1, 21, (3, 1)))


def test_text_alone_is_read_alike(llava, qwen):
    ids = torch.randint(1, 21, (2, 5))
    same(FastLlavaReader(llava, 5), LlavaReader(llava, 5), ids)
    same(FastQwen2VLReader(qwen, 5), Qwen2VLReader(qwen, 5), ids)


def test_what_is_seen_is_never_next(llava, qwen):
    ids = torch.randint(1, 21, (1, 3))
    assert FastLlavaReader(llava, 3)(ids)[0, IMAGE] == -torch.inf
    assert (FastQwen2VLReader(qwen, 3)(ids)[0, [IMAGE, VIDEO]] == -torch.inf).all()


def test_a_picture_without_its_tokens_is_refused(llava, qwen):
    ids = torch.randint(1, 21, (1, 3))
    with pytest.raises(ValueError, match="4 features; say where they go"):
        FastLlavaReader(llava, 9, torch.randn(1, 3, 8, 8, dtype=torch.float64))(ids)
    with pytest.raises(ValueError, match="6 features; say where they go"):
        FastQwen2VLReader(qwen, 9, [seen(qwen, 1, 6, 4)])(ids)
    reader = FastLlavaReader(llava, 9)
    reader(ids)
    with pytest.raises(ValueError, match="1 image tokens"):  # after the prompts there are words alone
        reader(torch.tensor([[IMAGE]]))

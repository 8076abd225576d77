"""Native resolution, packed attention, windows, rotation along axes, positions: what holds for all sizes."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from course_lib.foundations.attention import attend
from course_lib.foundations.axial import AxialRotation, three_axes, two_axes
from course_lib.foundations.mrope import position_ids, times
from course_lib.foundations.native import (
    Grid,
    frame_lengths,
    frames_at,
    native_size,
    patchify_frames,
    places,
    unpatchify_frames,
)
from course_lib.foundations.packed import attend_within, same_sequence
from course_lib.foundations.rope import frequencies
from course_lib.foundations.rotation import HalfSplitRotation
from course_lib.foundations.windows import window_order

SEEDS = st.integers(0, 2**32)
MERGE = st.integers(1, 3)
BLOCKS = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def grid_of(blocks: tuple[int, int, int], merge: int = 2) -> Grid:
    return Grid(blocks[0], merge * blocks[1], merge * blocks[2])


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 40), st.integers(1, 60), st.integers(0, 3000))
def test_sizes_are_multiples_within_the_limits(height, width, factor, least, more):
    """Where the limits are a factor of 4 apart; near each other there may be no multiple between them."""
    assume(max(height, width) <= 20 * min(height, width))
    least *= 64 * factor**2
    most = 4 * least + more
    h, w = native_size(height, width, factor=factor, min_pixels=least, max_pixels=most)
    assert h % factor == w % factor == 0 and least <= h * w <= most
    assert native_size(h, w, factor=factor, min_pixels=least, max_pixels=most) == (h, w)
    assert native_size(width, height, factor=factor, min_pixels=least, max_pixels=most) == (w, h)


@given(st.integers(1, 60), st.integers(1, 60))
def test_what_fits_stays_as_it_is(rows, columns):
    """From 4 tokens to 16384, in steps of 28 pixels."""
    assume(rows * columns >= 4 and max(rows, columns) <= 200 * min(rows, columns))
    assert native_size(28 * rows, 28 * columns) == (28 * rows, 28 * columns)


@given(BLOCKS, MERGE, st.integers(1, 3), st.integers(1, 4), SEEDS)
def test_patches_put_together_are_the_frames(blocks, merge, n_frames, patch, seed):
    """With the last frame again, as often as it takes."""
    _, h, w = blocks
    frames = normal(seed, blocks[0], 2, merge * patch * h, merge * patch * w)
    patches, grid = patchify_frames(frames, patch, merge=merge, n_frames=n_frames)
    assert grid == (-(-blocks[0] // n_frames), merge * h, merge * w)
    assert grid.n_tokens(merge) == grid.t * h * w and len(patches) == grid.n_patches
    whole = unpatchify_frames(patches, grid, patch, merge=merge, n_frames=n_frames)
    assert torch.equal(whole[: len(frames)], frames)
    assert (whole[len(frames) :] == frames[-1]).all()


@given(BLOCKS, MERGE)
def test_places_are_where_the_patches_come_from(blocks, merge):
    """Cut frames whose pixels say their own row and column."""
    t, h, w = grid_of(blocks, merge)
    row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    frames = (
        torch.stack([row, column]).double().repeat_interleave(2, -1).repeat_interleave(2, -2).expand(2 * t, -1, -1, -1)
    )
    patches, grid = patchify_frames(frames, 2, merge=merge)
    said = patches.unflatten(1, (2, 8))[..., 0].T
    assert torch.equal(said.long(), places([grid], merge))


@given(BLOCKS, MERGE)
def test_the_patches_of_a_token_are_a_square(blocks, merge):
    row, column = places([grid_of(blocks, merge)], merge).unflatten(1, (-1, merge**2)).unbind()
    assert ((row // merge) == (row // merge)[:, :1]).all() and ((column // merge) == (column // merge)[:, :1]).all()
    assert len(set(zip((row % merge)[0].tolist(), (column % merge)[0].tolist()))) == merge**2


@given(st.lists(st.integers(1, 5), min_size=1, max_size=7), SEEDS)
def test_attention_within_sequences_is_attention_under_a_mask(lengths, seed):
    q, k, v = normal(seed, 3, 1, 2, sum(lengths), 4)
    read = attend_within(q, k, v, lengths)
    torch.testing.assert_close(read, attend(q, k, v, same_sequence(lengths)), rtol=0, atol=1e-12)
    first = attend_within(q[:, :, : lengths[0]], k[:, :, : lengths[0]], v[:, :, : lengths[0]], lengths[:1])
    torch.testing.assert_close(read[:, :, : lengths[0]], first, rtol=0, atol=1e-12)


@given(st.lists(BLOCKS, min_size=1, max_size=4), st.integers(1, 7), MERGE)
def test_windows_cut_every_frame_into_squares(blocks, side, merge):
    """Each block in one window; a window within one frame, at most side × side; as many as it takes; and back."""
    grids = [grid_of(each, merge) for each in blocks]
    order, lengths = window_order(grids, side, merge)
    assert torch.equal(order.sort().values, torch.arange(sum(grid.n_tokens(merge) for grid in grids)))
    assert torch.equal(order[order.argsort()], torch.arange(len(order)))
    assert len(lengths) == sum(t * -(-h // side) * -(-w // side) for t, h, w in blocks)
    frame = torch.arange(len(frame_lengths(grids))).repeat_interleave(torch.tensor(frame_lengths(grids)) // merge**2)
    block = places(grids, merge)[:, :: merge**2] // merge
    for inside in order.split([length // merge**2 for length in lengths]):
        assert len(frame[inside].unique()) == 1
        corner = block[:, inside[0]]
        assert (corner % side == 0).all()
        assert ((block[:, inside] - corner[:, None] >= 0) & (block[:, inside] - corner[:, None] < side)).all()


@given(SEEDS, st.integers(1, 9))
def test_all_axes_equal_is_rope(seed, T):
    x, at = normal(seed, 2, 3, T, 16), torch.arange(T) * 3
    plain = HalfSplitRotation(at, frequencies(16, 1e6), x.dtype)(x)
    assert torch.equal(AxialRotation(at.expand(3, T), *three_axes(16, (2, 3, 3)), x.dtype)(x), plain)
    assert torch.equal(AxialRotation(at.expand(3, 2, T), *three_axes(16, (2, 3, 3)), x.dtype)(x), plain)


@given(SEEDS, st.integers(-9, 9), st.integers(-9, 9))
def test_scores_of_the_tower_know_only_differences(seed, down, across):
    """Moved together, a patch and another score as before; moved apart along either axis, they do not."""
    q, k = normal(seed, 2, 1, 1, 2, 8)

    def score(one, other):
        turn = AxialRotation(torch.tensor([one, other]).T, *two_axes(8), q.dtype)
        return (turn(q)[0, 0, 0] * turn(k)[0, 0, 1]).sum()

    torch.testing.assert_close(score((0, 0), (2, 5)), score((down, across), (2 + down, 5 + across)), rtol=0, atol=1e-9)
    assert (score((0, 0), (2, 5)) - score((0, 0), (3, 5))).abs() > 1e-12
    assert (score((0, 0), (2, 5)) - score((0, 0), (2, 6))).abs() > 1e-12


@pytest.mark.parametrize(("sections", "axis"), [((8, 0, 0), 0), ((0, 8, 0), 1), ((0, 0, 8), 2)])
def test_a_section_listens_to_its_axis_alone(sections, axis):
    x, at = normal(0, 1, 1, 5, 16), torch.randint(9, (3, 5), generator=torch.Generator().manual_seed(0))
    turned = AxialRotation(at, *three_axes(16, sections, 100.0), x.dtype)(x)
    assert torch.equal(turned, HalfSplitRotation(at[axis], frequencies(16, 100.0), x.dtype)(x))


@st.composite
def texts(draw):
    """Padded ids of up to 3 texts (1: placeholder), the grids of what is seen, a time step each, is_token."""
    found, grids = [], []
    for _ in range(draw(st.integers(1, 3))):
        parts = [torch.zeros(draw(st.integers(1, 3)))]
        for _ in range(draw(st.integers(0, 3))):
            grids.append(grid_of(draw(BLOCKS)))
            parts += [torch.ones(grids[-1].n_tokens()), torch.zeros(draw(st.integers(0, 2)))]
        found.append(torch.cat(parts).long())
    side = draw(st.sampled_from(["left", "right"]))
    ids = torch.nn.utils.rnn.pad_sequence(found, True, padding_side=side)
    is_token = torch.nn.utils.rnn.pad_sequence([torch.ones(len(x)) for x in found], True, padding_side=side).bool()
    return ids, grids, [draw(st.sampled_from([1, 1.5, 2, 8])) for _ in grids], is_token


@given(texts())
def test_no_two_tokens_share_a_place_and_padding_moves_none(drawn):
    """And what comes later in the text is nowhere further up on all axes."""
    ids, grids, steps, is_token = drawn
    found = position_ids(ids, grids, [1] * len(grids), steps, is_token=is_token)
    seen = 0
    for b, told in enumerate(is_token):
        here = found[:, b, told]
        assert len(set(map(tuple, here.T.tolist()))) == here.shape[1]
        alone, n = ids[b, told][None], 0
        while (alone == 1).sum() > sum(grid.n_tokens() for grid in grids[seen : seen + n]):
            n += 1
        again = position_ids(alone, grids[seen : seen + n], [1] * n, steps[seen : seen + n])
        assert torch.equal(again[:, 0], here)
        text = here[:, ids[b, told] == 0]
        assert (text == text[:1]).all() and (text[0].diff() >= 1).all()
        seen += n
    assert (found[:, ~is_token] == 0).all()


@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 60))
def test_times_are_whole_and_exact(n, over, under):
    assert times(n, over / under) == [i * over // under for i in range(n)]


@given(st.integers(1, 3000), st.floats(0.1, 120), st.floats(0.1, 60))
def test_frames_are_spread_from_the_first_on(n, recorded, fps):
    taken = frames_at(n, recorded, fps)
    assert taken[0] == 0 and taken == sorted(set(taken)) and taken[-1] < n
    assert (len(taken) % 2 == 0 and len(taken) <= 768) or n == 1
    gaps = torch.tensor([*taken, n]).diff()
    assert gaps.max() - gaps.min() <= 1

"""A batch is cut at the same rows in all its parts, and every part says what its rows are."""

import pytest
import torch

from course_lib.training.pieces import Packed, cut, move, rows

LENGTHS = torch.tensor([2, 0, 3, 1])
PATCHES = torch.arange(12.0).view(6, 2)


def together(pieces: list[Packed]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([each.flat for each in pieces]), torch.cat([each.lengths for each in pieces])


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_pieces_of_packed_rows_keep_each_row_with_its_text(n):
    ids = torch.arange(4)[:, None]
    pieces = cut({"ids": ids, "patches": Packed(PATCHES, LENGTHS)}, n)
    flat, lengths = together([piece["patches"] for piece in pieces])
    assert torch.equal(flat, PATCHES) and torch.equal(lengths, LENGTHS)
    owner = torch.arange(4).repeat_interleave(LENGTHS)  # which text each patch belongs to
    for piece in pieces:
        mine = owner[(owner[:, None] == piece["ids"].flatten()).any(1)]
        assert len(mine) == len(piece["patches"].flat) == piece["patches"].lengths.sum()
        assert torch.equal(piece["patches"].flat, PATCHES[(owner[:, None] == piece["ids"].flatten()).any(1)])


def test_packed_rows_may_hold_packed_rows():
    """Three texts with 2, 0 and 2 pictures; the pictures with 2, 0, 3 and 1 patches."""
    batch = Packed(Packed(PATCHES, LENGTHS), torch.tensor([2, 0, 2]))
    first, second = cut(batch, 2)
    assert (len(first), len(second)) == (2, 1)
    assert first.flat.lengths.tolist() == [2, 0] and second.flat.lengths.tolist() == [3, 1]
    assert torch.equal(first.flat.flat, PATCHES[:2]) and torch.equal(second.flat.flat, PATCHES[2:])


@pytest.mark.parametrize("n", range(1, 8))
def test_rows_are_dealt_out_as_torch_does(n):
    batch = torch.randn(7, 3)
    for mine, theirs in zip(cut(batch, n), batch.tensor_split(n), strict=True):
        assert torch.equal(mine, theirs)


class Words:
    """A part of another kind: it has len, slices, and goes to a device."""

    def __init__(self, words):
        self.words = words

    def __len__(self):
        return len(self.words)

    def __getitem__(self, rows):
        return Words(self.words[rows])

    def to(self, device):
        return f"{self.words} on {device}"


def test_lists_become_tuples_and_parts_of_other_kinds_join():
    batch = {"a": [PATCHES, Packed(PATCHES, torch.ones(6, dtype=torch.long))], "b": Words("abcdef")}
    _, second = cut(batch, 2)
    assert second["b"].words == "def" and isinstance(second["a"], tuple)
    moved = move(second, torch.device("cpu"))
    assert moved["b"] == "def on cpu" and torch.equal(moved["a"][0], moved["a"][1].flat)


def test_parts_that_disagree_in_rows_are_refused():
    with pytest.raises(ValueError, match=r"rows: \['ids'\] 8, \['patches'\]\[0\] 8, \['patches'\]\[1\] 40; .* Packed"):
        rows({"ids": torch.zeros(8, 3), "patches": (torch.zeros(8), torch.zeros(40, 2))})
    with pytest.raises(ValueError, match=r"disagree in rows: \['ids'\] 8, \['patches'\] 4;"):
        cut({"ids": torch.zeros(8, 3), "patches": Packed(PATCHES, LENGTHS)}, 1)


@pytest.mark.parametrize("lengths", [[2, 0, 3], [2, 0, 3, 2], [-1, 4, 3]])
def test_lengths_that_do_not_add_up_are_refused(lengths):
    with pytest.raises(ValueError, match=r"add up|none below 0"):
        Packed(PATCHES, torch.tensor(lengths))


@pytest.mark.parametrize("batch", [None, 3, "text", [], {}, {"ids": None}, torch.tensor(1.0), [torch.zeros(2), 5]])
def test_what_has_no_rows_is_refused(batch):
    with pytest.raises(TypeError, match=r"it must be a tensor \[B \.\.\.\]"):
        rows(batch)

import pytest
import torch

from course_lib.foundations.attention import causal_mask
from course_lib.foundations.sparse import banded_mask


def test_window_counts_itself_by_hand():
    assert banded_mask(4, 4, 2).int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    assert torch.equal(banded_mask(5, 5, 1), torch.eye(5, dtype=torch.bool))


@pytest.mark.parametrize(("T", "S", "window"), [(1, 7, 3), (3, 7, 2), (7, 7, 4), (0, 3, 1)])
def test_a_query_sees_the_latest_keys_and_itself(T, S, window):
    mask = banded_mask(T, S, window)
    for t in range(T):
        here = S - T + t
        assert mask[t].nonzero().flatten().tolist() == list(range(max(0, here - window + 1), here + 1))


def test_a_wide_window_is_causal():
    for window in (7, 8, 100):
        assert torch.equal(banded_mask(4, 7, window), causal_mask(4, 7))


def test_bad_windows_are_refused():
    with pytest.raises(ValueError, match=r"window \(0\) must be at least 1"):
        banded_mask(3, 3, 0)
    with pytest.raises(ValueError, match="needs 0 <= T <= S"):
        banded_mask(4, 3, 2)

"""Locally banded attention (Child et al. 2019, arXiv:1904.10509), as every other layer of GPT-3 has it.

T queries · S keys, the queries being the last T of the S positions
Read first: attention.py.  Chapter 09.  Differs from causal_mask: a key too far back is hidden too.
"""

import torch
from jaxtyping import Bool
from torch import Tensor

from course_lib.foundations.attention import causal_mask
from course_lib.foundations.checks import check_count


def banded_mask(
    T: int, S: int, window: int, is_token: Bool[Tensor, "B S"] | None = None
) -> Bool[Tensor, "T S"] | Bool[Tensor, "B 1 T S"]:
    """True for the `window` latest keys of each query, itself among them: window 1 sees itself alone.

    is_token: False where a slot is padding, which takes no place in the window; whether it is seen is not said here.
    With window >= S it is causal_mask(T, S). Raises ValueError if window < 1 or not 0 <= T <= S.
    """
    check_count("window", window, 1)
    place = torch.arange(S) if is_token is None else is_token.cumsum(dim=1)[:, None]
    steps_back = place[..., S - T :, None] - place[..., None, :]
    return causal_mask(T, S).to(place.device) & (steps_back < window)

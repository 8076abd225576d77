"""Locally banded attention (Child et al. 2019, arXiv:1904.10509), as every other layer of GPT-3 has it.

T queries · S keys, the queries being the last T of the S positions
Read first: attention.py.  Chapter 09.  Differs from causal_mask: a key too far back is hidden too.
"""

import torch
from jaxtyping import Bool
from torch import Tensor

from course_lib.foundations.attention import causal_mask


def banded_mask(T: int, S: int, window: int) -> Bool[Tensor, "T S"]:
    """True for the `window` latest keys of each query, itself among them: window 1 sees itself alone.

    With window >= S it is causal_mask(T, S). Raises ValueError if window < 1 or not 0 <= T <= S.
    """
    if window < 1:
        raise ValueError(f"window ({window}) must be at least 1: a token sees itself")
    causal = causal_mask(T, S)
    return causal & torch.ones_like(causal).triu(S - T - window + 1)

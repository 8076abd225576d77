"""Attention rollout: how much of each token reaches each other through all layers (Abnar & Zuidema 2020, section 3,
arXiv:2005.00928).

n layers · B batch · H heads · T tokens
A block adds what it has read to what it had: half its token, half the heads' mean. The layers' shares multiply.
Read first: encoder.py.  Chapter 10.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def rollout(maps: Float[Tensor, "n B H T T"]) -> Float[Tensor, "B T T"]:
    """Product of (mean over heads + identity) / 2, the last layer first: each row adds up to 1, as those of maps do.

    maps: as `Encoder.attention_maps` gives them. Raises ValueError for another shape.
    """
    if maps.ndim != 5 or maps.shape[3] != maps.shape[4]:
        raise ValueError(f"maps {tuple(maps.shape)} must be [n B H T T], all layers: Encoder.attention_maps")
    identity = torch.eye(maps.shape[-1], dtype=maps.dtype, device=maps.device)
    reached = identity.expand(maps.shape[1], -1, -1)
    for heads in maps:
        reached = (heads.mean(dim=1) + identity) / 2 @ reached
    return reached

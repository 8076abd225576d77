"""Reading further than trained: RoPE with its frequencies stretched.

Dh head width · P = Dh/2 pairs · L = trained_length · s = factor = wanted length / L
Read first: rope.py.  Chapter 03.  Differs from rope.py: same rotation, slower clocks. Each function returns the new
frequencies (radians per position, float64, fastest first); which pairs it slows is all that distinguishes it.

    position_interpolation   all pairs, by s                             Chen et al. 2023, arXiv:2306.15595
    ntk_aware                by a larger base: the slowest pair by s, the fastest not at all   2309.00071, section 3.1
    dynamic_ntk              ntk_aware that grows with the text in hand  arXiv:2309.00071, section 3.3
    yarn                     pairs with few turns in L by s, with many not at all; scores scaled   arXiv:2309.00071
    llama3                   the same with another ramp                  Llama 3.1, arXiv:2407.21783
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.foundations.rope import frequencies


def position_interpolation(d_head: int, factor: float, *, base: float = 10000.0) -> Float[Tensor, "{d_head}//2"]:
    """theta_i / s: position s·m now has the angles that position m had."""
    check_stretch(factor)
    return frequencies(d_head, base) / factor


def ntk_aware(d_head: int, factor: float, *, base: float = 10000.0) -> Float[Tensor, "{d_head}//2"]:
    """base · s^(Dh/(Dh-2)): the slowest pair is slowed by exactly s, the fastest not at all, the rest in between."""
    check_stretch(factor)
    if d_head < 4:
        raise ValueError(f"d_head ({d_head}) must be at least 4: with one pair there is no slower and faster")
    return frequencies(d_head, base * factor ** (d_head / (d_head - 2)))


def dynamic_ntk(
    d_head: int, factor: float, *, n_tokens: int, trained_length: int, base: float = 10000.0
) -> Float[Tensor, "{d_head}//2"]:
    """ntk_aware with s · n_tokens / L - (s - 1) in place of s; unchanged while the text is not longer than L.

    A key that was cached under other frequencies no longer fits: recompute the cache when n_tokens grows.
    """
    check_stretch(factor, trained_length)
    n_tokens = max(n_tokens, trained_length)
    return ntk_aware(d_head, factor * n_tokens / trained_length - (factor - 1), base=base)


def yarn(
    d_head: int,
    factor: float,
    *,
    trained_length: int,
    base: float = 10000.0,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    truncate: bool = True,
) -> tuple[Float[Tensor, "{d_head}//2"], float]:
    """Frequencies and attention factor. Pairs with more than beta_fast turns inside L keep their speed, those with
    fewer than beta_slow are slowed by s, a straight ramp over the pair's index lies between.

    truncate: widen the ramp to whole indices, as the released code does and the paper does not say.
    Multiply the rotated q and k by the attention factor 0.1 ln s + 1 each (eq. 22): the scores grow by its square.
    """
    check_stretch(factor, trained_length)
    if not math.inf > beta_fast > beta_slow > 0:
        raise ValueError(
            f"beta_fast ({beta_fast}) must exceed beta_slow ({beta_slow}), which must exceed 0: turns in L, finite"
        )
    freqs = frequencies(d_head, base)

    def pair_with(turns: float) -> float:
        return d_head * math.log(trained_length / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = pair_with(beta_fast), pair_with(beta_slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, d_head - 1)
    pair = torch.arange(d_head // 2, dtype=torch.float64)
    slowed = ((pair - low) / (high - low if high != low else 0.001)).clamp(0, 1)
    return freqs / factor * slowed + freqs * (1 - slowed), 0.1 * math.log(factor) + 1


def llama3(
    d_head: int,
    factor: float = 8.0,
    *,
    trained_length: int = 8192,
    base: float = 500000.0,
    low_freq_factor: float = 1.0,
    high_freq_factor: float = 4.0,
) -> Float[Tensor, "{d_head}//2"]:
    """Pairs with fewer than low_freq_factor turns inside L are slowed by s, those with more than high_freq_factor
    keep their speed, a straight ramp over the number of turns lies between. Defaults: Llama 3.1."""
    check_stretch(factor, trained_length)
    if not high_freq_factor > low_freq_factor:
        raise ValueError(f"high_freq_factor ({high_freq_factor}) must exceed low_freq_factor ({low_freq_factor})")
    freqs = frequencies(d_head, base)
    turns = trained_length * freqs / (2 * math.pi)
    kept = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0, 1)
    return freqs / factor * (1 - kept) + freqs * kept


def check_stretch(factor: float, trained_length: int = 1) -> None:
    """Raise ValueError unless factor >= 1 and trained_length >= 1."""
    if not factor >= 1:
        raise ValueError(f"factor ({factor}) must be at least 1: wanted length / trained length")
    if trained_length < 1:
        raise ValueError(f"trained_length ({trained_length}) must be at least 1")

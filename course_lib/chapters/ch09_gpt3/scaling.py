"""Fitting a power law to loss against size: L(N) = (N_c / N)^alpha, or floor + (N_c / N)^alpha.

Kaplan et al. 2020 (arXiv:2001.08361), eq. 1.1 (no floor); Henighan et al. 2020 (arXiv:2010.14701), eq. 1.1 (floor).
GPT-3 (arXiv:2005.14165), figure 3.1, fits loss against compute.  Chapter 09.

    log L = alpha · log N_c − alpha · log N          a straight line in log–log: slope −alpha
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

EXPONENTS = np.geomspace(0.01, 4.0, 400)  # where the fit with a floor looks first


@dataclass(frozen=True)
class PowerLaw:
    """loss(N) = floor + (n_c / N)^alpha.

    alpha_error: standard error of alpha, by least squares; residual: root mean square of log(measured / fitted),
    so 0.05 says that points lie about 5 % off; r2: share of the variance of log loss that the law explains.
    """

    alpha: float
    n_c: float
    floor: float
    alpha_error: float
    residual: float
    r2: float

    def loss(self, n: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "..."]:
        return self.floor + (self.n_c / np.asarray(n, dtype=np.float64)) ** self.alpha


def fit_power_law(
    sizes: Sequence[float] | Float[np.ndarray, "M"],
    losses: Sequence[float] | Float[np.ndarray, "M"],
    *,
    with_floor: bool = False,
) -> PowerLaw:
    """Least squares through M points (size, loss).

    Without a floor: the straight line through (log size, log loss). With one: smallest relative errors; for a given
    alpha the law is linear in floor and n_c^alpha, so only alpha is searched. A floor below 0 is set to 0.
    Raises ValueError for fewer points than parameters plus one, for one size only, or for numbers not above 0.
    """
    n, loss = np.asarray(sizes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    needed = 4 if with_floor else 3
    if n.shape != loss.shape or n.ndim != 1 or len(n) < needed:
        raise ValueError(f"{n.size} sizes and {loss.size} losses; give at least {needed} of each, as many of both")
    if not all((each > 0).all() and np.isfinite(each).all() for each in (n, loss)):
        raise ValueError("sizes and losses must be above 0 and finite: the law is a line in their logarithms")
    if len(np.unique(n)) < needed - 1:
        raise ValueError(f"only {len(np.unique(n))} different sizes; the fit needs at least {needed - 1}")
    return _with_floor(n, loss) if with_floor else _line(n, loss)


def _line(n: np.ndarray, loss: np.ndarray) -> PowerLaw:
    x, y = np.log(n), np.log(loss)
    spread = ((x - x.mean()) ** 2).sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
    off = y - y.mean() - slope * (x - x.mean())
    error = np.sqrt((off**2).sum() / (len(x) - 2) / spread)
    n_c = np.exp(x.mean() - y.mean() / slope) if slope else np.inf  # where the line crosses log L = 0
    return PowerLaw(-float(slope), float(n_c), 0.0, float(error), *_quality(y, off))


def _with_floor(n: np.ndarray, loss: np.ndarray) -> PowerLaw:
    def linear(alpha: float) -> tuple[float, np.ndarray]:
        """Sum of squared relative errors, and (floor, n_c^alpha), for this alpha."""
        columns = np.stack([1 / loss, n**-alpha / loss], axis=1)
        best = np.linalg.lstsq(columns, np.ones(len(n)), rcond=None)[0]
        if best[0] < 0:
            best = np.array([0.0, columns[:, 1].sum() / (columns[:, 1] ** 2).sum()])
        return float(((columns @ best - 1) ** 2).sum()), best

    place = int(np.argmin([linear(alpha)[0] for alpha in EXPONENTS]))
    low, high = EXPONENTS[max(0, place - 1)], EXPONENTS[min(len(EXPONENTS) - 1, place + 1)]
    for _ in range(80):  # golden section between the neighbours of the best
        one, other = high - 0.618034 * (high - low), low + 0.618034 * (high - low)
        low, high = (low, other) if linear(one)[0] < linear(other)[0] else (one, high)
    alpha = (low + high) / 2
    squares, (floor, scale) = linear(alpha)
    # errors by the curvature at the best place: columns are d(fit / loss) / d(floor, scale, alpha)
    slopes = np.stack([1 / loss, n**-alpha / loss, -scale * np.log(n) * n**-alpha / loss], axis=1)
    covariance = np.linalg.pinv(slopes.T @ slopes) * squares / max(1, len(n) - 3)
    off = np.log(loss) - np.log(floor + scale * n**-alpha)
    n_c = float(np.exp(np.log(scale) / alpha)) if scale > 0 else 0.0
    return PowerLaw(float(alpha), n_c, float(floor), float(np.sqrt(covariance[2, 2])), *_quality(np.log(loss), off))


def _quality(y: np.ndarray, off: np.ndarray) -> tuple[float, float]:
    total = ((y - y.mean()) ** 2).sum()
    return float(np.sqrt((off**2).mean())), float(1 - (off**2).sum() / total) if total else 0.0

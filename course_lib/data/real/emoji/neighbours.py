"""The baseline beside which a learned encoder must stand: the nearest picture, pixel by pixel.

Q queries · G pictures to choose from
"""

import numpy as np
from jaxtyping import Int, UInt8


def nearest(
    queries: UInt8[np.ndarray, "Q H W C"], gallery: UInt8[np.ndarray, "G H W C"], k: int = 1
) -> Int[np.ndarray, "Q k"]:
    """The k pictures of the gallery nearest to each query (Euclidean), in order; of equals the earlier."""
    q, g = (pictures.reshape(len(pictures), -1).astype(np.float64) for pictures in (queries, gallery))
    distance = np.square(g).sum(1) - 2 * q @ g.T  # less |q|², which changes no order; whole numbers, so exact
    return np.argsort(distance, axis=1, kind="stable")[:, :k]


def recall(found: Int[np.ndarray, "Q k"], right: Int[np.ndarray, "Q"]) -> float:
    """R@k: the share of queries whose right answer is among the k found."""
    return float((found == right[:, None]).any(1).mean())

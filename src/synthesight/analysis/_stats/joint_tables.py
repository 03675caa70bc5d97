"""What depends on who of two observers is right when, from few images or few errors.

What two observers did on n images is a table of four cells: both right, only the first, only the
second, neither. Of its probabilities, the Jeffreys posterior is a Dirichlet distribution whose
parameters are the four counts and a half each, as if two more images had been answered by tossing
coins. What was never seen is therefore not taken to be impossible: an interval of κ has a width
where a model never erred, and stays in [-1, 1] (Brown, Cai & DasGupta 2001 for shares).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import numpy as np
from scipy.linalg import hadamard
from scipy.special import gammaincinv, ndtri
from scipy.stats import qmc

from synthesight.analysis._stats.limits import LEVEL

CELL = 0.5  # images that are added to each cell
TOSSED = 4 * CELL
_POINTS = 1024
_BLOCK = 2048  # tables at a time
_SMALL = 40  # counts whose quantiles are taken exactly


def table_limits(
    value: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    shares: Sequence[np.ndarray],
    n: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the equal-tailed Jeffreys interval of a function of each pair's table.

    The posterior is that of 1024 evenly spread points (Sobol 1967), the same for all tables.

    Parameters
    ----------
    value
        Of the first accuracy, the second accuracy and the observed agreement, of any one shape.
    shares
        These three, as they were measured: float64, shape (P,); NaN where the two share no image.
    n
        int64, shape (P,): images.

    Returns
    -------
    low, high : float64, shape (P,); NaN where the two share no image.
    """
    counts = np.maximum(np.nan_to_num(cells(*shares)), 0.0) * n[:, None]
    # Shares of repeated responses need not be whole numbers: to a thousandth of an image.
    tables, where = np.unique(np.rint(1000 * counts).astype(np.int64), axis=0, return_inverse=True)
    ends = np.empty((2, len(tables)))
    ranks = np.rint(np.array([1 - LEVEL, 1 + LEVEL]) / 2 * (_POINTS - 1)).astype(np.int64)
    for start in range(0, len(tables), _BLOCK):
        block = tables[start : start + _BLOCK]
        right, only_first, only_second, wrong = (
            np.stack([_points(cell, count) for count in column.tolist()])
            for cell, column in enumerate(block.T)
        )
        agreed = right + wrong
        total = agreed + only_first + only_second
        drawn = value((right + only_first) / total, (right + only_second) / total, agreed / total)
        ends[:, start : start + _BLOCK] = np.partition(drawn, ranks, axis=1)[:, ranks].T
    low, high = ends[:, where.ravel()]
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def cells(first: np.ndarray, second: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the shares of images that both, only the first, only the second and none got right.

    Returns
    -------
    float64, shape (..., 4).
    """
    both = (observed + first + second - 1) / 2
    return np.stack([both, first - both, second - both, 1 - first - second + both], axis=-1)


def tosses(count: int) -> np.ndarray:
    """Return the coin tosses of so many observers on images that weigh :data:`TOSSED` together.

    They are an orthogonal array of strength 3: any three observers have all eight outcomes equally
    often (Hedayat, Sloane & Stufken 1999, theorem 7.5).

    Returns
    -------
    float64, shape (K, count), of 0 and 1; each of the K images weighs ``TOSSED / K``.
    """
    size = 1 << max(1, (count - 1).bit_length())
    half = hadamard(size)[:, :count]
    return (np.vstack([half, -half]) + 1) / 2


@cache
def _orders() -> np.ndarray:
    """Return for each of four cells the order in which it takes its quantiles: int64."""
    points = qmc.Sobol(4, scramble=True, seed=0).random(_POINTS)
    return points.argsort(axis=0).argsort(axis=0).T


@lru_cache(maxsize=8192)
def _points(cell: int, thousandths: int) -> np.ndarray:
    """Return the points of the gamma distribution of a cell's count: float32."""
    shape = thousandths / 1000 + CELL
    places = (np.arange(_POINTS) + 0.5) / _POINTS
    if shape < _SMALL:
        quantiles = gammaincinv(shape, places)
    else:
        cube = 1 - 1 / (9 * shape) + ndtri(places) / (3 * np.sqrt(shape))  # Wilson & Hilferty 1931
        quantiles = shape * cube**3
    return quantiles[_orders()[cell]].astype(np.float32)

"""The bootstrap over units, where there is no influence function: weights, without a loop.

Resampling n units with replacement gives each a count; sums over a resample are these counts times
what is added up, so that all resamples are one matrix product (Efron & Tibshirani 1993).
"""

from __future__ import annotations

import numpy as np

RESAMPLES = 2000


def weights(count: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of ``count`` units is in each resample.

    Returns
    -------
    float64, shape (resamples, count); each row adds up to ``count``.
    """
    drawn = rng.integers(0, count, (resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    counts = np.bincount(drawn.ravel(), minlength=resamples * count)
    return counts.reshape(resamples, count).astype(np.float64)

"""Percentile bootstrap of ratios of sums, without a loop over resamples."""

from __future__ import annotations

import numpy as np

LEVEL = 0.95


def ratio_interval(
    numerator: np.ndarray,
    denominator: np.ndarray,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Σ numerator / Σ denominator over stimuli, with a 95 % interval.

    Stimuli are resampled with replacement (Efron & Tibshirani 1993); observers stay as they are.

    Parameters
    ----------
    numerator, denominator
        float64, shape (N,): sums of each stimulus.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    estimate, low, high : float
        NaN where the denominator is 0.
    """
    total = denominator.sum()
    if total == 0:
        return float("nan"), float("nan"), float("nan")
    count = len(numerator)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    below = times @ denominator
    ratios = (times @ numerator)[below > 0] / below[below > 0]
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(numerator.sum() / total), float(low), float(high)

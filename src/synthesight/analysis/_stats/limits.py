"""Limits of 95 % intervals, from an estimate, its variance and the variance's degrees of freedom.

Of shares, the interval is Wilson's (1927) with the sample size that the variance amounts to, and
Student's quantile in place of the normal one: as for proportions from surveys (Korn & Graubard
1998; Dean & Pagano 2015). Where hardly any outcome is of one kind, its limit is Poisson's, as
Brown, Cai & DasGupta (2001) advise; where none is, Clopper and Pearson's.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, chi2, t

from synthesight.analysis._stats.spread import Variance

LEVEL = 0.95
_TAIL = (1 - LEVEL) / 2
_FEW = 3.0  # outcomes of a kind


def share_limits(
    share: np.ndarray, variance: Variance, trials: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of shares, in [0, 1].

    Parameters
    ----------
    share
        float64, shape (G,): the estimates; NaN where undefined.
    variance
        Of each. Its units are the sample size where all outcomes are alike.
    trials
        int64, shape (G,): the largest that the sample size can be; None: it has no bound.

    Returns
    -------
    low, high : float64, shape (G,); NaN where an estimate or its variance is.

    Examples
    --------
    >>> variance = Variance(np.array([0.0025]), np.array([1e9]), np.array([100.0]))
    >>> low, high = share_limits(np.array([0.5]), variance, np.array([100]))
    >>> round(low.item(), 3), round(high.item(), 3)
    (0.404, 0.596)
    """
    quantile = student(variance.freedom)
    spread = share * (1 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(variance.value > 0, spread / variance.value, np.inf)
        n = np.maximum(n if trials is None else np.minimum(n, trials), 1e-9)
        z2 = quantile**2
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = quantile * np.sqrt(spread / n + z2 / (4 * n**2)) / (1 + z2 / n)
        low, high = centre - half, centre + half
        for few, is_low in ((share * n, True), ((1 - share) * n, False)):
            rare = (few > 0) & (few <= _FEW)
            poisson = chi2.ppf(2 * _TAIL, 2 * np.where(rare, few, 1.0)) / 2 / n
            if is_low:
                low = np.where(rare, np.minimum(low, poisson), low)
            else:
                high = np.where(rare, np.maximum(high, 1 - poisson), high)
    # One unit of a kind has no variance to see, unless all outcomes are alike.
    alike = (share == 0) | (share == 1)
    known = (np.isfinite(variance.value) & ~np.isnan(share)) | (alike & np.isinf(variance.value))
    units = np.maximum(variance.units, 1)
    low = np.where(share == 1, beta.ppf(_TAIL, units, 1), np.where(share == 0, 0.0, low))
    high = np.where(share == 0, beta.ppf(1 - _TAIL, 1, units), np.where(share == 1, 1.0, high))
    return (
        np.where(known, np.clip(low, 0, share), np.nan),
        np.where(known, np.clip(high, share, 1), np.nan),
    )


def mean_limits(
    estimate: np.ndarray, variance: Variance, least: float = -np.inf, most: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Return Student's interval of estimates that lie between ``least`` and ``most``.

    A variance of 0 says that all units were alike, an infinite one that there was one unit; neither
    leaves an interval: NaN.
    """
    told = (variance.value > 0) & np.isfinite(variance.value)
    value = np.where(told, variance.value, np.nan)
    half = student(variance.freedom) * np.sqrt(value)
    return np.maximum(estimate - half, least), np.minimum(estimate + half, most)


def correlation_limits(
    estimate: np.ndarray,
    variance: Variance,
    n: np.ndarray,  # noqa: ARG001
) -> tuple[np.ndarray, np.ndarray]:
    """Return Student's interval of correlations, on the scale of Fisher's (1915) z."""
    slope = np.where(np.abs(estimate) < 1, 1 - estimate**2, np.nan)
    wide = Variance(variance.value / slope**2, variance.freedom, variance.units)
    low, high = mean_limits(np.arctanh(np.where(np.isnan(slope), np.nan, estimate)), wide)
    return np.tanh(low), np.tanh(high)


def student(freedom: np.ndarray) -> np.ndarray:
    """Return Student's quantile of the level, NaN for less than half a degree of freedom."""
    enough = freedom >= 0.5
    return np.where(enough, t.ppf(1 - _TAIL, np.where(enough, freedom, 1.0)), np.nan)

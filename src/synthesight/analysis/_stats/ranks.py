"""How certain ranks are: which places an observer may have among others."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, t

from synthesight.analysis._stats.averages import Averages
from synthesight.analysis._stats.limits import LEVEL

_DRAWS = 4000


def rank_limits(
    averages: Averages, ranked: np.ndarray, *, higher: bool, tests: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best and the worst rank that each of M observers may have.

    An observer's rank is at least one more than the number of those who are certainly better, and
    at most as many as are not certainly worse (Mogstad, Romano, Shaikh & Wilhelm 2024). Certain is
    a difference above the quantile of the largest of an observer's M - 1 standardised differences,
    so that its interval holds its true rank in at least 95 % of studies.

    Parameters
    ----------
    averages
        Of G groups.
    ranked
        bool, shape (G,): the M groups that are ranked.
    higher
        Whether more is better.
    tests
        Measures whose intervals are to hold all at once (Bonferroni).

    Returns
    -------
    low, high : float64, shape (G,); NaN where there is no estimate, or who is not ranked.
    """
    estimate = averages.estimates()
    low, high = np.full((2, len(estimate)), np.nan)
    who = np.flatnonzero(ranked & ~np.isnan(estimate))
    if len(who) == 0:
        return low, high
    spread = averages.spread()
    covariance = spread.covariance()[np.ix_(who, who)]
    if np.isnan(covariance).any():
        return low, high
    value = estimate[who] * (1 if higher else -1)
    spectrum, directions = np.linalg.eigh(covariance)
    root = directions * np.sqrt(np.maximum(spectrum, 0))
    own = np.diag(covariance)
    error = np.sqrt(np.maximum(own[:, None] + own - 2 * covariance, 0))
    error = np.where(error > 1e-9, error, np.inf)
    drawn = np.random.default_rng(0).standard_normal((_DRAWS, len(who))) @ root.T
    level = 1 - (1 - LEVEL) / tests
    normal = norm.ppf((1 + level) / 2)
    freedom = np.maximum(spread.variance().freedom[who].min(), 1.0)
    student = t.ppf((1 + level) / 2, freedom) / normal
    for place, number in enumerate(who):
        apart = np.abs(drawn[:, [place]] - drawn) / error[place]
        least = np.quantile(apart.max(axis=1), level) * student
        lead = (value[place] - value) / error[place]
        low[number] = 1 + np.count_nonzero(lead < -least)
        high[number] = len(who) - np.count_nonzero(lead > least)
    return low, high

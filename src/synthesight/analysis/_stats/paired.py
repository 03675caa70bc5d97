"""The difference of two observers in how they agree with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import Agreement, agreements, correctness, group_mean
from synthesight.analysis._stats.bootstrap import Bootstrap
from synthesight.analysis._stats.means import Means
from synthesight.analysis._stats.response_matrix import UNIT


def agreement_difference(
    trials: pl.DataFrame,
    first: str,
    second: str,
    reference: Sequence[str],
    statistic: Callable[[Agreement], np.ndarray],
    *,
    trivial: bool,
    resamples: int,
    seed: int,
) -> tuple[np.ndarray, int]:
    """Return a statistic of the first observer with others, minus that of the second with them.

    As Klein et al. (2025), "Quantifying uncertainty in error consistency", have it for κ: stimuli
    are resampled within each condition, the same for all observers, and each resample gives the
    statistic with each reference observer, averaged over these, conditions and datasets. Here both
    sides of a difference are on the same stimuli, those that all three saw; a reference observer
    with whom either is undefined is left out of that condition.

    Parameters
    ----------
    trials
        Judged trials.
    reference
        Names of observers, none of the two among them.
    statistic
        Of an agreement; NaN where undefined.

    Returns
    -------
    differences
        float64, shape (1 + resamples,): of the trials as they are, then of each resample; NaN
        where nothing is defined.
    n
        Stimuli that both saw, and a reference observer too.
    """
    pair, other = (pl.col("observer").is_in(names) for names in ([first, second], reference))
    both = pl.col("observer").filter(pair).n_unique().over(UNIT) == 2
    trials = trials.filter(pair | other).filter(both & other.any().over(UNIT))
    if trials.is_empty():
        return np.full(1 + resamples, np.nan), 0
    bootstrap = Bootstrap(resamples, seed)
    mean = Means(pl.DataFrame({"pair": [0]}), resamples)
    total = 0
    for matrix in correctness(trials, trivial=trivial):
        names = matrix.columns["observer"].to_list()
        others = np.array([n for n, name in enumerate(names) if name in reference], dtype=np.int64)
        compared = np.array([names.index(first), names.index(second)])
        a, b = np.repeat(compared, len(others)), np.tile(others, 2)
        agreement, _ = agreements(matrix, a, b, bootstrap)
        one, two = np.split(statistic(agreement), 2, axis=1)
        gap = one - two
        values = group_mean(gap, np.ones_like(gap), np.ones((len(others), 1)))
        size = np.array([len(matrix.seen)])
        mean.add(str(matrix.key[0]), mean.groups, values[0], values[1:], size)
        total += len(matrix.seen)
    return mean.means()[:, 0], total

"""Whether one observer errs more like people than another: a difference of error consistencies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis.bootstrap import Bootstrap
from synthesight.analysis.error_consistency import kappa_of
from synthesight.analysis.means import Means
from synthesight.analysis.pairs import agreements, correctness, group_mean
from synthesight.analysis.panels import UNIT


def consistency_difference(
    known: pl.DataFrame,
    first: str,
    second: str,
    reference: Sequence[str],
    *,
    trivial: bool,
    resamples: int,
    seed: int,
) -> tuple[np.ndarray, int]:
    """κ of the first observer with others, minus κ of the second with them.

    As Klein et al. (2025), "Quantifying uncertainty in error consistency", have it: stimuli are
    resampled within each condition, the same for all observers, and each resample gives κ with
    each reference observer, averaged over these, conditions and datasets. Here both κ of a
    difference are on the same stimuli, those that all three saw; a reference observer with whom
    either is undefined is left out of that condition.

    Parameters
    ----------
    known
        Judged trials.
    reference
        Names of observers, none of the two among them.

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
    known = known.filter(pair | other).filter(both & other.any().over(UNIT))
    if known.is_empty():
        return np.full(1 + resamples, np.nan), 0
    bootstrap = Bootstrap(resamples, seed)
    mean = Means(pl.DataFrame({"pair": [0]}), resamples)
    total = 0
    for panel in correctness(known, trivial=trivial):
        names = panel.columns["observer"].to_list()
        others = np.array([n for n, name in enumerate(names) if name in reference], dtype=np.int64)
        compared = np.array([names.index(first), names.index(second)])
        a, b = np.repeat(compared, len(others)), np.tile(others, 2)
        agreement, _ = agreements(panel, a, b, bootstrap)
        one, two = np.split(kappa_of(agreement), 2, axis=1)
        gap = one - two
        values = group_mean(gap, np.ones_like(gap), np.ones((len(others), 1)))
        size = np.array([len(panel.seen)])
        mean.add(str(panel.key[0]), mean.groups, values[0], values[1:], size)
        total += len(panel.seen)
    return mean.means()[:, 0], total

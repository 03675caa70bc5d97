"""Rank correlations of pairs of columns, with their bootstrap over images."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from synthesight.analysis._stats.bootstrap import Bootstrap
from synthesight.analysis._stats.images import Images
from synthesight.analysis._stats.ratios import divide


def rank_correlations(
    first: np.ndarray, second: np.ndarray, images: Images, bootstrap: Bootstrap
) -> tuple[np.ndarray, np.ndarray]:
    """Return Spearman's correlation of pairs of columns, as it is and in resamples of the images.

    Resamples keep the ranks of the whole sample, so that all of them are sums. Ranking anew in each
    would change the interval little.

    Parameters
    ----------
    first, second
        float64, shape (S, P): the two columns of each pair; a row where either is NaN is left out.
    images
        The image of each row.

    Returns
    -------
    correlation
        float64, shape (1 + B, P): that of the sample first; NaN where a column does not vary.
    n
        int64, shape (P,): rows of each pair.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    x, y = (_standard_ranks(np.where(both, column, np.nan)) for column in (first, second))
    columns = np.hstack([both.astype(np.float64), x, y, x * x, y * y, x * y])
    total = np.vstack([columns.sum(axis=0), bootstrap.sums(columns, images)])
    n, sx, sy, sxx, syy, sxy = np.split(total, 6, axis=1)
    spread = np.maximum(n * sxx - sx**2, 0) * np.maximum(n * syy - sy**2, 0)
    # Sums of float32 leave a little where there is nothing.
    root = np.where(spread > 1e-6 * n**4, np.sqrt(spread), 0.0)
    return np.clip(divide(n * sxy - sx * sy, root), -1, 1), both.sum(axis=0)


def _standard_ranks(columns: np.ndarray) -> np.ndarray:
    """Return ranks of mean 0 and standard deviation 1; 0 where NaN, or where all are alike."""
    ranks = rankdata(columns, axis=0, nan_policy="omit")
    counted = ~np.isnan(ranks)
    n = counted.sum(axis=0)
    ranks = np.where(counted, ranks - divide(np.nansum(ranks, axis=0), n.astype(float)), 0.0)
    deviation = np.sqrt(divide((ranks**2).sum(axis=0), n.astype(float)))
    return np.nan_to_num(divide(ranks, np.broadcast_to(deviation, ranks.shape)))

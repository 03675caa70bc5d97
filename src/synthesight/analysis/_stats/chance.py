"""Whether two observers agree more, or less, than their accuracies imply: tests of κ = 0.

If one observer's errors had nothing to do with the other's, then, the accuracies given, every
assignment of its errors to the images of a condition would be as likely. Of two observers in one
condition, that is Fisher's (1935) exact test. Of means over people and conditions, it is that of
Mantel (1963): the permutation distribution of the mean κ, from its exact variance and skewness, as
Pearson's type III.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc, gammaincc, gammaln, ndtr

_BLOCK = 2_000_000


def table_chances(tables: np.ndarray) -> np.ndarray:
    """Return the two-sided p-values of Fisher's exact test.

    Parameters
    ----------
    tables
        float64, shape (P, 4): images that both, only the first, only the second and none got
        right. Tables that are not of whole numbers, as repeated responses give, have no p-value.

    Returns
    -------
    float64, shape (P,); NaN where there is none, or a margin is 0.

    Examples
    --------
    >>> table_chances(np.array([[8.0, 2.0, 1.0, 5.0]])).round(4)
    array([0.035])
    """
    counts = np.rint(tables).astype(np.int64)
    whole = np.isclose(tables, counts, atol=1e-6).all(axis=1)
    both, one, two, _ = counts.T
    first, second, n = both + one, both + two, counts.sum(axis=1)
    tested = whole & (first % np.maximum(n, 1) > 0) & (second % np.maximum(n, 1) > 0)
    p = np.full(len(counts), np.nan)
    rows = np.flatnonzero(tested)
    most = int(n.max(initial=0))
    factorial = gammaln(np.arange(most + 2) + 1.0)
    step = max(1, _BLOCK // (most + 1))
    for start in range(0, len(rows), step):
        row = rows[start : start + step]
        a, b, size = first[row, None], second[row, None], n[row, None]
        low, high = np.maximum(a + b - size, 0), np.minimum(a, b)
        k = np.clip(np.arange(most + 1), low, high)
        chance = np.exp(
            sum(factorial[each] for each in (a, size - a, b, size - b)) - factorial[size]
            - sum(factorial[each] for each in (k, a - k, b - k, size - a - b + k))
        )  # fmt: skip
        chance[(np.arange(most + 1) < low) | (np.arange(most + 1) > high)] = 0.0
        seen = np.take_along_axis(chance, both[row, None], axis=1)
        p[row] = np.where(chance <= seen * (1 + 1e-7), chance, 0.0).sum(axis=1)
    return np.minimum(p, 1.0)


def permutation_cumulants(
    right: np.ndarray, scores: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance and the third cumulant of Σ right · scores when images are permuted.

    Parameters
    ----------
    right, scores
        float64, shape (S, G): 0 in both where an image was not shown; else minus their means.
    n
        float64, shape (G,): images that were shown.
    """
    few = np.maximum(n, 3)
    variance = (right**2).sum(axis=0) * (scores**2).sum(axis=0) / np.maximum(n - 1, 1)
    third = (right**3).sum(axis=0) * (scores**3).sum(axis=0) * few / ((few - 1) * (few - 2))
    return variance, third


def mean_chances(mean: np.ndarray, variance: np.ndarray, third: np.ndarray) -> np.ndarray:
    """Return two-sided p-values of means whose expectation is 0 by chance.

    Parameters
    ----------
    mean, variance, third
        float64, shape (G,): the means, and their variance and third cumulant by chance.

    Returns
    -------
    float64, shape (G,): twice the smaller tail; NaN where nothing could vary.

    Examples
    --------
    >>> mean_chances(np.array([1.96]), np.array([1.0]), np.array([0.0])).round(3)
    array([0.05])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = mean / np.sqrt(variance)
        skewness = third / variance**1.5
        z, skewness = np.where(skewness < 0, -z, z), np.abs(skewness)
        shape = 4 / skewness**2
        # A gamma variable of mean 0, variance 1 and this skewness; without skewness, a normal one.
        place = np.maximum(shape + z * np.sqrt(shape), 0.0)
        normal = ~(skewness > 1e-4)
        below = np.where(normal, ndtr(z), gammainc(np.where(normal, 1.0, shape), place))
        above = np.where(normal, ndtr(-z), gammaincc(np.where(normal, 1.0, shape), place))
        p = np.minimum(1.0, 2 * np.minimum(below, above))
    return np.where(variance > 0, p, np.nan)

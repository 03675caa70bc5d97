"""Rank correlations of pairs of columns, and what each row moves them by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RankCorrelations:
    """Spearman's correlations of P pairs of columns.

    Attributes
    ----------
    estimate
        float64, shape (P,); NaN where a column does not vary.
    effects
        float64, shape (S, P): the influence function at each row, over the number of rows (Croux &
        Dehon 2010; here with ties); 0 of rows that are left out.
    slopes
        float64, shape (2, S, P): what the estimate gains where a row's first or second value is
        larger by 1, values being normal.
    shown
        bool, shape (S, P): the rows that count.
    """

    estimate: np.ndarray
    effects: np.ndarray
    slopes: np.ndarray
    shown: np.ndarray


def rank_correlations(first: np.ndarray, second: np.ndarray) -> RankCorrelations:
    """Return the rank correlations of pairs of columns.

    Parameters
    ----------
    first, second
        float64, shape (S, P): the two columns of each pair; a row where either is NaN is left out.

    References
    ----------
    Croux & Dehon (2010), Influence functions of the Spearman and Kendall correlation measures.

    Examples
    --------
    >>> found = rank_correlations(np.array([[1.0], [2], [3]]), np.array([[1.0], [3], [2]]))
    >>> found.estimate
    array([0.5])
    """
    shown = ~(np.isnan(first) | np.isnan(second))
    n = np.maximum(shown.sum(axis=0), 1)
    pair = [np.where(shown, column, np.nan) for column in (first, second)]
    x, y = (_Ranks.of(column, shown, n) for column in pair)

    def moment(a: _Ranks, b: _Ranks) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariance of two shares of smaller values, and its influence function."""
        product = a.share * b.share
        mean = product.sum(axis=0) / n
        gain = product + a.above(b.share) + b.above(a.share) - 3 * mean
        return mean - 1 / 4, np.where(shown, gain, 0.0)

    (xy, by_xy), (xx, by_xx), (yy, by_yy) = moment(x, y), moment(x, x), moment(y, y)
    varies = (xx > 1e-12) & (yy > 1e-12)
    xx, yy = np.where(varies, xx, 1.0), np.where(varies, yy, 1.0)
    root = np.sqrt(xx * yy)
    estimate = np.where(varies, np.clip(xy / root, -1, 1), np.nan)
    r = np.nan_to_num(estimate)
    effects = (by_xy / root - r / 2 * (by_xx / xx + by_yy / yy)) / n
    slopes = np.stack([
        (other.share - 1 / 2 - r * root / of * (own.share - 1 / 2)) / root / n * own.density
        for own, other, of in ((x, y, xx), (y, x, yy))
    ])  # fmt: skip
    kept = shown & varies
    effects, slopes = np.where(kept, effects, 0.0), np.where(kept, slopes, 0.0)
    return RankCorrelations(estimate, effects, slopes, shown)


@dataclass(frozen=True, eq=False)
class _Ranks:
    """Ranks of the values in each column: arrays of shape (S, P)."""

    order: np.ndarray
    below: np.ndarray  # rows of smaller values
    upto: np.ndarray  # rows of values that are not larger
    share: np.ndarray  # of smaller values, of equal ones half
    density: np.ndarray
    n: np.ndarray

    @classmethod
    def of(cls, column: np.ndarray, shown: np.ndarray, n: np.ndarray) -> _Ranks:
        order = column.argsort(axis=0)
        ordered = np.take_along_axis(column, order, axis=0)
        place = np.arange(len(column))[:, None]
        begins = np.ones(column.shape, dtype=bool)
        begins[1:] = ordered[1:] != ordered[:-1]
        ends = np.ones(column.shape, dtype=bool)
        ends[:-1] = begins[1:]
        lowest = np.maximum.accumulate(np.where(begins, place, 0), axis=0)
        highest = np.where(ends, place + 1, len(column))
        highest = np.minimum.accumulate(highest[::-1], axis=0)[::-1]
        below, upto = np.empty((2, *column.shape), dtype=np.int64)
        np.put_along_axis(below, order, lowest, axis=0)
        np.put_along_axis(upto, order, highest, axis=0)
        share = np.where(shown, (below + upto) / 2 / n, 0.0)
        centred = np.where(shown, column, 0.0) - np.where(shown, column, 0.0).sum(axis=0) / n
        deviation = np.sqrt((np.where(shown, centred, 0.0) ** 2).sum(axis=0) / n)
        deviation = np.where(deviation > 0, deviation, 1.0)
        density = np.exp(-((centred / deviation) ** 2) / 2) / np.sqrt(2 * np.pi) / deviation
        return cls(order, below, upto, share, density, n)

    def above(self, weight: np.ndarray) -> np.ndarray:
        """Return the mean weight of rows with larger values, those with equal ones half."""
        total = np.zeros((len(weight) + 1, weight.shape[1]))
        np.cumsum(np.take_along_axis(weight, self.order, axis=0), axis=0, out=total[1:])
        reached = [np.take_along_axis(total, at, axis=0) for at in (self.below, self.upto)]
        return (total[-1] - (reached[0] + reached[1]) / 2) / self.n

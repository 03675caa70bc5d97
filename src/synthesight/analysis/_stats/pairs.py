"""A statistic of two observers on the same stimuli, such as κ, and how it varies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from synthesight.analysis._stats.joint_tables import TOSSED, cells, table_limits, tosses
from synthesight.analysis._stats.limits import LEVEL
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import ResponseMatrix

_STEP = 1e-5  # by which shares are moved to see what a statistic depends on
_BEND = 1e-3  # and to see how that changes
# Of images that both, only the first, only the second and none got right.
_OUTCOMES = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Agreement:
    """How P pairs of observers agree on the stimuli that both saw.

    Attributes
    ----------
    first, second
        float64, shape (..., P): accuracy of either; NaN where the two share no stimulus.
    observed
        float64, shape (..., P): share of stimuli on which both are right or both are wrong,
        whatever they answered.
    """

    first: np.ndarray
    second: np.ndarray
    observed: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """Agreement of two independent observers of these accuracies."""
        return self.first * self.second + (1 - self.first) * (1 - self.second)


Statistic = Callable[[Agreement], np.ndarray]  # NaN where undefined


@dataclass(frozen=True, eq=False)
class Effects:
    """What an image moves a statistic of P pairs by, given who was right about it.

    Attributes
    ----------
    slopes
        float64, shape (3, P): what it adds by the first's being right, the second's, and their
        being alike.
    constant
        float64, shape (P,): what is subtracted from that.
    """

    slopes: np.ndarray
    constant: np.ndarray

    def of(self, columns: Sequence[np.ndarray], shown: np.ndarray | float = 1.0) -> np.ndarray:
        """Return the effects of images, by these three columns: float64, shape (S, P)."""
        first, second, same = (
            slope * each for slope, each in zip(self.slopes, columns, strict=True)
        )
        return np.asarray(first + second + same - self.constant * shown)

    @property
    def of_outcomes(self) -> np.ndarray:
        """What an image moves it by that both, one, the other or none got right: (4, P)."""
        return np.asarray(_OUTCOMES @ self.slopes - self.constant)


@dataclass(frozen=True, eq=False)
class PairValues:
    """A statistic of P pairs of observers, and how it varies.

    Attributes
    ----------
    values
        float64, shape (P,): NaN where undefined.
    ends
        Their intervals and effects.
    effects
        float64, shape (S + K, P): what each stimulus, and then each of K images that were answered
        by tossing coins, moves the statistic by to first order.
    without
        float64, shape (S, P): what the statistic loses without each stimulus.
    first, second
        float64, shape (S, P): the share of correct responses of either; 0 where not both saw it.
    both
        bool, shape (S, P): stimuli that both saw.
    n
        int64, shape (P,): how many these are.
    """

    values: np.ndarray
    ends: PairEnds
    effects: np.ndarray
    without: np.ndarray
    first: np.ndarray
    second: np.ndarray
    both: np.ndarray
    n: np.ndarray

    def rare(self) -> np.ndarray:
        """Return the fewest errors, or right responses, of either: float64, shape (P,)."""
        right = np.stack([self.first.sum(axis=0), self.second.sum(axis=0)])
        return np.asarray(np.minimum(right, self.n - right).min(axis=0))

    def tables(self) -> np.ndarray:
        """Return the stimuli that both, only the first, only the second and none got right.

        Returns
        -------
        float64, shape (P, 4).
        """
        p, q, right = (
            each.sum(axis=0) for each in (self.first, self.second, self.first * self.second)
        )
        return np.stack([right, p - right, q - right, self.n - p - q + right], axis=1)


def pair_values(
    matrix: ResponseMatrix, a: np.ndarray, b: np.ndarray, statistic: Statistic
) -> PairValues:
    """Return a statistic of pairs of columns.

    Parameters
    ----------
    matrix
        With the value ``correct``. An observer who saw a stimulus more than once counts with the
        share of its correct responses, so that the observed agreement is that of a response drawn
        from each.
    a, b
        int64, shape (P,): the columns of each pair.
    statistic
        Of an agreement; NaN where undefined.
    """
    share = np.nan_to_num(divide(matrix.values["correct"], matrix.seen))
    coins = tosses(share.shape[1])
    both = ((matrix.seen[:, a] > 0) & (matrix.seen[:, b] > 0)).astype(np.float64)
    first, second = share[:, a] * both, share[:, b] * both
    columns = (first, second, both - first - second + 2 * first * second)
    n = both.sum(axis=0)
    means = [divide(column.sum(axis=0), n) for column in columns]
    values = statistic(Agreement(*means))
    ends = pair_ends(statistic, means, n)
    tossed = (coins[:, a], coins[:, b], (coins[:, a] == coins[:, b]).astype(np.float64))
    effects = np.vstack(
        [ends.effects.of(columns, both), ends.effects.of(tossed) * np.sqrt(TOSSED / len(coins))]
    )
    without = ends.without.of(columns, both)
    for each in (effects, without):
        each[:, np.isnan(values)] = 0.0
    n = np.rint(n).astype(np.int64)
    return PairValues(values, ends, effects, without, first, second, both > 0, n)


@dataclass(frozen=True, eq=False)
class PairEnds:
    """The interval of a statistic of P tables, and what an image moves the statistic by.

    Attributes
    ----------
    centre
        float64, shape (P,): the statistic without its bias of second order, between the limits.
    low, high
        float64, shape (P,): the Jeffreys interval of the pair's table (:mod:`joint_tables`); NaN
        where the statistic is.
    below, above
        float64, shape (P,): from the centre to the ends of this interval, in standard errors and
        their normal quantiles: what effects are multiplied by to amount to it.
    effects
        To first order, of tables in which two images more are answered by tossing coins.
    without
        Of leaving the image out: the jackknife's (Efron 1982), as sums of squares add up to its
        variance.
    """

    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    below: np.ndarray
    above: np.ndarray
    effects: Effects
    without: Effects


def pair_ends(statistic: Statistic, means: Sequence[np.ndarray], n: np.ndarray) -> PairEnds:
    """Return the interval of a statistic of pairs of observers.

    Parameters
    ----------
    means
        The accuracies of both and their observed agreement: float64, shape (P,).
    n
        float64, shape (P,): images.
    """
    smooth = [(np.nan_to_num(mean) * n + TOSSED / 2) / (n + TOSSED) for mean in means]
    effects = _centred(np.nan_to_num(_slopes(statistic, smooth)) / (n + TOSSED), smooth)
    low, high = table_limits(lambda p, q, same: statistic(Agreement(p, q, same)), means, n)
    values = statistic(Agreement(*means))
    low, high = (np.where(np.isnan(values), np.nan, end) for end in (low, high))
    centre = np.clip(values - np.nan_to_num(_bias(statistic, means, n)), low, high)
    # Of responses, not of shares of repeated ones: as the limits are.
    weights = cells(*smooth) * (n + TOSSED)[:, None]
    error = np.sqrt((effects.of_outcomes**2 * weights.T).sum(axis=0)) * ndtri((1 + LEVEL) / 2)
    below, above = (np.nan_to_num(divide(gap, error)) for gap in (centre - low, high - centre))
    without = _without(statistic, means, n)
    return PairEnds(centre, low, high, below, above, effects, without)


def _centred(slopes: np.ndarray, means: Sequence[np.ndarray]) -> Effects:
    """Return the effects of these slopes that are 0 on average."""
    constant = np.sum([slope * mean for slope, mean in zip(slopes, means, strict=True)], axis=0)
    return Effects(slopes, constant)


def _without(statistic: Statistic, means: Sequence[np.ndarray], n: np.ndarray) -> Effects:
    """Return what a statistic loses without one of n images."""
    known = [np.nan_to_num(mean) for mean in means]
    counts = np.maximum(cells(*known).T * n, 0.0)
    # Repeated responses may leave less than an image of an outcome.
    step = np.minimum(counts, 1.0)
    rest = np.maximum(n - step, 1e-9)
    left = (
        (mean * n - step * outcome[:, None]) / rest
        for mean, outcome in zip(known, _OUTCOMES.T, strict=True)
    )
    lost = statistic(Agreement(*known)) - statistic(Agreement(*left))
    there = (step > 1e-6) & (rest > 1e-6)
    lost = np.nan_to_num(divide(lost, np.where(there, step, 0.0))) * (n - 1) / np.maximum(n, 1)
    both, one, two, none = lost
    constant = (both - one - two - none) / 2
    return _centred(np.stack([one, two, none]) + constant, known)


def _slopes(statistic: Statistic, means: Sequence[np.ndarray]) -> np.ndarray:
    """Return the derivatives of a statistic by both accuracies and the agreement: shape (3, P)."""
    ends = [
        [statistic(Agreement(*(mean + step * (place == which) for place, mean in enumerate(means))))
         for step in (-_STEP, _STEP)]
        for which in range(3)
    ]  # fmt: skip
    return np.array([(above - below) / (2 * _STEP) for below, above in ends])


def _bias(statistic: Statistic, means: Sequence[np.ndarray], n: np.ndarray) -> np.ndarray:
    """Return what a statistic of n images is too large by, to second order: shape (P,).

    It is half the trace of its second derivatives times the covariance of the shares (Efron 1982).
    """
    shares = cells(*means)
    ends = [
        _slopes(statistic, [mean + step * (place == which) for place, mean in enumerate(means)])
        for which in range(3)
        for step in (-_BEND, _BEND)
    ]
    curve = (np.array(ends[1::2]) - np.array(ends[::2])) / (2 * _BEND)
    mean = np.stack(means)
    covariance = np.einsum("ck,cl,pc->klp", _OUTCOMES, _OUTCOMES, shares) - mean[:, None] * mean
    return divide((curve * covariance).sum(axis=(0, 1)) / 2, n)

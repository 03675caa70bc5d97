"""Response entropy: whether some categories are named more often than others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import xlogy
from scipy.stats import beta

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.grouped import (
    group_influence,
    group_of,
    group_starts,
    group_table,
)
from synthesight.analysis._stats.limits import LEVEL, mean_limits, student
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import ResponseMatrix, judged
from synthesight.analysis._stats.spread import Spread, Variance
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.analysis.registry import metric
from synthesight.errors import SynthesightError


@metric(
    title="Response entropy",
    unit="bits",
    direction=None,
    text="Shannon entropy of the responses, in bits (Geirhos et al. 2018). It is 4 where all "
    "16 categories are named equally often, and 0 where one is always named. From n responses it "
    "comes out too small by about 15 / (2 n ln 2) bits.",
    paper="geirhos2018generalisation",
    by=(("dataset", "condition"),),
)
def response_entropy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    missing: str = "left-out",
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the Shannon entropy of the responses, in bits (Geirhos et al. 2018).

    It measures bias. Over stimuli of K categories in equal numbers, an observer who names all
    equally often has log2 K (4 bits for 16); one who always names the same has 0, whatever was
    right. Missing responses name no category and are left out; each other trial counts once.

    The estimate is that of the observed shares, as published. It is too small on average, by some
    (K − 1) / (2 n ln 2) bits of n responses (Miller 1955): 0.14 where 80 responses are spread
    over 16 categories, 0.01 where 1280 are. The interval allows for that: its centre is higher by
    half the sum over categories of the variance of a share, divided by the share. It never goes
    above log2 K, and is widened to the estimate where that lies below.

    Parameters
    ----------
    trials, by, population, resamples
        As of :func:`accuracy`.
    missing
        ``"left-out"``, or ``"counted"`` as in the published toolbox: in the total, but in no
        category, so that shares add up to less than 1. Its figures show the mean of each person's.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high`` (95 % confidence interval),
    ``n`` (responses), ``stimuli`` (that got one) and ``population``; null and 0 for an
    observer who never responded.

    Raises
    ------
    SynthesightError
        If it is no trial table, lacks a column of ``by``, or ``missing`` is neither.
    """
    if missing not in ("left-out", "counted"):
        raise SynthesightError(f"There is no `missing={missing!r}`: choose left-out or counted.")
    trials = judged(trials, by)
    responded = pl.col("response").is_not_null()
    given = trials if missing == "counted" else trials.filter(responded)
    most = np.log2(max(1, pl.concat([given["category"], given["response"]]).n_unique()))
    # A column of these matrices is one response of one observer: how often each stimulus got it.
    table = group_table(
        given,
        by,
        lambda matrix, who: _Entropies.of(matrix, who, population, most),
        {},
        population=population,
        intervals=resamples > 0,
        more=["response"],
    )
    if not by:
        return table
    everyone = trials.select(by).unique().sort(by)
    silent = (pl.col("n", "stimuli").fill_null(0), pl.col("population").fill_null(population))
    return everyone.join(
        table, on=list(by), how="left", nulls_equal=True, maintain_order="left"
    ).with_columns(*silent)


def entropy(counts: np.ndarray, starts: np.ndarray, named: np.ndarray | None = None) -> np.ndarray:
    """Return the entropy of distributions that are given as counts, in bits.

    Parameters
    ----------
    counts
        float64, shape (..., C), not negative.
    starts
        int64, shape (G,): where each distribution begins among them.
    named
        bool, shape (C,): which are of a category; others count in the total alone. None: all.

    Returns
    -------
    float64, shape (..., G); NaN of a distribution without any count.
    """
    total = np.add.reduceat(counts, starts, axis=-1)
    # −Σ p log p, with p = c / n, is (Σ c log n − Σ c log c) / n.
    within = counts if named is None else counts * named
    logarithm = np.log(np.maximum(total, 1))
    share = divide(np.add.reduceat(within, starts, axis=-1), total)
    mean = divide(np.add.reduceat(xlogy(within, counts), starts, axis=-1), total)
    return np.maximum((share * logarithm - mean) / np.log(2), 0.0)


@dataclass(frozen=True, eq=False)
class _Entropies:
    """The entropy of each group of a matrix: arrays of shape (G,)."""

    groups: pl.DataFrame
    estimate: np.ndarray
    bias: np.ndarray  # bits by which it is too small on average
    named: np.ndarray  # categories
    spread: Spread
    n: np.ndarray
    stimuli: np.ndarray
    populations: np.ndarray
    most: float  # bits that there can be

    @classmethod
    def of(
        cls, matrix: ResponseMatrix, who: Sequence[str], population: Population, most: float
    ) -> _Entropies:
        """Measure the groups of a matrix whose columns are told by ``who``, response, observer."""
        columns, seen = matrix.columns, matrix.seen
        pairs = group_starts(columns, [*who, "response"])
        starts = group_starts(columns[pairs], who)
        column_starts = pairs[starts]
        pair, group = group_of(pairs, len(columns)), group_of(starts, len(pairs))
        counts = np.add.reduceat(seen.sum(axis=0), pairs)
        total = np.add.reduceat(counts, starts)
        is_named = columns[pairs].select(pl.col("response").is_not_null()).to_series().to_numpy()
        share = counts / total[group]
        # Bits of a further response of each kind, less what it takes from the other shares.
        slope = -(np.log2(share) + 1 / np.log(2)) * is_named
        slope = (slope - np.add.reduceat(share * slope, starts)[group]) / total[group]
        effects = seen * slope[pair]
        by_group = np.add.reduceat(seen, column_starts, axis=1)
        left = np.add.reduceat(seen, pairs, axis=1) - share * by_group[:, group]
        _, image = np.unique(matrix.units.image, return_inverse=True)
        images = np.zeros((int(image.max()) + 1, len(pairs)))
        np.add.at(images, image, left / total[group])
        doubt = is_named * (images**2).sum(axis=0) / (2 * share * np.log(2))
        n = np.rint(total).astype(np.int64)
        influence, populations = group_influence(matrix, who, population, effects, seen, n)
        number = np.arange(len(starts))
        return cls(
            groups=columns[column_starts].select(who),
            estimate=entropy(counts, starts, is_named),
            bias=np.add.reduceat(doubt, starts),
            named=np.add.reduceat(is_named.astype(np.int64), starts),
            spread=Spread(population, [(number, influence)], len(starts)),
            n=n,
            stimuli=influence.shown.sum(axis=0),
            populations=populations,
            most=most,
        )

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the intervals, in bits between 0 and ``most``."""
        variance, most = self.spread.variance(), self.most
        # The bias is half the mean of a sum of K - 1 squares, whose variance this is.
        second = 2 * self.bias**2 / np.maximum(self.named - 1, 1)
        wide = Variance(variance.value + second, variance.freedom, variance.units)
        low, high = mean_limits(self.estimate + self.bias, wide, 0.0, most)
        # Who always named one category: as if all others were named as often as cannot be excluded.
        other = beta.ppf((1 + LEVEL) / 2, 1, np.maximum(variance.units, 1))
        bits = -xlogy(other, other) - xlogy(1 - other, 1 - other) + xlogy(other, 2**most - 1)
        one = (self.named <= 1) & ~np.isnan(variance.value)
        low = np.where(one, 0.0, low)
        high = np.where(one, np.minimum(bits / np.log(2), most), high)
        # Shares that happen to be even have no other spread.
        near = self.estimate - student(variance.freedom) * np.sqrt(second)
        return np.where(one, low, np.minimum(low, near)), np.maximum(high, self.estimate)

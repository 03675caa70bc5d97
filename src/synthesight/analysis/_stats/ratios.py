"""Ratios of sums over stimuli, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis._stats.grouped import (
    group_influence,
    group_of,
    group_starts,
    group_table,
)
from synthesight.analysis._stats.limits import mean_limits, share_limits
from synthesight.analysis._stats.response_matrix import ResponseMatrix
from synthesight.analysis._stats.spread import Influence, Spread
from synthesight.analysis._stats.units import POPULATION, Population

_EVERY = pl.col("correct").is_not_null()


@dataclass(frozen=True, eq=False)
class Ratio:
    """A statistic that is one sum over trials divided by another, such as accuracy.

    Attributes
    ----------
    numerator
        What is added up of each trial: an expression of the columns of
        :func:`~synthesight.analysis.judged` trials.
    denominator
        What it is divided by, added up likewise; by default the number of trials.
    counted
        Which trials count; by default all.
    """

    numerator: pl.Expr
    denominator: pl.Expr = _EVERY
    counted: pl.Expr = _EVERY

    @property
    def sums(self) -> Mapping[str, pl.Expr]:
        """What :func:`response_matrices` adds up."""
        return {"numerator": self.numerator, "denominator": self.denominator}

    def table(
        self,
        trials: pl.DataFrame,
        by: Sequence[str],
        *,
        population: Population = POPULATION,
        resamples: int = 1,
    ) -> pl.DataFrame:
        """Return one row a group, with a 95 % confidence interval.

        Parameters
        ----------
        trials
            Judged trials, with the columns ``by``.
        population, resamples
            As of :func:`~synthesight.analysis.accuracy`.

        Returns
        -------
        Columns ``by``, estimate, low, high, n, stimuli and population; null where undefined.

        Raises
        ------
        SynthesightError
            If there is no such population.
        """
        return group_table(
            trials.filter(self.counted),
            by,
            lambda matrix, who: matrix_ratios(matrix, who, population),
            self.sums,
            population=population,
            intervals=resamples > 0,
        )


@dataclass(frozen=True, eq=False)
class MatrixRatios:
    """The ratio of each group of a response matrix.

    Attributes
    ----------
    groups
        Frame of G rows.
    estimate
        float64, shape (G,); NaN where undefined.
    influence
        Of what was shown on the ratios.
    n, stimuli
        int64, shape (G,): sum of the denominators; stimuli shown.
    populations
        str, shape (G,): of which population each group can speak.
    is_share
        Whether a ratio lies between 0 and 1 whatever is shown.
    asked
        The population that was asked for.
    """

    groups: pl.DataFrame
    estimate: np.ndarray
    influence: Influence
    n: np.ndarray
    stimuli: np.ndarray
    populations: np.ndarray
    is_share: bool
    asked: Population

    def spread(self) -> Spread:
        """Return how the ratios vary."""
        count = len(self.n)
        return Spread(self.asked, [(np.arange(count), self.influence)], count)

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the intervals; NaN where nothing is known."""
        variance = self.spread().variance()
        if self.is_share:
            return share_limits(self.estimate, variance, self.n)
        return mean_limits(self.estimate, variance)


def matrix_ratios(
    matrix: ResponseMatrix, by: Sequence[str], population: Population
) -> MatrixRatios:
    """Return Σ numerator / Σ denominator of each group of a matrix's columns.

    Parameters
    ----------
    matrix
        With the values ``numerator`` and ``denominator``; its columns are told by ``by``, observer,
        kind and :data:`POOL`.
    by
        The columns that tell the groups: the first of those that tell the matrix's columns.
    population
        Whose people are a sample: human observers, unless each group is one of them.
    """
    above, below = matrix.values["numerator"], matrix.values["denominator"]
    starts = group_starts(matrix.columns, by)
    group = group_of(starts, len(matrix.columns))
    total = np.add.reduceat(below.sum(axis=0), starts)
    estimate = divide(np.add.reduceat(above.sum(axis=0), starts), total)
    left = above - np.nan_to_num(estimate)[group] * below
    effects = left / np.where(total > 0, total, 1)[group]
    count = np.add.reduceat((below > 0).sum(axis=0), starts)
    influence, populations = group_influence(matrix, by, population, effects, below, count)
    return MatrixRatios(
        groups=matrix.columns[starts].select(by),
        estimate=estimate,
        influence=influence,
        n=np.rint(total).astype(np.int64),
        stimuli=(np.add.reduceat(matrix.seen, starts, axis=1) > 0).sum(axis=0),
        populations=populations,
        is_share=bool((above >= 0).all() and (above <= below).all()),
        asked=population,
    )


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)

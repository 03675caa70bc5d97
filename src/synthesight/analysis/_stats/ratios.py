"""Ratios of sums over stimuli, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis._stats.limits import mean_limits, share_limits
from synthesight.analysis._stats.response_matrix import STIMULUS, ResponseMatrix, response_matrices
from synthesight.analysis._stats.spread import Influence, People, Spread
from synthesight.analysis._stats.units import (
    IS_HUMAN,
    POOL,
    POPULATION,
    Population,
    check_population,
    person_pool,
    persons,
    populations_of,
)

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
        check_population(population)
        trials = trials.filter(self.counted)
        strata = [column for column in by if column in STIMULUS]
        who = [column for column in by if column not in STIMULUS]
        columns = dict.fromkeys([*who, "observer", "kind", POOL])
        trials = trials.with_columns(person_pool(trials, pooled="dataset" in strata))
        parts = []
        for matrix in response_matrices(trials, strata, list(columns), self.sums):
            ratios = matrix_ratios(matrix, who, population)
            low, high = ratios.limits() if resamples else np.full((2, len(ratios.n)), np.nan)
            figures = (ratios.estimate, low, high, ratios.n, ratios.stimuli, ratios.populations)
            parts.append((matrix.key, ratios.groups, figures))
        return group_table(trials, by, parts)


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
    group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(matrix.columns)))
    total = np.add.reduceat(below.sum(axis=0), starts)
    estimate = divide(np.add.reduceat(above.sum(axis=0), starts), total)
    effects = (above - np.nan_to_num(estimate)[group] * below) / np.where(total > 0, total, 1)[
        group
    ]
    shown = np.add.reduceat(below, starts, axis=1) > 0
    sampled = np.zeros(len(matrix.columns), dtype=bool)
    if "people" in population and "observer" not in by:
        sampled = matrix.columns.select(IS_HUMAN).to_series().to_numpy()
    people = None
    if sampled.any():
        own = np.eye(len(starts), dtype=bool)[group[sampled]]
        people = People(
            *persons(matrix.columns.filter(pl.Series(sampled))),
            effects[:, sampled].sum(axis=0)[:, None] * own,
            (below[:, sampled].sum(axis=0) > 0)[:, None] & own,
        )
    squares = np.add.reduceat((effects**2).sum(axis=0), starts)
    influence = Influence(
        np.add.reduceat(effects, starts, axis=1), shown, np.diag(np.sqrt(squares)),
        np.add.reduceat((below > 0).sum(axis=0), starts), matrix.units, people,
    )  # fmt: skip
    has_people = np.add.reduceat(sampled, starts) > 0
    untold = (shown & ~matrix.units.told[:, None]).any(axis=0)
    return MatrixRatios(
        groups=matrix.columns[starts].select(by),
        estimate=estimate,
        influence=influence,
        n=np.rint(total).astype(np.int64),
        stimuli=(np.add.reduceat(matrix.seen, starts, axis=1) > 0).sum(axis=0),
        populations=populations_of(population, has_people, untold),
        is_share=bool((above >= 0).all() and (above <= below).all()),
        asked=population,
    )


def group_starts(columns: pl.DataFrame, by: Sequence[str]) -> np.ndarray:
    """Return where each group begins in rows sorted by ``by``: int64, shape (G,)."""
    if not by:
        return np.zeros(1, dtype=np.int64)
    first = columns.select(pl.struct(by).rle_id().is_first_distinct().arg_true()).to_series()
    return first.to_numpy().astype(np.int64)


def group_table(
    trials: pl.DataFrame,
    by: Sequence[str],
    parts: Sequence[tuple[tuple[object, ...], pl.DataFrame, tuple[np.ndarray, ...]]],
) -> pl.DataFrame:
    """Return the figures of the groups of all matrices, in one table.

    Parameters
    ----------
    trials
        Has the columns ``by``.
    parts
        For each matrix its key, its groups, and their estimate, low, high, n, stimuli and
        population.

    Returns
    -------
    Sorted by ``by``, then estimate, low, high, n, stimuli and population; null instead of NaN.
    """
    types = {
        **dict.fromkeys(("estimate", "low", "high"), pl.Float64),
        **dict.fromkeys(("n", "stimuli"), pl.Int64),
        "population": pl.String,
    }
    schema = {name: trials.schema[name] for name in by} | types
    if not parts:
        return pl.DataFrame(schema=schema)
    keys, groups, figures = zip(*parts, strict=True)
    strata = {name: trials.schema[name] for name in by if name in STIMULUS}
    repeated = np.repeat(np.arange(len(keys)), [len(part[0]) for part in figures])
    figure = zip(list(schema)[len(by) :], zip(*figures, strict=True), strict=True)
    result = pl.DataFrame(
        [
            *(pl.DataFrame(keys, strata, orient="row")[repeated] if strata else ()),
            *(pl.concat(groups) if groups[0].width else ()),
            *(pl.Series(name, np.concatenate(arrays), schema[name]) for name, arrays in figure),
        ]
    ).select(*schema)
    result = result.with_columns(pl.col("estimate", "low", "high").fill_nan(None))
    return result.sort(by) if by else result


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)

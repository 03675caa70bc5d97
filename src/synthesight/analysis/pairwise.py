"""Error consistency of every two observers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import by_group, correctness
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.chance import table_chances
from synthesight.analysis._stats.compared import FEW, Compared, Each
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.pairs import PairValues, pair_values
from synthesight.analysis._stats.response_matrix import ResponseMatrix, judged
from synthesight.analysis._stats.units import POPULATION, Population, check_population
from synthesight.analysis.error_consistency import kappa_of
from synthesight.errors import SynthesightError

_ALONE = "Each dataset and condition has only one observer: add the trials of another."
_MEANS = (
    "first",
    "second",
    "estimate",
    "low",
    "high",
    "p",
    "n",
    "conditions",
    "weak",
    "population",
)


@any_frame
def pairwise_consistency(
    trials: pl.DataFrame,
    by: Sequence[str] = (),
    *,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return κ of every two observers in every dataset and condition.

    The interval is the equal-tailed Jeffreys interval of the table of who was right when. Where
    stimuli combine shapes and textures, and others of these are asked for, it is as much wider as
    the standard error is.

    Parameters
    ----------
    trials, by, trivial, population, resamples
        As of :func:`error_consistency`; no human observers are needed, and none are sampled.

    Returns
    -------
    One row a pair and condition: the columns ``by``, dataset, condition, first, second, estimate
    (κ, null where undefined), low, high, p (of κ = 0, Fisher's exact test: null where an observer
    was always right, always wrong, or responded repeatedly), observed, expected, n (stimuli that
    both saw), weak (fewer than ten errors, or right responses, of either) and population; pairs
    that share none have no row.

    Raises
    ------
    SynthesightError
        If no two observers were in one condition, or there is no such population.
    """
    check_population(population)

    def table(part: pl.DataFrame) -> pl.DataFrame:
        return _by_condition(part, trivial, population, intervals=resamples > 0)

    return by_group(judged(trials, by), by, table)


def _by_condition(
    trials: pl.DataFrame, trivial: bool, population: Population, *, intervals: bool
) -> pl.DataFrame:
    tables = []
    for number, matrix, names, values in _pairs(trials, trivial=trivial):
        alone = Compared(names, population)
        alone.add(matrix, number, names, Each(values))
        low, high = values.ends.low, values.ends.high
        if "stimuli" in population and matrix.units.crossed:
            low, high = alone.limits()
        if not intervals:
            low, high = np.full((2, len(names)), np.nan)
        counts = values.tables()
        n = np.maximum(values.n, 1)
        first, second = ((counts[:, 0] + counts[:, only]) / n for only in (1, 2))
        figures = {
            "estimate": values.values,
            "low": low,
            "high": high,
            "p": table_chances(counts),
            "observed": (counts[:, 0] + counts[:, 3]) / n,
            "expected": first * second + (1 - first) * (1 - second),
        }
        dataset, condition = (pl.lit(value, pl.String) for value in matrix.key)
        tables.append(
            names.select(
                dataset.alias("dataset"),
                condition.alias("condition"),
                "first",
                "second",
                *(pl.Series(name, each).fill_nan(None) for name, each in figures.items()),
                pl.Series("n", values.n),
                pl.Series("weak", values.rare() < FEW),
                pl.Series("population", alone.mean.populations()),
            )
        )
    if not tables:
        raise SynthesightError(_ALONE)
    return pl.concat(tables).filter(pl.col("n") > 0)


@any_frame
def pairwise_means(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return κ of every two observers in every dataset, averaged over the conditions both saw.

    Parameters
    ----------
    trials, trivial, population, resamples
        As of :func:`error_consistency`; no human observers are needed, and none are sampled.

    Returns
    -------
    One row a pair and dataset: dataset, first, second, estimate (null where κ is undefined in all
    conditions), low, high, p (of κ = 0: see :func:`error_consistency`), n (stimuli that both saw),
    conditions (how many the mean is over), weak (as there) and population.

    Raises
    ------
    SynthesightError
        If no two observers were in one condition, or there is no such population.
    """
    check_population(population)
    tables = []
    everywhere = _pairs(judged(trials), trivial=trivial)
    for dataset, conditions in groupby(everywhere, key=lambda each: str(each[1].key[0])):
        parts = list(conditions)
        found = Compared(pl.concat([part[2] for part in parts]).unique(), population)
        for number, matrix, names, values in parts:
            found.add(matrix, number, names, Each(values))
        table = found.table(intervals=resamples > 0, chance=True)
        table = table.filter(pl.col("n") > 0).sort("first", "second")
        tables.append(table.select(pl.lit(dataset).alias("dataset"), *_MEANS))
    if all(table.is_empty() for table in tables):
        raise SynthesightError(_ALONE)
    return pl.concat(tables)


def _pairs(
    trials: pl.DataFrame, *, trivial: bool
) -> Iterator[tuple[int, ResponseMatrix, pl.DataFrame, PairValues]]:
    """Yield each matrix, its number and its pairs of observers, and what κ of each is."""
    for number, matrix in enumerate(correctness(trials, trivial=trivial)):
        names = matrix.columns["observer"]
        a, b = np.triu_indices(len(names), k=1)
        if len(a):
            pairs = pl.DataFrame({"first": names.gather(a), "second": names.gather(b)})
            yield number, matrix, pairs, pair_values(matrix, a, b, kappa_of)

"""A measure of each group of trials: what moves it, and the table of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import polars as pl

from synthesight.analysis._stats.response_matrix import STIMULUS, ResponseMatrix, response_matrices
from synthesight.analysis._stats.spread import Influence, People
from synthesight.analysis._stats.units import (
    IS_HUMAN,
    POOL,
    Population,
    check_population,
    person_pool,
    persons,
    populations_of,
)

_FIGURES = {
    **dict.fromkeys(("estimate", "low", "high"), pl.Float64),
    **dict.fromkeys(("n", "stimuli"), pl.Int64),
    "population": pl.String,
}


class Measured(Protocol):
    """The measures of the G groups of a matrix; arrays are of shape (G,)."""

    @property
    def groups(self) -> pl.DataFrame: ...
    @property
    def estimate(self) -> np.ndarray: ...
    @property
    def n(self) -> np.ndarray: ...
    @property
    def stimuli(self) -> np.ndarray: ...
    @property
    def populations(self) -> np.ndarray: ...

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the intervals; NaN where nothing is known."""
        ...


def group_table(
    trials: pl.DataFrame,
    by: Sequence[str],
    measure: Callable[[ResponseMatrix, Sequence[str]], Measured],
    sums: Mapping[str, pl.Expr],
    *,
    population: Population,
    intervals: bool,
    more: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the measure of each group of judged trials.

    Parameters
    ----------
    trials
        Judged trials, with the columns ``by``.
    measure
        Takes a matrix and those of ``by`` that tell its columns, which come first.
    sums
        What :func:`response_matrices` adds up.
    more
        What tells the columns of matrices beside ``by`` and the observer.

    Returns
    -------
    Sorted by ``by``, then estimate, low, high, n, stimuli and population; null instead of NaN.

    Raises
    ------
    SynthesightError
        If there is no such population.
    """
    check_population(population)
    strata = [column for column in by if column in STIMULUS]
    who = [column for column in by if column not in STIMULUS]
    schema = {name: trials.schema[name] for name in by} | _FIGURES
    trials = trials.with_columns(person_pool(trials, pooled="dataset" in strata))
    columns = list(dict.fromkeys([*who, *more, "observer", "kind", POOL]))
    keys, groups, figures = [], [], []
    for matrix in response_matrices(trials, strata, columns, sums):
        found = measure(matrix, who)
        low, high = found.limits() if intervals else np.full((2, len(found.n)), np.nan)
        keys.append(matrix.key)
        groups.append(found.groups)
        figures.append((found.estimate, low, high, found.n, found.stimuli, found.populations))
    if not keys:
        return pl.DataFrame(schema=schema)
    types = {name: trials.schema[name] for name in strata}
    repeated = np.repeat(np.arange(len(keys)), [len(part[0]) for part in figures])
    figure = zip(_FIGURES.items(), zip(*figures, strict=True), strict=True)
    result = pl.DataFrame(
        [
            *(pl.DataFrame(keys, types, orient="row")[repeated] if strata else ()),
            *(pl.concat(groups) if who else ()),
            *(pl.Series(name, np.concatenate(arrays), kind) for (name, kind), arrays in figure),
        ]
    ).select(*schema)
    result = result.with_columns(pl.col("estimate", "low", "high").fill_nan(None))
    return result.sort(by) if by else result


def group_influence(
    matrix: ResponseMatrix,
    by: Sequence[str],
    population: Population,
    effects: np.ndarray,
    weight: np.ndarray,
    count: np.ndarray,
) -> tuple[Influence, np.ndarray]:
    """Return what moves the groups of a matrix's columns, and of which population they can speak.

    Parameters
    ----------
    matrix
        Its columns are told by ``by``, observer, kind and :data:`POOL`.
    population
        Whose people are a sample: human observers, unless each group is one of them.
    effects, weight
        float64, shape (S, C): what each cell moves its group by, and what it weighs there.
    count
        int64, shape (G,): trials.
    """
    columns = matrix.columns
    starts = group_starts(columns, by)
    shown = np.add.reduceat(weight, starts, axis=1) > 0
    sampled = np.zeros(len(columns), dtype=bool)
    if "people" in population and "observer" not in by:
        sampled = columns.select(IS_HUMAN).to_series().to_numpy()
    people = None
    if sampled.any():
        own = np.eye(len(starts), dtype=bool)[group_of(starts, len(columns))[sampled]]
        people = People(
            *persons(columns.filter(pl.Series(sampled))),
            effects[:, sampled].sum(axis=0)[:, None] * own,
            (weight[:, sampled].sum(axis=0) > 0)[:, None] & own,
        )
    squares = np.add.reduceat((effects**2).sum(axis=0), starts)
    influence = Influence(
        np.add.reduceat(effects, starts, axis=1), shown, np.diag(np.sqrt(squares)), count,
        matrix.units, people,
    )  # fmt: skip
    has_people = np.add.reduceat(sampled, starts) > 0
    return influence, populations_of(population, has_people, influence.untold)


def group_starts(columns: pl.DataFrame, by: Sequence[str]) -> np.ndarray:
    """Return where each group begins in rows sorted by ``by``: int64, shape (G,)."""
    if not by:
        return np.zeros(1, dtype=np.int64)
    first = columns.select(pl.struct(by).rle_id().is_first_distinct().arg_true()).to_series()
    return first.to_numpy().astype(np.int64)


def group_of(starts: np.ndarray, count: int) -> np.ndarray:
    """Return the group of each of so many rows, given where each begins: int64, shape (count,)."""
    return np.repeat(np.arange(len(starts)), np.diff(starts, append=count))

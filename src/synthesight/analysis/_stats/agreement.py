"""Two observers on the same stimuli: how often each is right, and how often they agree.

These sums are behind error consistency, observed consistency and the accuracy difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.compared import Compared, Pairs
from synthesight.analysis._stats.pairs import Statistic
from synthesight.analysis._stats.response_matrix import ResponseMatrix, response_matrices
from synthesight.analysis._stats.trivial import without_trivial
from synthesight.analysis._stats.units import (
    IS_HUMAN,
    POOL,
    Population,
    check_population,
    person_pool,
)
from synthesight.errors import SynthesightError

PEOPLE = "people"  # name of the row of all human observers together
PARTICIPANT = "participant"  # kind of a person who is compared with people, as a model is


def with_people(trials: pl.DataFrame) -> pl.DataFrame:
    """Return trials with a column ``who``: the observer, or "people" for every human observer."""
    return trials.with_columns(who=pl.when(IS_HUMAN).then(pl.lit(PEOPLE)).otherwise("observer"))


def correctness(
    trials: pl.DataFrame, *, trivial: bool, more: Sequence[str] = ()
) -> Iterator[ResponseMatrix]:
    """Return matrices of who was right, one a dataset and condition, of judged trials.

    Parameters
    ----------
    trivial
        Whether to count the conditions that the benchmark leaves out.
    more
        Columns that tell observers apart, beside their name and kind.

    Raises
    ------
    SynthesightError
        If there are no trials, or only of conditions that the benchmark leaves out.
    """
    counted = trials if trivial else without_trivial(trials)
    if counted.is_empty():
        raise SynthesightError(
            "There are no trials to compare"
            + (": give some." if trials.is_empty() else
               " but of trivial conditions: give others, or count these with `trivial=True`.")
        )  # fmt: skip
    sums = {"correct": pl.col("correct")}
    who = ["observer", "kind", *more]
    return response_matrices(counted, ["dataset", "condition"], who, sums)


def against_people(
    trials: pl.DataFrame,
    statistics: Sequence[Statistic],
    *,
    trivial: bool,
    population: Population,
) -> list[Compared]:
    """Return statistics of each model with each human observer, averaged as the benchmark does.

    The mean is over the human observers of a condition, then over conditions, then over datasets.
    A pair for which the statistic is undefined is left out and counted.

    Parameters
    ----------
    trials
        Judged trials.
    statistics
        Functions of an agreement; NaN where undefined.

    Returns
    -------
    For each statistic the averages of every model (observer and kind) and last of ``people``, of
    kind human, which are over all pairs of two people: the ceiling.

    Raises
    ------
    SynthesightError
        If there are no human observers of the same datasets, or no such population.
    """
    check_population(population)
    models = trials.filter(~IS_HUMAN).select("observer", "kind").unique()
    people = pl.DataFrame({"observer": [PEOPLE], "kind": ["human"]})
    groups = pl.concat([models.sort("observer", "kind"), people])
    found = [Compared(groups, population) for _ in statistics]
    pools = person_pool(trials, pooled=False)
    alone = True
    matrices = correctness(trials.with_columns(pools), trivial=trivial, more=(POOL,))
    for number, matrix in enumerate(matrices):
        is_human = matrix.columns.select(IS_HUMAN).to_series()
        others, persons = np.flatnonzero(~is_human), np.flatnonzero(is_human)
        names = matrix.columns[others].select("observer", "kind")
        for statistic, each in zip(statistics, found, strict=True):
            pairs = Pairs.of(matrix, others, persons, statistic, two=True)
            if pairs is None:
                break
            alone = False
            named = pl.concat([names, people]) if pairs.two else names
            each.add(matrix, number, named, pairs)
    if alone:
        raise SynthesightError(
            "There are no human observers to compare with: add trials of kind 'human' of the same "
            "datasets (load_human_trials)."
        )
    return found


def by_group(
    trials: pl.DataFrame, by: Sequence[str], table: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Return a table of each group of trials, below each other, with the columns of the groups.

    Parameters
    ----------
    trials
        Judged trials, with the columns.
    by
        Columns that tell the groups, such as a factor; observers are rows of every table anyway.
    table
        Makes the table of a group. A group that it refuses, such as what people were not shown, is
        left out, unless all are.
    """
    columns = [column for column in by if column != "observer"]
    if not columns:
        return table(trials)
    tables = []
    refused: SynthesightError | None = None
    for key in trials.select(columns).unique().sort(columns, nulls_last=True).iter_rows():
        is_group = [
            pl.col(name).eq_missing(pl.lit(value, trials.schema[name]))
            for name, value in zip(columns, key, strict=True)
        ]
        try:
            made = table(trials.filter(*is_group))
        except SynthesightError as error:
            refused = error
            continue
        told = [
            pl.lit(value, trials.schema[name]).alias(name)
            for name, value in zip(columns, key, strict=True)
        ]
        tables.append(made.select(*told, pl.exclude(columns)))
    if refused and not tables:
        raise refused
    return pl.concat(tables)

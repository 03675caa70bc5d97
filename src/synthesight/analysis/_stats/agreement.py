"""Two observers on the same stimuli: how often each is right, and how often they agree.

These sums are behind error consistency, observed consistency and the accuracy difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import Bootstrap
from synthesight.analysis._stats.crowds import Crowds
from synthesight.analysis._stats.means import Means
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import ResponseMatrix, response_matrices
from synthesight.analysis._stats.trivial import without_trivial
from synthesight.errors import SynthesightError

PEOPLE = "people"  # name of the row of all human observers together
PARTICIPANT = "participant"  # kind of a person who is compared with people, as a model is
IS_HUMAN = (pl.col("kind") == "human").fill_null(False)


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


def with_people(trials: pl.DataFrame) -> pl.DataFrame:
    """Return trials with a column ``who``: the observer, or "people" for every human observer."""
    return trials.with_columns(who=pl.when(IS_HUMAN).then(pl.lit(PEOPLE)).otherwise("observer"))


def agreements(
    matrix: ResponseMatrix, a: np.ndarray, b: np.ndarray, bootstrap: Bootstrap
) -> tuple[Agreement, np.ndarray]:
    """Return how pairs of a matrix's columns agree, as it is and in resamples of the images.

    Parameters
    ----------
    matrix
        With the value ``correct``. An observer who saw a stimulus more than once counts with the
        share of its correct responses, so that the observed agreement is that of a response drawn
        from each.
    a, b
        int64, shape (P,): the columns of each pair.

    Returns
    -------
    agreement
        Shape (1 + resamples, P): that of the trials first.
    n
        int64, shape (P,): stimuli that both saw.
    """
    share = np.nan_to_num(divide(matrix.values["correct"], matrix.seen))
    seen = (matrix.seen > 0).astype(np.float64)
    both_right, both_seen = share[:, a] * share[:, b], seen[:, a] * seen[:, b]
    # Where other matrices share its images, a resample has more of a matrix's rows or fewer.
    if complete := matrix.images.own and bool(seen.all()):
        columns = [share, both_right]
    else:
        columns = [both_seen, share[:, a] * seen[:, b], share[:, b] * seen[:, a], both_right]
    joined = np.hstack(columns)
    total = np.vstack([joined.sum(axis=0), bootstrap.sums(joined, matrix.images)])
    parts = np.split(total, np.cumsum([column.shape[1] for column in columns])[:-1], axis=1)
    if complete:
        # Everybody saw everything: a pair's accuracies are those of its two observers.
        right, both = parts
        first, second = right[:, a], right[:, b]
        # Whole numbers until the division: observers who agree on all agree by exactly 1.
        observed = (len(seen) - first - second + 2 * both) / len(seen)
        shown = np.full(len(a), len(seen))
        return Agreement(first / len(seen), second / len(seen), observed), shown
    n, first, second, both = parts
    agreement = Agreement(
        divide(first, n), divide(second, n), divide(n - first - second + 2 * both, n)
    )
    return agreement, np.rint(n[0]).astype(np.int64)


def correctness(trials: pl.DataFrame, *, trivial: bool) -> Iterator[ResponseMatrix]:
    """Return matrices of who was right, one a dataset and condition, of judged trials.

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
    return response_matrices(counted, ["dataset", "condition"], ["observer", "kind"], sums)


def against_people(
    trials: pl.DataFrame,
    statistics: Sequence[Callable[[Agreement], np.ndarray]],
    *,
    trivial: bool,
    resample_observers: bool,
    resamples: int,
    seed: int,
) -> list[pl.DataFrame]:
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
    A table for each statistic, from the same resamples. One row a model, and one called
    ``people``, of kind human, which averages over all pairs of two people: the ceiling. Columns
    observer, kind, estimate, low, high, n (stimuli that were compared, added up over pairs),
    datasets, conditions, and undefined (conditions without any defined pair).

    Raises
    ------
    SynthesightError
        If there are no human observers of the same datasets.
    """
    models = trials.filter(~IS_HUMAN).select("observer", "kind").unique()
    people = pl.DataFrame({"observer": [PEOPLE], "kind": ["human"]})
    groups = pl.concat([models.sort("observer", "kind"), people])
    means = [Means(groups, resamples) for _ in statistics]
    bootstrap = Bootstrap(resamples, seed)
    crowds = None
    if resample_observers:
        counted = trials if trivial else without_trivial(trials)
        crowds = Crowds(counted.filter(IS_HUMAN), [], ["observer", "kind"], bootstrap)
    alone = True
    for matrix in correctness(trials, trivial=trivial):
        persons = np.flatnonzero(matrix.columns.select(IS_HUMAN).to_series())
        others = np.setdiff1d(np.arange(len(matrix.columns)), persons)
        grid = [grid.ravel() for grid in np.meshgrid(others, persons, indexing="ij")]
        two = np.triu_indices(len(persons), k=1)
        a = np.concatenate([grid[0], persons[two[0]]])
        b = np.concatenate([grid[1], persons[two[1]]])
        if len(a) == 0:
            continue
        alone = False
        agreement, n = agreements(matrix, a, b, bootstrap)
        # The group of each pair: one of the models, or last, people.
        group = np.concatenate(
            [np.repeat(np.arange(len(others)), len(persons)), np.full(len(two[0]), len(others))]
        )
        rows = np.zeros((len(a), len(others) + 1))
        rows[np.arange(len(a)), group] = 1.0
        times = np.ones((1 + resamples, len(a)))
        if crowds:
            counts = np.ones((resamples, len(matrix.columns)))
            counts[:, persons] = crowds.times(matrix.key[0], matrix.columns[persons])
            times[1:] = counts[:, a] * counts[:, b]
        used = rows.any(axis=0)
        names = pl.concat([matrix.columns[others], people]).filter(pl.Series(used))
        for statistic, mean in zip(statistics, means, strict=True):
            values = group_mean(statistic(agreement), times, rows)[:, used]
            mean.add(
                str(matrix.key[0]), names, values[0], values[1:], (n @ rows)[used].astype(np.int64)
            )
    if alone:
        raise SynthesightError(
            "There are no human observers to compare with: add trials of kind 'human' of the same "
            "datasets (load_human_trials)."
        )
    tables = [mean.table() for mean in means]
    return [table.filter(pl.col("datasets") + pl.col("undefined") > 0) for table in tables]


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


def group_mean(values: np.ndarray, times: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the defined values of each group of pairs; shape (B, G)."""
    defined = ~np.isnan(values)
    return divide((np.where(defined, values, 0.0) * times) @ groups, (defined * times) @ groups)

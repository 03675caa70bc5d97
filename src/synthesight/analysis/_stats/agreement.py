"""Two observers on the same stimuli: how often each is right, and how often they agree.

These sums are behind error consistency, observed consistency and the accuracy difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis._stats.averages import Averages, Limits
from synthesight.analysis._stats.bootstrap import Bootstrap
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import ResponseMatrix, response_matrices
from synthesight.analysis._stats.spread import Influence, People
from synthesight.analysis._stats.trivial import without_trivial
from synthesight.analysis._stats.units import (
    IS_HUMAN,
    POOL,
    Population,
    check_population,
    person_pool,
    persons,
)
from synthesight.errors import SynthesightError

PEOPLE = "people"  # name of the row of all human observers together
_STEP = 1e-5  # by which shares are moved to see what a statistic depends on
PARTICIPANT = "participant"  # kind of a person who is compared with people, as a model is


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


def pair_effects(
    matrix: ResponseMatrix,
    a: np.ndarray,
    b: np.ndarray,
    statistic: Callable[[Agreement], np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a statistic of pairs of columns, and what each stimulus moves it by to first order.

    Parameters
    ----------
    matrix, a, b
        As of :func:`agreements`.
    statistic
        Of an agreement; NaN where undefined.

    Returns
    -------
    values
        float64, shape (P,).
    effects
        float64, shape (S, P): 0 where the statistic is undefined.
    n
        int64, shape (P,): stimuli that both saw.
    """
    share = np.nan_to_num(divide(matrix.values["correct"], matrix.seen))
    seen = matrix.seen > 0
    both = (seen[:, a] & seen[:, b]).astype(np.float64)
    first, second = share[:, a] * both, share[:, b] * both
    same = both - first - second + 2 * first * second
    n = both.sum(axis=0)
    sums = [column.sum(axis=0) for column in (first, second, same)]
    means = [divide(total, n) for total in sums]
    values = statistic(Agreement(*means))
    effects = np.zeros(both.shape)
    for which, column in enumerate((first, second, same)):
        ends = []
        for step in (-_STEP, _STEP):
            moved = [mean + step * (place == which) for place, mean in enumerate(means)]
            ends.append(statistic(Agreement(*moved)))
        slope = np.nan_to_num((ends[1] - ends[0]) / (2 * _STEP))
        effects += (column - np.nan_to_num(means[which]) * both) * divide(slope, n)
    effects[:, np.isnan(values)] = 0.0
    return values, effects, np.rint(n).astype(np.int64)


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
    statistics: Sequence[Callable[[Agreement], np.ndarray]],
    *,
    trivial: bool,
    population: Population,
) -> list[Averages]:
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
    means = [Averages(groups, population) for _ in statistics]
    pools = person_pool(trials, pooled=False)
    alone = True
    for matrix in correctness(trials.with_columns(pools), trivial=trivial, more=(POOL,)):
        pairs = Pairs.of(matrix.columns)
        if len(pairs.a) == 0:
            continue
        alone = False
        names = pl.concat([pairs.models, people]).filter(pl.Series(pairs.used))
        for statistic, mean in zip(statistics, means, strict=True):
            values, effects, n = pair_effects(matrix, pairs.a, pairs.b, statistic)
            estimate, influence = pairs.mean(values, effects, n, matrix, population)
            total = np.bincount(pairs.group, n, minlength=len(pairs.used))[pairs.used]
            mean.add(str(matrix.key[0]), names, estimate, influence, total.astype(np.int64))
    if alone:
        raise SynthesightError(
            "There are no human observers to compare with: add trials of kind 'human' of the same "
            "datasets (load_human_trials)."
        )
    return means


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a matrix's columns that are compared: models with people, people with people.

    Attributes
    ----------
    models, people
        Frames of M and J rows.
    a, b
        int64, shape (P,): the columns of each pair; ``b`` is a person.
    group
        int64, shape (P,): the model, by number, or M for two people.
    used
        bool, shape (M + 1,): groups that have a pair.
    """

    models: pl.DataFrame
    people: pl.DataFrame
    persons: np.ndarray
    a: np.ndarray
    b: np.ndarray
    group: np.ndarray
    used: np.ndarray

    @classmethod
    def of(cls, columns: pl.DataFrame) -> Pairs:
        """Return the pairs of the columns of a matrix."""
        human = columns.select(IS_HUMAN).to_series()
        persons = np.flatnonzero(human)
        others = np.flatnonzero(~human)
        grid = [axis.ravel() for axis in np.meshgrid(others, persons, indexing="ij")]
        two = np.triu_indices(len(persons), k=1)
        group = np.concatenate(
            [np.repeat(np.arange(len(others)), len(persons)), np.full(len(two[0]), len(others))]
        )
        return cls(
            columns[others].select("observer", "kind"),
            columns[persons],
            persons,
            np.concatenate([grid[0], persons[two[0]]]),
            np.concatenate([grid[1], persons[two[1]]]),
            group,
            np.bincount(group, minlength=len(others) + 1) > 0,
        )

    def mean(
        self,
        values: np.ndarray,
        effects: np.ndarray,
        n: np.ndarray,
        matrix: ResponseMatrix,
        population: Population,
    ) -> tuple[np.ndarray, Influence]:
        """Return the mean of each group's pairs, and the influence on it.

        Parameters
        ----------
        values, effects, n
            From :func:`pair_effects`.
        """
        groups = np.zeros((len(self.a), len(self.used)))
        groups[np.arange(len(self.a)), self.group] = ~np.isnan(values)
        groups = groups[:, self.used]
        weight = divide(groups, np.broadcast_to(groups.sum(axis=0), groups.shape))
        weight = np.nan_to_num(weight)
        estimate = np.where(groups.any(axis=0), np.nan_to_num(values) @ weight, np.nan)
        by_row = effects @ weight
        seen = (matrix.seen[:, self.a] > 0) & (matrix.seen[:, self.b] > 0)
        shown = seen.astype(np.float64) @ groups > 0
        trials, people = by_row, None
        if "people" in population:
            # A trial of a person enters all pairs that this person is in.
            with_person = np.stack([(self.a == each) | (self.b == each) for each in self.persons])
            trials = np.concatenate([effects[:, own] @ weight[own] for own in with_person])
            people = self._people(np.nan_to_num(values), groups, with_person, estimate)
        count = (n @ groups).astype(np.int64)
        return estimate, Influence(by_row, shown, trials, count, matrix.units, people)

    def _people(
        self,
        values: np.ndarray,
        groups: np.ndarray,
        with_person: np.ndarray,
        estimate: np.ndarray,
    ) -> People:
        """Return what each person moves the means by.

        A mean over people moves by a J-th of a person's difference from it. A mean over pairs of
        people moves by twice that, and by (J - 1) / (J - 2) more, as the jackknife has it.
        """
        pairs = with_person.astype(np.float64) @ groups
        own = divide(with_person.astype(np.float64) @ (values[:, None] * groups), pairs)
        there = pairs > 0
        count = there.sum(axis=0)
        factor = divide(np.ones(len(count)), count.astype(np.float64))
        if self.used[-1]:
            last = float(count[-1])
            factor[-1] = 2 / last * (last - 1) / (last - 2) if last > 2 else np.nan
        moved = np.where(there, (own - estimate) * factor, 0.0)
        return People(*persons(self.people), moved, there)


def compared(means: Averages, limits: Limits | None) -> pl.DataFrame:
    """Return the rows of those who were compared with someone, with intervals unless None."""
    return means.table(limits).filter(pl.col("datasets") + pl.col("undefined") > 0)


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

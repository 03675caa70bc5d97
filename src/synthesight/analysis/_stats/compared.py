"""Means of a statistic of pairs of observers: over people, conditions and datasets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from synthesight.analysis._stats.averages import Averages
from synthesight.analysis._stats.chance import mean_chances, permutation_cumulants
from synthesight.analysis._stats.limits import student
from synthesight.analysis._stats.pairs import PairValues, Statistic, pair_values
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import ResponseMatrix
from synthesight.analysis._stats.spread import Influence, People, Variance
from synthesight.analysis._stats.units import Population, Units, persons

FEW = 10.0  # errors, or right responses


class Compared:
    """Averages of a statistic of pairs of observers, and the ends of their intervals.

    The interval of a mean is put together of those of its pairs (Zou & Donner 2008): from the mean
    of their centres, each end is as far as a mean is whose standard errors are the pairs' distances
    to that end. So it keeps their lopsidedness, and has a width where no error was seen. A mean of
    several has never less than the jackknife's (Efron 1982): the doubt about a table shrinks with
    their number, but the few images with errors are the same for all people.

    Parameters
    ----------
    groups
        Frame of G rows, distinct.
    population
        Of which the intervals speak.
    """

    def __init__(self, groups: pl.DataFrame, population: Population) -> None:
        self.mean = Averages(groups, population)
        self.ends = Averages(pl.concat([_end(groups, end) for end in (0, 1)]), population)
        self._cumulants: list[tuple[np.ndarray, np.ndarray]] = []
        self._rare: list[np.ndarray] = []
        self._tables = np.zeros(len(groups), dtype=np.int64)

    def add(
        self, matrix: ResponseMatrix, number: int, groups: pl.DataFrame, pairs: Pairs | Each
    ) -> None:
        """Add a condition of a dataset.

        Parameters
        ----------
        number
            Of the matrix, among all.
        groups
            Frame of H rows: the groups that were in this condition.
        pairs
            What the groups' means are over.
        """
        dataset, values = str(matrix.key[0]), pairs.values
        units = matrix.units.with_others(len(values.effects) - len(matrix.seen), number)
        population, ends = self.mean.population, values.ends
        whole = np.ones(len(values.n))
        mean, influence = pairs.mean(values.values, values.without, whole, matrix.units, population)
        rows = self.mean.add(dataset, groups, mean, influence, pairs.n)
        (centre, below), (_, above) = (
            pairs.mean(ends.centre, values.effects, scale, units, population)
            for scale in (ends.below, ends.above)
        )
        self.ends.add(
            dataset, pl.concat([_end(groups, end) for end in (0, 1)]), np.tile(centre, 2),
            _beside(below, above), np.tile(pairs.n, 2),
        )  # fmt: skip
        self._cumulants.append(pairs.cumulants())
        self._rare.append(np.nan_to_num(pairs.averaged(values.rare())))
        self._tables[rows] += pairs.tables

    def table(self, *, intervals: bool, least: float = -1.0, chance: bool = False) -> pl.DataFrame:
        """Return the table of those who were compared with someone: see :class:`Averages`.

        Parameters
        ----------
        intervals
            Whether to give low and high.
        least
            What the statistic cannot be less than.
        chance
            Whether to give ``p`` and ``weak``, of κ: :meth:`chances`, :meth:`weak`.
        """
        table = self.mean.table(None)
        if intervals and len(table):
            low, high = self.limits()
            ends = {"low": np.maximum(low, least), "high": np.minimum(high, 1.0)}
            table = table.with_columns(
                pl.Series(name, end).fill_nan(None) for name, end in ends.items()
            )
        if chance:
            table = table.with_columns(weak=pl.Series(self.weak(), dtype=pl.Boolean))
            p = pl.Series("p", self.chances(), pl.Float64).fill_nan(None)
            table.insert_column(table.columns.index("high") + 1, p)
        return table.filter(pl.col("datasets") + pl.col("undefined") > 0)

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the intervals: float64, shape (G,), NaN where undefined."""
        jackknife = self.mean.spread().variance()
        jackknife = replace(jackknife, value=np.where(self._tables > 1, jackknife.value, 0.0))
        variance = self.ends.spread().variance().at_least(jackknife.repeated(2))
        far = student(variance.freedom) * np.sqrt(variance.value)
        low, high = np.split(self.ends.estimates() + far * np.repeat([-1, 1], len(far) // 2), 2)
        # All that there is may be one image.
        known = np.isfinite(low) & np.isfinite(high) & (low < high)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)

    def weak(self) -> np.ndarray:
        """Return which means are over tables with fewer than ten outcomes of a kind: bool, (G,).

        Their intervals hold the truth too seldom where they are over several conditions, and more
        often than they say where they are of one (``benchmarks/coverage.py``).
        """
        total = np.zeros(len(self.mean.groups))
        for (rows, weight), rare in zip(self.mean.weights(), self._rare, strict=True):
            total[rows] += weight * rare
        return total < FEW

    def difference(self) -> tuple[float, Variance, Variance]:
        """Return the first of two groups minus the second, and the variances to its ends."""
        low, high = np.array([1.0, 0, 0, -1]), np.array([0, -1, 1.0, 0])
        spread, centres = self.ends.spread(), self.ends.estimates()
        jackknife = self.mean.spread().variance(np.array([[1.0], [-1.0]]))
        below, above = (
            spread.variance(contrast[:, None]).at_least(jackknife) for contrast in (low, high)
        )
        return float(centres[0] - centres[1]), below, above

    def chances(self) -> np.ndarray:
        """Return two-sided p-values of mean κ: whether observers agree as if by chance."""
        variance, third = np.zeros((2, len(self.mean.groups)))
        parts = zip(self.mean.weights(), self._cumulants, strict=True)
        for (rows, weight), (second, cubic) in parts:
            variance[rows] += weight**2 * second
            third[rows] += weight**3 * cubic
        return mean_chances(self.mean.estimates(), variance, third)


def _beside(first: Influence, second: Influence) -> Influence:
    """Return the influence on two lots of estimates, of the same rows and people."""
    people = None
    if first.people is not None and second.people is not None:
        effects = np.hstack([first.people.effects, second.people.effects])
        shown = np.hstack([first.people.shown, second.people.shown])
        people = replace(first.people, effects=effects, shown=shown)
    return Influence(
        np.hstack([first.effects, second.effects]),
        np.hstack([first.shown, second.shown]),
        np.hstack([first.trials, second.trials]),
        np.concatenate([first.count, second.count]),
        first.units,
        people,
    )


def _end(groups: pl.DataFrame, end: int) -> pl.DataFrame:
    return groups.with_columns(_end=pl.lit(end))


@dataclass(frozen=True, eq=False)
class Each:
    """Pairs of a matrix's columns, each for itself."""

    values: PairValues

    @property
    def n(self) -> np.ndarray:
        """Stimuli of each pair: int64, shape (P,)."""
        return self.values.n

    @property
    def tables(self) -> np.ndarray:
        """Whether the statistic of each pair is defined: bool, shape (P,)."""
        return ~np.isnan(self.values.values)

    def averaged(self, figures: np.ndarray) -> np.ndarray:
        """Return a figure of each pair."""
        return figures

    def mean(
        self,
        values: np.ndarray,
        effects: np.ndarray,
        scale: np.ndarray,
        units: Units,
        population: Population,
    ) -> tuple[np.ndarray, Influence]:
        """Return the values, and the influence on them: as :meth:`Pairs.mean`."""
        effects = effects * scale
        shown = _padded(self.values.both, len(effects))
        trials = effects if population == "these" else effects[:0]
        return values, Influence(effects, shown, trials, self.values.n, units)

    def cumulants(self) -> tuple[np.ndarray, np.ndarray]:
        """Return variance and third cumulant of each κ by chance: shape (P,)."""
        return permutation_cumulants(*_centred(self.values), self.values.n)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a matrix's columns: models with people, people with people.

    Attributes
    ----------
    values
        A statistic of the pairs.
    people
        Frame of J rows.
    with_person
        bool, shape (J, P): pairs that a person is in.
    group
        int64, shape (P,): the group of each pair.
    weight
        float64, shape (P, H): what pairs weigh in the means of the groups.
    two
        Whether the last group is of pairs of two people.
    """

    values: PairValues
    people: pl.DataFrame
    with_person: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    two: bool

    @classmethod
    def of(
        cls,
        matrix: ResponseMatrix,
        others: np.ndarray,
        people: np.ndarray,
        statistic: Statistic,
        *,
        two: bool,
    ) -> Pairs | None:
        """Return the pairs of columns of a matrix; None where there are none.

        Parameters
        ----------
        others, people
            int64, shapes (M,) and (J,): columns. There is a group for each of the M, with all J.
        two
            Whether pairs of two people are one more group, where there are any.
        """
        a, b = (axis.ravel() for axis in np.meshgrid(others, people, indexing="ij"))
        group = np.repeat(np.arange(len(others)), len(people))
        if two := two and len(people) > 1:
            pairs = np.triu_indices(len(people), k=1)
            a, b = np.append(a, people[pairs[0]]), np.append(b, people[pairs[1]])
            group = np.append(group, np.full(len(pairs[0]), len(others)))
        if len(a) == 0:
            return None
        values = pair_values(matrix, a, b, statistic)
        used = np.zeros((len(a), int(group.max()) + 1))
        used[np.arange(len(a)), group] = ~np.isnan(values.values)
        weight = np.nan_to_num(divide(used, np.broadcast_to(used.sum(axis=0), used.shape)))
        with_person = (a == people[:, None]) | (b == people[:, None])
        return cls(values, matrix.columns[people], with_person, group, weight, two)

    def shared(self) -> Pairs:
        """Return means over those people with whom the statistic is defined for all groups."""
        used = (self.weight > 0) @ np.ones(self.weight.shape[1])
        together = self.with_person.T @ (self.with_person @ used == self.weight.shape[1])
        weight = self.weight * together[:, None]
        weight = np.nan_to_num(divide(weight, np.broadcast_to(weight.sum(axis=0), weight.shape)))
        return replace(self, weight=weight)

    @property
    def n(self) -> np.ndarray:
        """Stimuli of each group, added up over its pairs: int64, shape (H,)."""
        return np.bincount(self.group, self.values.n).astype(np.int64)

    @property
    def tables(self) -> np.ndarray:
        """How many pairs each mean is over: int64, shape (H,)."""
        return np.count_nonzero(self.weight, axis=0)

    def averaged(self, figures: np.ndarray) -> np.ndarray:
        """Return the mean of a figure of each group's pairs: float64, shape (H,)."""
        return figures @ self.weight

    def mean(
        self,
        values: np.ndarray,
        effects: np.ndarray,
        scale: np.ndarray,
        units: Units,
        population: Population,
    ) -> tuple[np.ndarray, Influence]:
        """Return the mean of each group's pairs, and the influence on it.

        Parameters
        ----------
        values
            float64, shape (P,): what the mean is of.
        effects
            float64, shape (S, P): on these.
        scale
            float64, shape (P,): what the effects are multiplied by.
        units
            Of the rows of these effects.
        """
        used = self.weight > 0
        mean = np.where(used.any(axis=0), np.nan_to_num(values) @ self.weight, np.nan)
        scaled = self.weight * scale[:, None]
        moved = effects @ scaled
        shown = _padded(self.values.both.astype(np.float64) @ used > 0, len(moved))
        trials, people = moved, None
        if "people" in population:
            # A trial of a person enters all pairs that this person is in.
            trials = np.concatenate([effects[:, own] @ scaled[own] for own in self.with_person])
            people = self._people()
        count = (self.values.n @ used).astype(np.int64)
        return mean, Influence(moved, shown, trials, count, units, people)

    def _people(self) -> People:
        """Return what each person moves the means by.

        A mean over people moves by a J-th of a person's difference from it. A mean over pairs of
        people moves by twice that, and by (J - 1) / (J - 2) more, as the jackknife has it.
        """
        values, used = np.nan_to_num(self.values.values), self.weight > 0
        with_person = self.with_person.astype(np.float64)
        pairs = with_person @ used
        own = divide(with_person @ (values[:, None] * used), pairs)
        there = pairs > 0
        count = there.sum(axis=0)
        factor = divide(np.ones(len(count)), count.astype(np.float64))
        if self.two:
            last = float(count[-1])
            factor[-1] = 2 / last * (last - 1) / (last - 2) if last > 2 else np.nan
        moved = np.where(there, (own - values @ self.weight) * factor, 0.0)
        return People(*persons(self.people), moved, there)

    def cumulants(self) -> tuple[np.ndarray, np.ndarray]:
        """Return variance and third cumulant of each group's mean κ by chance: shape (H,).

        A model's responses are permuted, and people's are not; of two people, those of each, so
        that pairs vary apart.
        """
        first, second = _centred(self.values)
        # Whoever saw an image too, a model is right there or not.
        used = (self.weight > 0).astype(np.float64)
        times = self.values.both.astype(np.float64) @ used
        own = divide(first @ used, np.maximum(times, 1.0))
        variance, third = permutation_cumulants(own, second @ self.weight, (times > 0).sum(axis=0))
        if self.two:
            weight = self.weight[:, -1]
            each, cubic = permutation_cumulants(first, second, self.values.n)
            variance[-1], third[-1] = each @ weight**2, cubic @ weight**3
        return variance, third


def _centred(values: PairValues) -> tuple[np.ndarray, np.ndarray]:
    """Return what adds up to κ when multiplied, with the accuracies given: shape (S, P) each."""
    p, q = values.first.sum(axis=0), values.second.sum(axis=0)
    n = np.maximum(values.n, 1)
    scale = np.nan_to_num(divide(np.full(len(n), 2.0), p + q - 2 * p * q / n))
    scale[np.isnan(values.values)] = 0.0
    first, second = (
        np.where(values.both, side - total / n, 0.0)
        for side, total in ((values.first, p), (values.second, q))
    )
    return first, second * scale


def _padded(shown: np.ndarray, rows: int) -> np.ndarray:
    """Return which rows are shown: images answered by tossing coins are not."""
    return np.vstack([shown, np.zeros((rows - len(shown), shown.shape[1]), dtype=bool)])

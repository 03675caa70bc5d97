"""How estimates vary when other units are sampled: one estimator for every measure.

Each measure is a smooth function of sums over trials. What a trial moves an estimate by, to first
order, is its influence (Hampel 1974). Influences of a unit's trials add up, as they are sampled
together, and the variance is the sum of squares over units (Liang & Zeger 1986). Where units cross,
as shapes and textures do, and images and people, it is the variance of one clustering plus that of
the other minus that of their intersection (Cameron, Gelbach & Miller 2011), and never less than if
only the one or the other were sampled. A factor n / (n - 1) and Student's quantiles allow for few
units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from synthesight.analysis._stats.units import Population, Units


@dataclass(frozen=True, eq=False)
class People:
    """What sampled people move G estimates by.

    Attributes
    ----------
    person, stratum
        int64, shape (J,): the person, and the stratum within which people are sampled. A person
        may have several rows.
    effects
        float64, shape (J, G): of each person on each estimate.
    shown
        bool, shape (J, G): whether the person is in the estimate.
    """

    person: np.ndarray
    stratum: np.ndarray
    effects: np.ndarray
    shown: np.ndarray


@dataclass(frozen=True, eq=False)
class Influence:
    """What the rows of a matrix, and the people in it, move G estimates by.

    Attributes
    ----------
    effects
        float64, shape (S, G): of each row on each estimate.
    shown
        bool, shape (S, G): whether the row is in the estimate.
    trials
        float64, shape (N, G): of N single trials, or anything of the same crossproduct.
    count
        int64, shape (G,): trials.
    units
        Of the rows.
    people
        None where no people are sampled.
    """

    effects: np.ndarray
    shown: np.ndarray
    trials: np.ndarray
    count: np.ndarray
    units: Units
    people: People | None = None

    @property
    def untold(self) -> np.ndarray:
        """Which estimates have rows whose shapes and textures are not known: bool, shape (G,)."""
        return np.asarray((self.shown & ~self.units.told[:, None]).any(axis=0))

    def scaled(self, factor: np.ndarray) -> Influence:
        """Return the influence on estimates that are multiplied by float64 of shape (G,)."""
        people = self.people
        if people is not None:
            people = People(people.person, people.stratum, people.effects * factor, people.shown)
        return Influence(
            self.effects * factor, self.shown, self.trials * factor, self.count, self.units, people
        )


@dataclass(frozen=True, eq=False)
class Variance:
    """Variances of G estimates, and how well they are known.

    Attributes
    ----------
    value
        float64, shape (G,); infinite for a single unit, NaN for a single person.
    freedom
        float64, shape (G,): degrees of freedom.
    units
        float64, shape (G,): independent units.
    """

    value: np.ndarray
    freedom: np.ndarray
    units: np.ndarray

    def at_least(self, other: Variance) -> Variance:
        """Return the larger of two variances of each estimate; NaN where this one is."""
        less = self.value < other.value
        return Variance(
            np.where(less, other.value, self.value),
            np.where(less, other.freedom, self.freedom),
            np.minimum(self.units, other.units),
        )

    def repeated(self, count: int) -> Variance:
        """Return these variances, so many times."""
        return Variance(*(np.tile(each, count) for each in (self.value, self.freedom, self.units)))

    def plus(self, other: Variance, both: Variance) -> Variance:
        """Return the variance of two crossed clusterings; ``both`` is that of their intersection.

        Its degrees of freedom are Satterthwaite's (1946).
        """
        total = self.value + other.value
        parts = self.value**2 / self.freedom + other.value**2 / other.freedom
        told = (parts > 0) & np.isfinite(parts)
        freedom = np.divide(total**2, parts, out=self.freedom.copy(), where=told)
        units = np.minimum(self.units, other.units)
        # Of one unit, the variance is infinite, and so is what it is part of.
        value = np.where(np.isinf(total), np.inf, total - np.where(np.isinf(total), 0, both.value))
        crossed = Variance(value, freedom, units)
        return crossed.at_least(self).at_least(other)


@dataclass(frozen=True, eq=False)
class Clustering:
    """Influences of units, each multiplied so that sums of squares are variances."""

    sums: np.ndarray  # (n, G)
    freedom: np.ndarray  # (G,)
    units: np.ndarray  # (G,)

    def variance(self, contrast: np.ndarray | None) -> Variance:
        """Return the variance of the estimates, or of contrasts of them: shape (G, K)."""
        if contrast is None:
            value = (self.sums**2).sum(axis=0)
            return Variance(np.where(self.units == 1, np.inf, value), self.freedom, self.units)
        used = contrast != 0
        freedom, units = (
            np.min(np.where(used, of[:, None], np.inf), axis=0, initial=np.inf)
            for of in (self.freedom, self.units)
        )
        unknown = (np.isnan(self.sums).any(axis=0)[:, None] & used).any(axis=0)
        value = ((np.nan_to_num(self.sums) @ contrast) ** 2).sum(axis=0)
        value = np.where(units == 1, np.inf, value)
        return Variance(np.where(unknown, np.nan, value), freedom, units)


class Spread:
    """The variances of G estimates for a population, from influences of any number of matrices.

    Parameters
    ----------
    population
        What may vary.
    influences
        For each matrix the numbers of its estimates among the G, int64, and their influences.
    count
        G.
    """

    def __init__(
        self,
        population: Population,
        influences: Sequence[tuple[np.ndarray, Influence]],
        count: int,
    ) -> None:
        self._influences = influences
        self._count = count
        self._trials = self._of_trials()
        self._stimuli: list[Clustering] = []
        self._people: Clustering | None = None
        if "stimuli" in population:
            crossed = any(each.units.crossed for _, each in influences)
            names = ("shape", "texture", "image") if crossed else ("image",)
            self._stimuli = [self._clustered(name) for name in names]
        if "people" in population and any(each.people for _, each in influences):
            self._people = self._of_people()

    def variance(self, contrast: np.ndarray | None = None) -> Variance:
        """Return the variance of the estimates, or of contrasts of them: float64, (G, K)."""
        trials = self._trials.variance(contrast)
        parts = [each.variance(contrast) for each in self._stimuli]
        stimuli = parts[0] if parts else None
        if len(parts) == 3:
            stimuli = parts[0].plus(*parts[1:])
        people = self._people.variance(contrast) if self._people else None
        if stimuli and people:
            return stimuli.plus(people, trials).at_least(trials)
        return (stimuli or people or trials).at_least(trials)

    def covariance(self) -> np.ndarray:
        """Return the covariance of the estimates: float64, shape (G, G), NaN where unknown."""
        grams = [each.sums.T @ each.sums for each in self._stimuli]
        total = grams[0] + grams[1] - grams[2] if len(grams) == 3 else sum(grams)
        if self._people:
            total = total + self._people.sums.T @ self._people.sums
        if not (self._people and self._stimuli):
            return (
                total if self._people or self._stimuli else self._trials.sums.T @ self._trials.sums
            )
        return total - self._trials.sums.T @ self._trials.sums

    def _of_trials(self) -> Clustering:
        count = np.zeros(self._count)
        sums = []
        for groups, each in self._influences:
            count[groups] += each.count
            # Any matrix of the same crossproduct says the same; the smallest has G rows.
            factor = each.trials
            if len(factor) > len(groups):
                factor = np.asarray(np.linalg.qr(factor, mode="r"))
            wide = np.zeros((len(factor), self._count))
            wide[:, groups] = factor
            sums.append(wide)
        # A single trial is judged by the units that it is of.
        return _corrected(np.concatenate([np.zeros((1, self._count)), *sums]), np.maximum(count, 2))

    def _clustered(self, name: str) -> Clustering:
        codes = [getattr(each.units, name) for _, each in self._influences]
        distinct, place = np.unique(np.concatenate(codes), return_inverse=True)
        sums = np.zeros((len(distinct), self._count))
        shown = np.zeros(sums.shape, dtype=bool)
        ends = np.cumsum([len(code) for code in codes])
        for (groups, each), rows in zip(self._influences, np.split(place, ends[:-1]), strict=True):
            unit, local = np.unique(rows, return_inverse=True)
            member = csr_array((np.ones(len(rows)), (local, np.arange(len(rows)))))
            where = np.ix_(unit, groups)
            sums[where] += member @ each.effects
            shown[where] |= (member @ each.shown.astype(np.float64)) > 0
        return _corrected(sums, shown.sum(axis=0))

    def _of_people(self) -> Clustering:
        parts = [(groups, each.people) for groups, each in self._influences if each.people]
        every = np.concatenate([part.person for _, part in parts])
        distinct, place = np.unique(every, return_inverse=True)
        stratum = np.empty(len(distinct), dtype=np.int64)
        stratum[place] = np.concatenate([part.stratum for _, part in parts])
        sums = np.zeros((len(distinct), self._count))
        shown = np.zeros(sums.shape, dtype=bool)
        start = 0
        for groups, part in parts:
            where = np.ix_(place[start : start + len(part.person)], groups)
            np.add.at(sums, where, part.effects)
            np.logical_or.at(shown, where, part.shown)
            start += len(part.person)
        total, parts_by_freedom = np.zeros(self._count), np.zeros(self._count)
        few = np.full(self._count, np.inf)
        for number in np.unique(stratum):
            own = stratum == number
            there = shown[own]
            n = there.sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = np.where(there, sums[own], 0.0).sum(axis=0) / n
                correction = np.where(n > 1, np.sqrt(n / (n - 1)), np.where(n == 1, np.nan, 0.0))
                sums[own] = np.where(there, sums[own] - mean, 0.0) * correction
                value = (sums[own] ** 2).sum(axis=0)
                parts_by_freedom += np.where(n > 1, value**2 / (n - 1), 0.0)
            total += value
            few = np.where(n > 0, np.minimum(few, n), few)
        freedom = np.divide(total**2, parts_by_freedom, out=few - 1.0, where=parts_by_freedom > 0)
        # An estimate without people has no limit of their number.
        return Clustering(sums, freedom, np.where(np.isinf(few), np.inf, shown.sum(axis=0)))


def _corrected(sums: np.ndarray, units: np.ndarray) -> Clustering:
    """Return sums over units as a clustering: with the correction for their number."""
    n = np.maximum(units, 1).astype(np.float64)
    factor = np.sqrt(np.divide(n, n - 1, out=np.ones_like(n), where=n > 1))
    return Clustering(sums * factor, np.maximum(n - 1, 1.0), n)

"""The benchmark's mean: over conditions within each dataset, then over datasets, with its doubt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from synthesight.analysis._stats.spread import Influence, Spread, Variance
from synthesight.analysis._stats.units import Population, populations_of

# Of estimates, their variances and numbers of trials, the ends of the intervals: shape (G,) each.
Limits = Callable[[np.ndarray, Variance, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Averages:
    """Gathers a measure of each group and condition, and averages it.

    Parameters
    ----------
    groups
        Frame of G rows, distinct.
    population
        Of which the intervals speak.
    """

    def __init__(self, groups: pl.DataFrame, population: Population) -> None:
        self.groups = groups
        self.population = population
        count = len(groups)
        self.n = np.zeros(count, dtype=np.int64)
        self._undefined = np.zeros(count, dtype=np.int64)
        self._has_people = np.zeros(count, dtype=bool)
        self._untold = np.zeros(count, dtype=bool)
        self._parts: list[tuple[str, np.ndarray, np.ndarray, Influence]] = []

    def add(
        self,
        dataset: str,
        groups: pl.DataFrame,
        estimate: np.ndarray,
        influence: Influence,
        n: np.ndarray,
    ) -> np.ndarray:
        """Add a condition of a dataset, and return the numbers of its groups: int64, shape (H,).

        Parameters
        ----------
        groups
            Frame of H rows: the groups that were in this condition.
        estimate
            float64, shape (H,); NaN where undefined, which leaves the condition out of the mean.
        influence
            On these.
        n
            int64, shape (H,): trials.
        """
        indexed = groups.join(
            self.groups.with_row_index("_row"), on=groups.columns, how="left", nulls_equal=True,
            maintain_order="left",
        )  # fmt: skip
        rows = indexed["_row"].to_numpy().astype(np.int64)
        self._parts.append((dataset, rows, estimate, influence))
        self.n[rows] += n
        self._undefined[rows] += np.isnan(estimate)
        self._untold[rows] |= influence.untold
        if influence.people is not None:
            self._has_people[rows] |= influence.people.shown.any(axis=0)
        return rows

    def estimates(self) -> np.ndarray:
        """Return the mean of each group: float64, shape (G,); NaN where undefined."""
        total = np.zeros(len(self.groups))
        for (_, _, estimate, _), (rows, weight) in zip(self._parts, self.weights(), strict=True):
            total[rows] += np.nan_to_num(estimate) * weight
        return np.where(self._counts()[0] > 0, total, np.nan)

    def spread(self) -> Spread:
        """Return how the means vary."""
        influences = [
            (rows, influence.scaled(weight))
            for (*_, influence), (rows, weight) in zip(self._parts, self.weights(), strict=True)
        ]
        return Spread(self.population, influences, len(self.groups))

    def table(self, limits: Limits | None) -> pl.DataFrame:
        """Return one row a group.

        Parameters
        ----------
        limits
            Of the intervals; None leaves them out.

        Returns
        -------
        The groups, estimate, low, high, n, datasets, conditions, undefined and population.
        """
        estimate = self.estimates()
        low = high = np.full(len(estimate), np.nan)
        if limits and self._parts:
            low, high = limits(estimate, self.spread().variance(), self.n)
        datasets, conditions = self._counts()
        figures = [("estimate", estimate), ("low", low), ("high", high)]
        return self.groups.with_columns(
            *(pl.Series(name, value, pl.Float64).fill_nan(None) for name, value in figures),
            pl.Series("n", self.n, pl.Int64),
            pl.Series("datasets", datasets, pl.Int64),
            pl.Series("conditions", conditions, pl.Int64),
            pl.Series("undefined", self._undefined, pl.Int64),
            pl.Series("population", self.populations(), pl.String),
        )

    def populations(self) -> np.ndarray:
        """Return of which population each mean can speak: str, shape (G,)."""
        return populations_of(self.population, self._has_people, self._untold)

    def _by_dataset(self) -> dict[str, np.ndarray]:
        """Return how many conditions of each dataset each group is defined in: shape (G,)."""
        counts: dict[str, np.ndarray] = {}
        for dataset, rows, estimate, _ in self._parts:
            own = counts.setdefault(dataset, np.zeros(len(self.groups), dtype=np.int64))
            own[rows] += ~np.isnan(estimate)
        return counts

    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        none = np.zeros(len(self.groups), dtype=np.int64)
        counts = list(self._by_dataset().values())
        return sum((each > 0 for each in counts), none), sum(counts, none)

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return for each condition the numbers of its groups, and what they weigh in the means."""
        conditions, (datasets, _) = self._by_dataset(), self._counts()
        return [
            (rows, ~np.isnan(each) / np.maximum(conditions[dataset][rows] * datasets[rows], 1))
            for dataset, rows, each, _ in self._parts
        ]

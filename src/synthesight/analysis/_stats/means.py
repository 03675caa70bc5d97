"""The benchmark's mean: over conditions within each dataset, then over datasets."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import interval


class Means:
    """Gathers a measure of each group and condition, and averages it with its replicates.

    Parameters
    ----------
    groups
        Frame of G rows, distinct.
    resamples
        Number of resamples, B.
    """

    def __init__(self, groups: pl.DataFrame, resamples: int) -> None:
        self.groups = groups
        self.resamples = resamples
        self._n = np.zeros(len(groups), dtype=np.int64)
        self._undefined = np.zeros(len(groups), dtype=np.int64)
        self._values: dict[str, list[np.ndarray]] = defaultdict(list)

    def add(
        self,
        dataset: str,
        groups: pl.DataFrame,
        estimate: np.ndarray,
        replicates: np.ndarray,
        n: np.ndarray,
    ) -> None:
        """Add a condition of a dataset.

        Parameters
        ----------
        groups
            Frame of H rows: the groups that were in this condition.
        estimate
            float64, shape (H,); NaN where undefined, which leaves the condition out of the mean.
        replicates
            float64, shape (B, H).
        n
            int64, shape (H,): trials.
        """
        indexed = groups.join(
            self.groups.with_row_index("_row"), on=groups.columns, how="left", nulls_equal=True,
            maintain_order="left",
        )  # fmt: skip
        rows = indexed["_row"].to_numpy().astype(np.int64)
        # The first row of the matrix is the estimate, the others are its replicates.
        values = np.full((self.resamples + 1, len(self.groups)), np.nan)
        values[0, rows] = estimate
        values[1:, rows] = np.where(np.isnan(estimate), np.nan, replicates)
        self._values[dataset].append(values)
        self._n[rows] += n
        self._undefined[rows] += np.isnan(estimate)

    def means(self) -> np.ndarray:
        """Return the mean of each group, then of its resamples.

        Returns
        -------
        float64, shape (1 + B, G); NaN where undefined.
        """
        each = [_mean(np.stack(values)) for values in self._values.values()]
        if not each:
            return np.full((self.resamples + 1, len(self.groups)), np.nan)
        return _mean(np.stack(each))

    def table(self) -> pl.DataFrame:
        """Return one row a group: estimate, low, high, n, datasets, conditions and undefined."""
        total = self.means()
        low, high = interval(total[1:])
        figures = [("estimate", total[0]), ("low", low), ("high", high)]
        defined = [~np.isnan(np.stack(values)[:, 0]) for values in self._values.values()]
        none = np.zeros(len(self.groups), dtype=np.int64)
        return self.groups.with_columns(
            *(pl.Series(name, value, pl.Float64).fill_nan(None) for name, value in figures),
            pl.Series("n", self._n, pl.Int64),
            pl.Series("datasets", sum((d.any(axis=0) for d in defined), none), pl.Int64),
            pl.Series("conditions", sum((d.sum(axis=0) for d in defined), none), pl.Int64),
            pl.Series("undefined", self._undefined, pl.Int64),
        )


def _mean(stack: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis of what is defined; NaN where nothing is."""
    defined = ~np.isnan(stack)
    count = defined.sum(axis=0)
    total = np.where(defined, stack, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)

"""Observers that are resampled: one draw for all conditions of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import Bootstrap, grouped_weights
from synthesight.analysis._stats.ratios import group_starts


class Crowds:
    """How often each observer of each dataset is in each resample.

    An observer who is able in one condition is able in the next. Drawn anew in each condition,
    differences between people would average away. Datasets have observers of their own, whatever
    their names.

    Parameters
    ----------
    trials
        With ``dataset`` and the columns.
    by
        Columns that tell the groups within which observers are drawn.
    columns
        Columns that tell the observers, ``by`` first.
    bootstrap
        Gives the number of resamples and the random draws.
    """

    def __init__(
        self, trials: pl.DataFrame, by: Sequence[str], columns: Sequence[str], bootstrap: Bootstrap
    ) -> None:
        key = list(dict.fromkeys(["dataset", *columns]))
        everyone = trials.select(key).unique().sort("dataset", *columns)
        self._columns = list(columns)
        self._members: dict[object, pl.DataFrame] = {}
        self._drawn: dict[object, np.ndarray] = {}
        for (dataset,), part in everyone.partition_by(
            "dataset", as_dict=True, maintain_order=True
        ).items():
            self._members[dataset] = part.select(columns).with_row_index("_row")
            self._drawn[dataset] = grouped_weights(
                group_starts(part, by), len(part), bootstrap.resamples, bootstrap.rng
            )

    def times(self, dataset: object, observers: pl.DataFrame) -> np.ndarray:
        """Return float32, shape (B, C), for these observers, one a row of the frame."""
        rows = observers.select(self._columns).join(
            self._members[dataset], on=self._columns, how="left", nulls_equal=True,
            maintain_order="left",
        )  # fmt: skip
        return self._drawn[dataset][:, rows["_row"].to_numpy()]

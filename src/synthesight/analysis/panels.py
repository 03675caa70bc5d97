"""Trials as matrices: a row a stimulus, a column an observer; one panel a stratum.

Every measure is sums over stimuli of such matrices, which is what the bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError
from synthesight.trials.schema import SCHEMA, conform

# What tells a stimulus's stratum; any other column tells who answered.
STIMULUS = ("dataset", "condition", "category", "texture", "session", "image", "stimulus")
_IMAGE = ["dataset", "condition", "category", "image"]


@dataclass(frozen=True, eq=False)
class Panel:
    """Matrices of one stratum.

    Attributes
    ----------
    key
        Values of the columns that tell the stratum.
    columns
        Frame of C rows: who each column is.
    seen
        float64, shape (S, C): trials of each stimulus and observer.
    values
        Name → float64, shape (S, C): sums over these trials.
    """

    key: tuple[object, ...]
    columns: pl.DataFrame
    seen: np.ndarray
    values: dict[str, np.ndarray]


def judged(trials: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """The trials that can be right or wrong, with the columns ``correct`` and ``unit``.

    No response is an error; an unreadable stimulus, or one whose category is not known, is no
    trial. A unit is what is resampled and what pairs observers: the published id of an image.
    Where such ids are ambiguous in a dataset (several stimuli of one observer and session share
    one), its units are the stimuli themselves.

    Parameters
    ----------
    trials
        The trial table; further columns are kept.
    by
        Columns that it must have.

    Raises
    ------
    SynthesightError
        If such a column is missing, or it is no trial table.
    """
    extra = trials.drop(SCHEMA, strict=False)
    trials = pl.concat([conform(trials), extra], how="horizontal")
    if missing := [column for column in by if column not in trials.columns]:
        raise SynthesightError(
            f"There is no column {missing[0]!r} to group trials by: choose among "
            f"{', '.join(trials.columns)}."
        )
    trials = trials.filter(pl.col("error").is_null() & pl.col("category").is_not_null())
    ambiguous = (
        trials.group_by("observer", "session", *_IMAGE)
        .agg(pl.col("stimulus").n_unique().alias("stimuli"))
        .filter(pl.col("stimuli") > 1)["dataset"]
        .unique()
    )
    name = pl.when(pl.col("dataset").is_in(ambiguous.to_list())).then("stimulus").otherwise("image")
    return trials.with_columns(
        correct=(pl.col("response") == pl.col("category")).fill_null(False),
        unit=pl.concat_str("dataset", "condition", "category", name, separator="\t"),
    )


def panels(
    trials: pl.DataFrame,
    strata: Sequence[str],
    columns: Sequence[str],
    values: Mapping[str, pl.Expr],
) -> Iterator[Panel]:
    """Panels of judged trials, in the order of their keys.

    Parameters
    ----------
    trials
        From :func:`judged`.
    strata
        Columns that tell the strata; none for a single one.
    columns
        Columns that tell who answered.
    values
        What to add up in each cell.
    """
    cells = trials.group_by(*strata, *columns, "unit").agg(
        pl.len().alias("_seen"),
        *(value.sum().cast(pl.Float64).alias(f"_{name}") for name, value in values.items()),
    )
    parts = cells.partition_by(strata, as_dict=True) if strata else {(): cells}
    for key in sorted(parts, key=lambda key: tuple(map(str, key))):
        part = parts[key]
        if part.is_empty():
            continue
        who = part.select(columns).unique().sort(columns)
        placed = part.join(who.with_row_index("_column"), on=list(columns), nulls_equal=True)
        row = placed["unit"].rank("dense").to_numpy().astype(np.int64) - 1
        column = placed["_column"].to_numpy().astype(np.int64)

        cell, shape = (row, column), (int(row.max()) + 1, len(who))
        yield Panel(
            key,
            who,
            _matrix(placed["_seen"], cell, shape),
            {name: _matrix(placed[f"_{name}"], cell, shape) for name in values},
        )


def _matrix(
    values: pl.Series, cell: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    result = np.zeros(shape)
    result[cell] = values.to_numpy()
    return result

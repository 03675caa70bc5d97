"""The trial table: one row for each observer and stimulus."""

from __future__ import annotations

import polars as pl

from synthesight.errors import SynthesightError

SCHEMA: dict[str, pl.DataType] = {
    "observer": pl.String(),
    "kind": pl.String(),  # human, generative or discriminative
    "dataset": pl.String(),
    "condition": pl.String(),
    "session": pl.Int64(),
    "trial": pl.Int64(),
    "stimulus": pl.String(),  # stable id
    "image": pl.String(),  # what pairs one image across observers
    "category": pl.String(),
    "texture": pl.String(),  # of cue-conflict images
    "response": pl.String(),  # null: no response
    "rt": pl.Float64(),  # seconds
    "evidence": pl.List(pl.Float64()),  # for each class of the run
    "draws": pl.Int64(),
    "evaluations": pl.Int64(),
    "stopped": pl.String(),
    "seed": pl.Int64(),
    "error": pl.String(),  # why the stimulus could not be read
}

KEY = ["observer", "dataset", "condition", "session", "stimulus"]


def conform(frame: pl.DataFrame, origin: str = "The table") -> pl.DataFrame:
    """A table with exactly the columns of a trial table; those that may be null can be left out.

    Raises
    ------
    SynthesightError
        If a column that every trial needs is missing, or a value does not fit its column.
    """
    for column in ("observer", "stimulus", "response"):
        if column not in frame.columns:
            raise SynthesightError(f"{origin} lacks the column {column!r}, which trials need.")
    frame = frame.with_columns(
        pl.lit(None).alias(column) for column in SCHEMA if column not in frame.columns
    )
    try:
        return frame.select(pl.col(column).cast(dtype) for column, dtype in SCHEMA.items())
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SynthesightError(f"{origin} has a value that fits no trial: {reason}.") from error

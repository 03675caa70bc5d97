"""The trial table: one row for each observer and stimulus (and session, where one is repeated).

Its core is the typed columns of :data:`SCHEMA`. Any further column is a factor of the study, such
as viewpoint, size or age, which analyses take as ``by``.
"""

from __future__ import annotations

import polars as pl
import polars.selectors as cs

from synthesight.errors import SynthesightError, first_line
from synthesight.trials.conditions import published_condition

# Counts are Int64, not unsigned: polars keeps the type in sums and differences, where 32 bits of a
# large run overflow and unsigned numbers wrap below zero.
SCHEMA: dict[str, pl.DataType] = {
    "observer": pl.String(),
    "kind": pl.String(),  # one of KINDS; null: not known
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
    "evidence": pl.List(pl.Float64()),  # for each class, in the order of run.json's classes
    "probability": pl.List(pl.Float64()),  # likewise, of an observer that was calibrated
    "captions": pl.List(pl.String()),  # that it chose among, where each stimulus has its own
    "draws": pl.Int64(),
    "evaluations": pl.Float64(),  # passes, of which a model may use a share; older runs have Int64
    "stopped": pl.String(),
    "seed": pl.Int64(),
    "error": pl.String(),  # why the stimulus could not be read
    "digest": pl.String(),  # of what was shown: the first 32 digits of its SHA-256
}

REQUIRED = ("observer", "stimulus", "response")
# A participant is a person who is compared with people, as a model is, instead of one of them.
RESERVED = "people"  # in analyses, all human observers together
KINDS = ("human", "participant", "generative", "discriminative")
KEY = ["observer", "dataset", "condition", "session", "stimulus"]

_DEFAULTS = {"dataset": "", "condition": "0", "session": 1}


def conform(frame: pl.DataFrame, origin: str = "The table") -> pl.DataFrame:
    """Return a trial table: the columns of :data:`SCHEMA`, and after them any factors.

    Columns that may be null can be left out; dataset, condition and session are then ``""``,
    ``"0"`` and 1, and ``image`` is the stimulus's file name. Conditions of published datasets get
    their published spelling.

    Parameters
    ----------
    frame
        At least the columns observer, stimulus and response. Columns that are not a trial's are
        factors, and are kept as they are; categorical ones become text.
    origin
        What an error calls the table, such as the file that it came from.

    Returns
    -------
    A table with the columns and types of :data:`SCHEMA`, then the factors in their order.

    Raises
    ------
    SynthesightError
        If a column that every trial needs is missing or has no value in some row, a value does
        not fit its column, or a kind is not known.

    Examples
    --------
    >>> frame = pl.DataFrame({"observer": ["me"], "stimulus": ["cat/1.png"], "response": ["cat"]})
    >>> conform(frame).select("dataset", "condition", "session", "image").row(0)
    ('', '0', 1, '1.png')
    >>> factors(conform(frame.with_columns(viewpoint=45)))
    ['viewpoint']
    """
    for column in REQUIRED:
        if column not in frame.columns:
            raise SynthesightError(
                f"{origin} lacks the column {column!r}, which trials need: add it."
            )
    frame = frame.with_columns(
        pl.lit(_DEFAULTS.get(column)).alias(column) for column in SCHEMA if column not in frame
    )
    core = [pl.col(column).cast(dtype) for column, dtype in SCHEMA.items()]
    try:
        frame = frame.select(*core, pl.exclude(*SCHEMA))
    except pl.exceptions.PolarsError as error:
        raise SynthesightError(
            f"{origin} has a value that fits no trial, correct it: {first_line(error)}."
        ) from error
    # Categories are numbered in each table for itself; as text, tables can be joined.
    frame = frame.with_columns((cs.categorical() | cs.enum()).cast(pl.String))
    for column in ("observer", "stimulus"):
        if frame[column].null_count():
            row = frame[column].is_null().arg_max()
            raise SynthesightError(f"{origin} has no {column} in row {row}: give each trial one.")
    strange = frame["kind"].filter(~frame["kind"].is_in(KINDS))
    if len(strange):
        raise SynthesightError(
            f"{origin} has observers of kind {strange[0]!r}: it is one of {', '.join(KINDS)}."
        )
    if frame["observer"].str.strip_chars().str.to_lowercase().eq(RESERVED).any():
        raise SynthesightError(
            f"{origin} has an observer called {RESERVED!r}, the name of all human observers "
            "together: rename it."
        )
    return _spelled(frame).with_columns(
        pl.coalesce("image", pl.col("stimulus").str.split("/").list.last())
        if frame["image"].null_count()
        else "image"
    )


def factors(trials: pl.DataFrame) -> list[str]:
    """Return the columns of a trial table that are factors, in their order."""
    return [column for column in trials.columns if column not in SCHEMA]


def _spelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Give conditions their published spelling; distinct ones are far fewer than rows."""
    published = published_condition(pl.col("dataset"), pl.col("condition"))
    pairs = frame.select("dataset", "condition").unique().with_columns(_spelling=published)
    other = pairs.filter(pl.col("_spelling") != pl.col("condition"))
    if other.is_empty():
        return frame
    key = ["dataset", "condition"]
    return frame.join(other, on=key, how="left", maintain_order="left").select(
        pl.coalesce("_spelling", column).alias(column) if column == "condition" else column
        for column in frame.columns
    )

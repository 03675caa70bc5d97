"""Response matrices: a row a stimulus, a column an observer; one matrix a stratum.

Every metric is made of sums over stimuli of such matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.units import IDENTITY, Units, units_of
from synthesight.errors import SynthesightError
from synthesight.stimuli.names import is_shown
from synthesight.trials.schema import conform

# What tells a stimulus's stratum; any other column tells who answered.
STIMULUS = ("dataset", "condition", "category", "texture", "session", "image", "stimulus")
UNIT = ("dataset", "condition", "category", "unit")
IMAGE = ("dataset", "category", "unit")  # the same picture in every condition
RESULTS = ("estimate", "low", "high", "n", "stimuli", "population")  # columns of tables
_MOST = 2**24  # numbers for which a table is faster than sorting


@dataclass(frozen=True, eq=False)
class ResponseMatrix:
    """The response matrix of one stratum.

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
    units
        What is sampled: images, shapes and textures, by numbers that all matrices share.
    """

    key: tuple[object, ...]
    columns: pl.DataFrame
    seen: np.ndarray
    values: dict[str, np.ndarray]
    units: Units


@any_frame
def judged(trials: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Return the trials that can be right or wrong, with the columns ``correct`` and ``unit``.

    No response is an error; an unreadable stimulus, or one whose category is not known, is no
    trial. A unit is what pairs observers: in each dataset, condition and category, the published
    id of an image. Where such ids are ambiguous in a dataset (several stimuli of one observer and
    session share one, and their names are not the published ones, which hold the id of an image,
    who saw it and when), its units are the stimuli themselves.

    Parameters
    ----------
    trials
        The trial table; further columns are kept.
    by
        Columns that it must have.

    Raises
    ------
    SynthesightError
        If such a column is missing, or called as one of the result, or it is no trial table.
    """
    trials = conform(trials)
    if missing := [column for column in by if column not in trials.columns]:
        raise SynthesightError(
            f"There is no column {missing[0]!r} to group trials by: choose among "
            f"{', '.join(trials.columns)}."
        )
    if taken := [column for column in by if column in RESULTS]:
        raise SynthesightError(
            f"Trials cannot be grouped by {taken[0]!r}, a column of the result: rename it."
        )
    trials = trials.filter(pl.col("error").is_null() & pl.col("category").is_not_null())
    trials = trials.with_columns(
        correct=(pl.col("response") == pl.col("category")).fill_null(False), unit="image"
    )
    if ambiguous := _ambiguous(trials):
        name = pl.when(pl.col("dataset").is_in(ambiguous)).then("stimulus").otherwise("image")
        trials = trials.with_columns(unit=name)
    return trials


def response_matrices(
    trials: pl.DataFrame,
    strata: Sequence[str],
    columns: Sequence[str],
    values: Mapping[str, pl.Expr],
) -> Iterator[ResponseMatrix]:
    """Yield the matrices of judged trials, in the order of their keys.

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
    if trials.is_empty():
        return
    # Strata, and the units and observers of each, by number: the place of a trial in its matrix
    # is then one number too, and sums over trials are counts of it.
    stratum, shown = _numbered(trials, strata)
    row, units = _numbered(trials, [name for name in UNIT if name not in strata], stratum)
    column, who = _numbered(trials, columns, stratum)
    height, width = np.bincount(stratum[units]), np.bincount(stratum[who])
    row -= _starts(height)[stratum]
    column -= _starts(width)[stratum]
    cell = row * width[stratum] + column
    # Small integers are sorted by counting.
    small = stratum.astype(np.min_scalar_type(len(height)))
    members = np.split(np.argsort(small, kind="stable"), _starts(np.bincount(stratum))[1:])
    sums = trials.select(value.cast(pl.Float64).alias(name) for name, value in values.items())
    arrays = {name: sums[name].to_numpy() for name in values}
    named = ("dataset", "category", "texture", "unit")
    identity = [column for column in IDENTITY if column in trials.columns]
    units_of_rows = units_of(trials[units].select(*named, *identity))
    keys = trials[shown].select(strata).rows() if strata else [()]
    names = trials[who].select(columns)
    first = _starts(height)
    for number, start in enumerate(_starts(width)):
        of, shape = members[number], (int(height[number]), int(width[number]))
        yield ResponseMatrix(
            keys[number],
            names.slice(start, shape[1]),
            _totals(cell[of], None, shape),
            {name: _totals(cell[of], array[of], shape) for name, array in arrays.items()},
            units_of_rows[first[number] : first[number] + shape[0]],
        )


def _ambiguous(trials: pl.DataFrame) -> list[str]:
    """Return the datasets where several stimuli of one observer and session share a unit."""
    # Nearly always no observer was shown an image twice at all, which hashes tell fast.
    image = pl.struct("observer", "dataset", "condition", "unit").hash()
    if trials.select(image.n_unique()).item() == len(trials):
        return []
    key = ["observer", "session", *UNIT]
    unnamed = trials.filter(~is_shown(pl.col("stimulus")))
    stimuli = unnamed.group_by(key).agg(pl.col("stimulus").n_unique())
    return stimuli.filter(pl.col("stimulus") > 1)["dataset"].unique().to_list()


def _numbered(
    frame: pl.DataFrame, columns: Sequence[str], within: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct values of columns, in their order, and a row that holds each.

    Parameters
    ----------
    within
        int64, shape (N,): numbers that come before the columns, as if one more of them.

    Returns
    -------
    numbers : int64, shape (N,): from 0 to M - 1.
    rows : int64, shape (M,).
    """
    key = np.zeros(len(frame), dtype=np.int64) if within is None else within
    most = 1 if within is None else int(within.max()) + 1
    for column in columns:
        code = _coded(frame[column])
        count = int(code.max()) + 1
        if most * count > _MOST:
            key, most = _dense(key, most)
        key = key * count + code
        most *= count
    numbers, count = _dense(key, most)
    rows = np.zeros(count, dtype=np.int64)
    rows[numbers] = np.arange(len(frame))
    return numbers, rows


def _coded(values: pl.Series) -> np.ndarray:
    """Return the place of each value among the distinct ones, from 1; 0 for null: int64."""
    if values.dtype == pl.String:
        # Ranks of strings would compare them all; an enumeration only looks them up.
        distinct = values.unique().drop_nulls().sort()
        codes = values.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64) + 1
    else:
        codes = values.rank("dense").cast(pl.Int64)
    return codes.fill_null(0).to_numpy()


def _dense(key: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Return numbers below ``most``, made consecutive in their order, and how many there are."""
    if most > _MOST:
        there, numbers = np.unique(key, return_inverse=True)
        return numbers, len(there)
    used = np.zeros(most, dtype=bool)
    used[key] = True
    there = np.flatnonzero(used)
    number = np.empty(most, dtype=np.int64)
    number[there] = np.arange(len(there))
    return number[key], len(there)


def _starts(counts: np.ndarray) -> np.ndarray:
    """Return where each part begins of parts that follow each other."""
    return np.cumsum(counts) - counts


def _totals(cell: np.ndarray, values: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    total = np.bincount(cell, values, minlength=shape[0] * shape[1])
    return total.reshape(shape).astype(np.float64)

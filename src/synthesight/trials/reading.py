"""Read trials from a folder, whichever way they are kept in it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.trials.exchange import read_csv
from synthesight.trials.record import RECORD
from synthesight.trials.store import Run


def read_trials(source: str | Path) -> pl.DataFrame:
    """Return the trials of a run, or of CSV files in the published layout.

    Parameters
    ----------
    source
        A folder that ``synthesight evaluate`` wrote, a folder of published CSV files, or one such
        file.

    Raises
    ------
    SynthesightError
        If it is neither, or cannot be read.
    """
    source = files.as_path(source)
    if not source.exists():
        raise SynthesightError(f"There is no file or folder {source}: check the path.")
    if source.is_file() or (not (source / RECORD).is_file() and any(source.rglob("*.csv"))):
        return read_csv(source)
    return Run.open(source).trials()

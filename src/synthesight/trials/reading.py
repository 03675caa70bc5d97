"""Read trials from a folder, whichever way they are kept in it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.panics import no_panic
from synthesight.sheets import PARQUET
from synthesight.trials.exchange import read_csv
from synthesight.trials.record import RECORD
from synthesight.trials.schema import REQUIRED, conform
from synthesight.trials.store import Run


def read_trials(source: str | Path) -> pl.DataFrame:
    """Return the trials of a run, or of tables: the published CSV layout, or lab software's.

    Parameters
    ----------
    source
        A folder that ``synthesight evaluate`` wrote; or a folder of tables or one such file, as
        :func:`~synthesight.trials.read_csv` reads them; or a Parquet file of such a table, or of
        trials as ``Run.trials()`` has them.

    Raises
    ------
    SynthesightError
        If it is neither, or cannot be read.
    """
    source = files.as_path(source)
    if not source.exists():
        raise SynthesightError(f"There is no file or folder {source}: check the path.")
    if source.suffix.lower() == PARQUET and source.is_file():
        return _from_parquet(source)
    if source.is_file() or (not (source / RECORD).is_file() and _has_tables(source)):
        return read_csv(source)
    return Run.open(source).trials()


def _from_parquet(path: Path) -> pl.DataFrame:
    """Return the trials of a Parquet file: a trial table, or any other one."""
    try:
        columns = pl.read_parquet_schema(files.scannable(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(f"{path} cannot be read as Parquet: get the file anew.") from error
    if set(REQUIRED) <= set(columns):
        with no_panic():
            table = pl.read_parquet(files.scannable(path), glob=False)
        return conform(table, str(path))
    return read_csv(path)


def _has_tables(folder: Path) -> bool:
    """Return whether a folder holds tables; JSON beside runs is a record of theirs."""
    found = {path.suffix.lower() for path in folder.rglob("*")}
    return bool(found & {".csv", ".tsv", ".tab"}) or (
        bool(found & {".json", ".jsonl", ".ndjson"}) and not any(folder.rglob(RECORD))
    )

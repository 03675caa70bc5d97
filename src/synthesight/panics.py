"""Let damage in a Parquet file be an error, where polars would panic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl


@contextmanager
def no_panic() -> Iterator[None]:
    """Turn a panic of polars, which damage can cause, into an error, and keep it silent.

    A panic is no Exception, and writes to the process's standard error before it is one.
    """
    saved, silent = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        yield
    except pl.exceptions.PanicException as panic:
        raise pl.exceptions.ComputeError(str(panic)) from None
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(silent)

"""The door of the analyses: tables of any library come in here, and nowhere else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame

from synthesight.errors import SynthesightError
from synthesight.forks import check_threads

P = ParamSpec("P")
R = TypeVar("R")


def any_frame(
    function: Callable[Concatenate[pl.DataFrame, P], R],
) -> Callable[Concatenate[IntoFrame, P], R]:
    """Let a function of a polars table of trials take any table, and ``by`` as one name.

    Parameters
    ----------
    function
        Takes the table first.

    Returns
    -------
    The same function for polars DataFrames and LazyFrames, pandas DataFrames, and whatever else
    narwhals reads. A table that it returns is a polars DataFrame; a pandas one where it was given
    pandas.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def wrapper(trials: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        table, pandas = _to_polars(trials)
        bound = signature.bind(table, *args, **kwargs)
        if isinstance(bound.arguments.get("by"), str):
            bound.arguments["by"] = (bound.arguments["by"],)
        result: Any = function(*bound.args, **bound.kwargs)
        return result.to_pandas() if pandas and isinstance(result, pl.DataFrame) else result

    return wrapper


def _to_polars(trials: Any) -> tuple[pl.DataFrame, bool]:
    """Return a table as polars has it, and whether it was a pandas one."""
    check_threads()
    if isinstance(trials, pl.DataFrame):
        return trials, False
    try:
        frame = nw.from_native(trials)
    except TypeError as error:
        raise SynthesightError(
            f"`trials` is a {type(trials).__name__}, not a table: give a polars or pandas "
            "DataFrame, such as `run.trials()`."
        ) from error
    if isinstance(frame, nw.LazyFrame):
        return frame.collect("polars").to_native(), False
    try:
        return frame.to_polars(), frame.implementation.is_pandas()
    except ImportError as error:
        raise SynthesightError(
            "Tables of pandas are read through pyarrow: `pip install pyarrow`."
        ) from error

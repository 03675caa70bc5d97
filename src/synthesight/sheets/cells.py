"""Read column names, numbers and truth values from text."""

from __future__ import annotations

import re

import polars as pl

_FLOAT = r"^[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_DECIMAL = re.compile(r"^[+-]?\d+,\d+$")


def plain(name: str) -> str:
    """Return what two spellings of a column's name share: letters and digits, in lower case.

    Examples
    --------
    >>> plain("Response Time"), plain("key_resp.rt")
    ('responsetime', 'keyresprt')
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def numbers(values: pl.Series, separator: str | None = None) -> pl.Series:
    """Return text with decimal points for decimal commas, where the column has such numbers.

    A comma before groups of three digits, in a file that is separated by commas, parts thousands.

    Examples
    --------
    >>> numbers(pl.Series(["0,5", "12", None]), ";").to_list()
    ['0.5', '12', None]
    """
    commas = values.filter(values.str.contains(_DECIMAL.pattern))
    if commas.is_empty():
        return values
    thousands = separator == "," and commas.str.contains(r"^[+-]?[1-9]\d{0,2},\d{3}$").all()
    return (
        pl.select(
            pl.when(values.str.contains(_DECIMAL.pattern))
            .then(values.str.replace(",", "" if thousands else ".", literal=True))
            .otherwise(values)
        )
        .to_series()
        .rename(values.name)
    )


def typed(values: pl.Series) -> pl.Series:
    """Return a column of text as the numbers or truth values that all of it is, else as it is.

    Numbers with leading zeros are names (007).

    Examples
    --------
    >>> typed(pl.Series(["1", "20", None])).to_list(), typed(pl.Series(["007", "1"])).to_list()
    ([1, 20, None], ['007', '1'])
    """
    text = values.drop_nulls()
    if text.is_empty():
        return values
    if text.str.contains(r"^[+-]?(0|[1-9]\d{0,17})$").all():
        return values.cast(pl.Int64)
    if text.str.contains(_FLOAT).all():
        return values.cast(pl.Float64)
    if text.str.to_lowercase().is_in(["true", "false"]).all():
        return values.str.to_lowercase() == "true"
    return values

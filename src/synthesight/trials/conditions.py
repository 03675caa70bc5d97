"""Conditions of the 17 published datasets, under one spelling each.

The published files spell some of them in several ways (``0.90`` and ``0.9``, ``3`` and ``3.0``,
``true`` and ``True``); only one spelling lets the trials of people and of models meet.
"""

from __future__ import annotations

import polars as pl

from synthesight.stimuli.datasets import PUBLISHED


def _key(dataset: pl.Expr, condition: pl.Expr) -> pl.Expr:
    """Equal for two spellings of one condition: as a number, else in lower case."""
    number = condition.cast(pl.Float64, strict=False).cast(pl.String)
    return pl.concat_str(
        dataset, pl.lit("/"), pl.coalesce(number, condition.str.to_lowercase().str.strip_chars())
    )


_DECLARED = pl.DataFrame(
    [(dataset, name) for dataset, names in PUBLISHED.items() for name in names],
    schema=["dataset", "condition"],
    orient="row",
)
_KEYS = _DECLARED.select(_key(pl.col("dataset"), pl.col("condition"))).to_series()


def published_condition(dataset: pl.Expr, condition: pl.Expr) -> pl.Expr:
    """The published spelling of conditions; null where a dataset has no such condition.

    Parameters
    ----------
    dataset, condition
        String expressions.
    """
    return _key(dataset, condition).replace_strict(
        _KEYS, _DECLARED["condition"], default=None, return_dtype=pl.String
    )

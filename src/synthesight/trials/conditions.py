"""Conditions of the named datasets, under one spelling each.

The published files spell some of them in several ways (``0.90`` and ``0.9``, ``3`` and ``3.0``,
``true`` and ``True``); only one spelling lets the trials of people and of models meet.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from synthesight.stimuli.datasets import datasets


def _key(dataset: pl.Expr, condition: pl.Expr) -> pl.Expr:
    """Return what two spellings of one condition share: the number, else lower case."""
    number = condition.cast(pl.Float64, strict=False).cast(pl.String)
    return pl.concat_str(
        dataset, pl.lit("/"), pl.coalesce(number, condition.str.to_lowercase().str.strip_chars())
    )


@cache
def _declared() -> tuple[pl.Series, pl.Series]:
    """Return the keys of all declared conditions, and their published spelling."""
    declared = pl.DataFrame(
        [(one.name, name) for one in datasets().values() for name in one.conditions],
        schema=["dataset", "condition"],
        orient="row",
    )
    keys = declared.select(_key(pl.col("dataset"), pl.col("condition"))).to_series()
    return keys, declared["condition"]


def published_condition(dataset: pl.Expr, condition: pl.Expr) -> pl.Expr:
    """Return the published spelling of conditions; null where a dataset has no such condition.

    Parameters
    ----------
    dataset, condition
        String expressions.
    """
    keys, spelling = _declared()
    return _key(dataset, condition).replace_strict(
        keys, spelling, default=None, return_dtype=pl.String
    )

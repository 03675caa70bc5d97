"""Evidence of trials as an array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError


def known_classes(trials: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """Return the trials that have evidence for so many classes.

    Raises
    ------
    SynthesightError
        If none has, or a class is named twice.
    """
    if isinstance(classes, str) or len(set(classes)) < max(len(classes), 2):
        raise SynthesightError(
            f"`classes={classes!r}` cannot be: name each class of the evidence once, in its order."
        )
    sizes = trials["evidence"].list.len().drop_nulls()
    found = trials.filter(pl.col("evidence").list.len() == len(classes))
    if found.is_empty():
        others = ", ".join(map(str, sizes.unique().sort())) or "no"
        raise SynthesightError(
            f"No trial has evidence for {len(classes)} classes, but for {others}: give `classes` "
            "as the run has them."
        )
    return found


def table_of(trials: pl.DataFrame, classes: int) -> np.ndarray:
    """Return evidence as float64, shape (N, K)."""
    return trials["evidence"].explode().to_numpy().reshape(-1, classes)

"""Shape bias: which of two conflicting cues decides."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis.bootstrap import RESAMPLES
from synthesight.analysis.panels import judged
from synthesight.analysis.ratios import ratio_table


def shape_bias(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer",),
    *,
    by_category: bool = False,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Shape decisions over shape and texture decisions (Geirhos et al. 2019).

    Only cue-conflict images whose two cues differ count, and only responses that name either cue:
    no response names none. Each trial counts, a repeated stimulus as often as it was shown, and
    observers are measured on what they were shown.

    Parameters
    ----------
    trials
        The trial table, with ``texture``.
    by
        Columns that tell the groups.
    by_category
        The bias for each shape: the same as ``category`` among ``by``.
    resample_observers, resamples, seed
        As of :func:`~synthesight.analysis.accuracy.accuracy`.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high`` (95 % percentile
    interval, bootstrap over images, or Clopper and Pearson's where all decisions are alike; all
    null where no trial named a cue), ``n`` (trials that named a cue) and ``stimuli`` (images
    shown). It is for more such combinations of these shapes and textures: the 1280 published
    images are made of 160 shapes and 48 textures, and others of these would vary more.
    """
    if by_category and "category" not in by:
        by = [*by, "category"]
    conflict = judged(trials, by).filter(pl.col("texture") != pl.col("category"))
    texture = (pl.col("response") == pl.col("texture")).fill_null(False)
    return ratio_table(
        conflict, by, pl.col("correct"), pl.col("correct") | texture,
        resamples=resamples, resample_observers=resample_observers, seed=seed,
    )  # fmt: skip

"""Shape bias: which of two conflicting cues decides."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis.registry import metric

SHAPE = Ratio(
    pl.col("correct"),
    pl.col("correct") | (pl.col("response") == pl.col("texture")).fill_null(False),
    counted=pl.col("texture") != pl.col("category"),
)


@metric(
    title="Shape bias",
    unit="share",
    direction="higher",
    text="Of the images whose shape and texture belong to different categories, and the responses "
    "that name either: the share that name the shape (Geirhos et al. 2019). n is the number of "
    "such responses, stimuli that of such images.",
    paper="geirhos2019imagenet",
    by=(("dataset",), ("dataset", "category")),
    statistic=SHAPE,
)
def shape_bias(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return shape decisions over shape and texture decisions (Geirhos et al. 2019).

    Only cue-conflict images whose two cues differ count, and only responses that name either cue;
    no response names none. Each trial counts, so a repeated stimulus counts as often as it was
    shown.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas, with ``texture``.
    by
        Column or columns that tell the groups; ``category`` among them gives the bias for each
        shape.
    resample_observers, resamples, seed
        As of :func:`accuracy`.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials that named
    a cue) and ``stimuli`` (images shown). The 95 % confidence interval is the percentile bootstrap
    over images, or Clopper and Pearson's where all decisions are alike; all three are null where
    no trial named a cue. The interval is for more such combinations of these shapes and textures:
    the 1280 published images are made of 160 shapes and 48 textures, and others of these would
    vary more.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.
    """
    return SHAPE.table(
        judged(trials, by), by,
        resample_observers=resample_observers, resamples=resamples, seed=seed,
    )  # fmt: skip

"""Shape bias: which of two conflicting cues decides."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
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
    text="Of the responses that name shape or texture of an image in which these differ: the share "
    "that name the shape (Geirhos et al. 2019). n counts these responses, and stimuli their "
    "images.",
    paper="geirhos2019imagenet",
    by=(("dataset",), ("dataset", "category")),
    statistic=SHAPE,
)
def shape_bias(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
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
    population, resamples
        As of :func:`accuracy`.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials that named
    a cue), ``stimuli`` (images shown) and ``population``; estimate, low and high are null where no
    trial named a cue. The 1280 published images are made of 160 shapes and 48 textures. With new
    stimuli, shapes and textures are both new, and the interval is about twice as wide as if only
    their combinations were (Cameron, Gelbach & Miller 2011). Other sets tell their shapes and
    textures by names such as ``cat7-clock3.png``, or by the columns ``shape_image`` and
    ``texture_image``.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.
    """
    return SHAPE.table(
        judged(trials, by), by,
        population=population, resamples=resamples,
    )  # fmt: skip

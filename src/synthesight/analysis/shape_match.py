"""Shape match and texture match: how often each of two conflicting cues is named."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.analysis.registry import metric

_CONFLICT = pl.col("texture") != pl.col("category")
SHAPE_NAMED = Ratio(pl.col("correct"), counted=_CONFLICT)
TEXTURE_NAMED = Ratio((pl.col("response") == pl.col("texture")).fill_null(False), counted=_CONFLICT)


@metric(
    title="Shape match",
    unit="share",
    direction="higher",
    text="Of the images whose shape and texture belong to different categories: the share whose "
    "shape is named. Shape bias says which cue wins where either is named, not how often.",
    paper="hermann2020origins",
    by=(("dataset",),),
    statistic=SHAPE_NAMED,
)
def shape_match(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the share of cue-conflict images whose shape is named (Hermann et al. 2020).

    Two observers can have one shape bias while one of them names either cue on nearly every image
    and the other on few. No response names none.

    Parameters
    ----------
    trials, by, population, resamples
        As of :func:`shape_bias`.

    Returns
    -------
    One row a group: the columns ``by``, estimate, low, high, n (trials) and stimuli.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.

    Examples
    --------
    >>> trials = pl.DataFrame({
    ...     "observer": "m", "stimulus": ["1", "2", "3", "4"], "category": "cat", "texture": "dog",
    ...     "response": ["cat", "cat", "dog", "car"],
    ... })
    >>> shape_match(trials, by="observer", resamples=0)["estimate"].item()
    0.5
    >>> texture_match(trials, by="observer", resamples=0)["estimate"].item()
    0.25
    """  # fmt: skip
    return SHAPE_NAMED.table(
        judged(trials, by), by,
        population=population, resamples=resamples,
    )  # fmt: skip


@metric(
    title="Texture match",
    unit="share",
    direction="lower",
    text="Of the images whose shape and texture belong to different categories: the share whose "
    "texture is named.",
    paper="hermann2020origins",
    by=(("dataset",),),
    statistic=TEXTURE_NAMED,
)
def texture_match(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the share of cue-conflict images whose texture is named (Hermann et al. 2020).

    Parameters, returned columns and errors are those of :func:`shape_match`.
    """
    return TEXTURE_NAMED.table(
        judged(trials, by), by,
        population=population, resamples=resamples,
    )  # fmt: skip

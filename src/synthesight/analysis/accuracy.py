"""Accuracy of any group of trials."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis.registry import metric

CORRECT = Ratio(pl.col("correct"))


@metric(
    title="Accuracy",
    unit="share",
    direction="higher",
    text="Share of correct responses; in cue conflict the shape is what is correct.",
    paper="geirhos2018generalisation",
    statistic=CORRECT,
)
def accuracy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the share of correct responses.

    No response is an error; an unreadable stimulus is no trial. Each trial counts, so a repeated
    stimulus counts as often as it was shown. Observers are measured on what they were shown,
    whatever others were shown.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    by
        Column or columns that tell the groups. People are numbered anew in each published dataset,
        so observers of several datasets are told apart by both columns.
    resample_observers
        Whether the interval is for observers like these (True) or for just these (False). It
        matters where a group holds several.
    resamples
        Resamples of the bootstrap; with 0 there are no intervals.
    seed
        Seed of the bootstrap.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials) and
    ``stimuli``. The 95 % confidence interval is the percentile bootstrap over images, or Clopper
    and Pearson's where all are right or all wrong. It is too narrow where only a few are right or
    wrong.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.

    Examples
    --------
    >>> trials = pl.DataFrame({
    ...     "observer": ["m", "m"], "stimulus": ["a.png", "b.png"],
    ...     "category": ["cat", "dog"], "response": ["cat", "cat"],
    ... })
    >>> accuracy(trials, by="observer")["estimate"].item()
    0.5
    """  # fmt: skip
    return CORRECT.table(
        judged(trials, by), by,
        resample_observers=resample_observers, resamples=resamples, seed=seed,
    )  # fmt: skip

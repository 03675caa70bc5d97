"""Accuracy of any group of trials."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.analysis.registry import metric

CORRECT = Ratio(pl.col("correct"))


@metric(
    title="Accuracy",
    unit="share",
    direction="higher",
    text="Share of correct responses; in cue conflict the shape is what is correct.",
    paper="geirhos2018generalisation",
    statistic=CORRECT,
    chance=True,
)
def accuracy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
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
    population
        What the interval lets vary, and so of what it speaks:

        - ``"these"``: these observers would respond to these images again. At most so wide: how
          much of the spread is the images' cannot be told from one response to each.
        - ``"new-stimuli"``: these observers would see other images like these; in cue conflict,
          of other shapes and other textures.
        - ``"new-people"``: other people like these would see these images. People are the human
          observers of a group that is not one of them: ``"observer"`` not in ``by``.
        - ``"new-people-and-stimuli"``: both.
    resamples
        0 leaves the interval out. It needs no resamples here.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high`` (95 % confidence
    interval), ``n`` (trials), ``stimuli`` and ``population``. That names of what the row speaks:
    ``"these"`` or ``"new-stimuli"`` where no people are a sample, and ``"new-combinations"``
    where a cue-conflict set does not tell its shapes and textures. One person tells nothing of
    new people, so that low and high are null.

    The interval is Wilson's (1927) with the sample size that the cluster-robust variance amounts
    to and Student's quantile. Where all are right or all wrong, it is Clopper and Pearson's.

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
        population=population, resamples=resamples,
    )  # fmt: skip

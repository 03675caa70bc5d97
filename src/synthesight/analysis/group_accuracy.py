"""Accuracy by groups of images that belong together, such as the pairs of Winoground."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.analysis.accuracy import CORRECT


@any_frame
def group_accuracy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    group: str = "pair",
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the share of groups of images that were all answered correctly.

    With the two images of each pair as a group, it is the text score of Winoground (Thrush et al.
    2022): chance is 1/4 there, where that of accuracy is 1/2.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    by
        Column or columns that tell whose groups are counted.
    group
        Column that tells which images belong together; trials without a value are left out.
    population, resamples
        As of :func:`accuracy`.

    Returns
    -------
    One row for each value of ``by``: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` and
    ``stimuli`` (both of groups). The 95 % confidence interval is as of :func:`accuracy`, over
    groups.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by`` or ``group``.

    Examples
    --------
    >>> trials = pl.DataFrame({
    ...     "observer": ["m"] * 4, "stimulus": ["a0", "a1", "b0", "b1"], "pair": [0, 0, 1, 1],
    ...     "category": ["x", "y", "x", "y"], "response": ["x", "y", "x", "x"],
    ... })
    >>> group_accuracy(trials, by="observer").select("estimate", "n").row(0)
    (0.5, 2)
    """  # fmt: skip
    names = (by,) if isinstance(by, str) else tuple(by)
    shown = judged(trials, (*names, group)).filter(pl.col(group).is_not_null())
    called = pl.col(group).cast(pl.String)
    groups = shown.group_by(*dict.fromkeys((*names, "dataset", group)), maintain_order=True).agg(
        pl.col("correct").all(), pl.exclude("correct", *names, "dataset", group).first()
    )
    groups = groups.with_columns(image=called, stimulus=called)
    return CORRECT.table(
        groups, names,
        population=population, resamples=resamples,
    )  # fmt: skip

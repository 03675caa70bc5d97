"""Accuracy: of any group of trials, and out of distribution as the benchmark has it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis.bootstrap import RESAMPLES, Bootstrap
from synthesight.analysis.conditions import without_trivial
from synthesight.analysis.crowds import Crowds
from synthesight.analysis.means import Means
from synthesight.analysis.panels import judged, panels
from synthesight.analysis.ratios import panel_ratios, ratio_table


def accuracy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Share of correct responses; no response is an error, an unreadable stimulus no trial.

    Each trial counts, a repeated stimulus as often as it was shown. Observers are measured on what
    they were shown, whatever others were.

    Parameters
    ----------
    trials
        The trial table.
    by
        Columns that tell the groups. People are numbered anew in each published dataset, so
        observers of several datasets are told apart by both columns.
    resample_observers
        Whether the interval is for observers like these (True) or for just these (False); matters
        where a group holds several.
    resamples, seed
        Of the bootstrap; no resamples, no interval.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high`` (95 % percentile
    interval, bootstrap over images, or Clopper and Pearson's where all are right or all wrong; it
    is too narrow with only a few right or a few wrong; null without resamples), ``n`` (trials) and
    ``stimuli``.
    """
    return ratio_table(
        judged(trials, by), by, pl.col("correct"), pl.col("correct").is_not_null(),
        resamples=resamples, resample_observers=resample_observers, seed=seed,
    )  # fmt: skip


def ood_accuracy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer",),
    *,
    trivial: bool = False,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Mean over datasets of the mean over conditions of accuracy (Geirhos et al. 2021).

    Within a condition as :func:`accuracy`. The means are over what the group was shown: groups
    that saw different datasets or conditions are not comparable, which ``datasets`` and
    ``conditions`` tell.

    Parameters
    ----------
    trials
        The trial table.
    by
        Columns that tell the groups, such as observer or kind.
    trivial
        Whether to count the conditions that the benchmark leaves out.
    resample_observers, resamples, seed
        As of :func:`accuracy`. Images are resampled within each condition, those that several
        conditions show in all of these at once; observers in all conditions of a dataset at once.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials),
    ``datasets`` and ``conditions``: how many the mean is over.
    """
    return ood_table(
        judged(trials, by), by, trivial=trivial, resample_observers=resample_observers,
        resamples=resamples, seed=seed,
    )  # fmt: skip


def ood_table(
    known: pl.DataFrame,
    by: Sequence[str],
    *,
    trivial: bool,
    resample_observers: bool,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """As :func:`ood_accuracy`, of judged trials."""
    counted = known if trivial else without_trivial(known)
    bootstrap = Bootstrap(resamples, seed)
    columns = [*by, *(["observer"] if "observer" not in by else [])]
    values = {"numerator": pl.col("correct"), "denominator": pl.col("correct").is_not_null()}
    crowds = Crowds(counted, by, columns, bootstrap) if resample_observers else None
    means = Means(counted.select(by).unique().sort(by), resamples)
    for panel in panels(counted, ["dataset", "condition"], columns, values):
        times = crowds.times(panel.key[0], panel.columns) if crowds else None
        ratios = panel_ratios(panel, by, bootstrap, times)
        means.add(str(panel.key[0]), ratios.groups, ratios.estimate, ratios.replicates, ratios.n)
    return means.table()

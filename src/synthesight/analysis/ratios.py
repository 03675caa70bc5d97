"""Ratios of sums over stimuli, with intervals: what accuracy and shape bias have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import beta

from synthesight.analysis.bootstrap import LEVEL, Bootstrap, grouped_weights, interval
from synthesight.analysis.panels import STIMULUS, Panel, panels


@dataclass(frozen=True, eq=False)
class Ratios:
    """The ratio of each group of a panel.

    Attributes
    ----------
    groups
        Frame of G rows.
    estimate
        float64, shape (G,); NaN where undefined.
    replicates
        float64, shape (B, G): the same for each resample.
    n, stimuli
        int64, shape (G,): sum of the denominators; stimuli shown.
    images
        int64, shape (G,): images with a denominator.
    """

    groups: pl.DataFrame
    estimate: np.ndarray
    replicates: np.ndarray
    n: np.ndarray
    stimuli: np.ndarray
    images: np.ndarray


def panel_ratios(
    panel: Panel, by: Sequence[str], bootstrap: Bootstrap, times: np.ndarray | None = None
) -> Ratios:
    """Σ numerator / Σ denominator of a panel's groups of columns.

    Parameters
    ----------
    panel
        With the values ``numerator`` and ``denominator``.
    by
        The first of the columns that its columns are told by: those that tell the groups.
    times
        float32, shape (B, C): how often each column's observer is in each resample; None: once.
    """
    numerator, denominator = panel.values["numerator"], panel.values["denominator"]
    starts = group_starts(panel.columns, by)
    both = bootstrap.sums(np.hstack([numerator, denominator]), panel.images)
    above, below = np.hsplit(both, 2)
    if times is not None:
        above, below = above * times, below * times
    total = np.add.reduceat(denominator.sum(axis=0), starts)
    return Ratios(
        groups=panel.columns[starts].select(by),
        estimate=divide(np.add.reduceat(numerator.sum(axis=0), starts), total),
        replicates=divide(
            np.add.reduceat(above, starts, axis=1), np.add.reduceat(below, starts, axis=1)
        ),
        n=np.rint(total).astype(np.int64),
        images=(np.add.reduceat(panel.images.gathered(denominator), starts, axis=1) > 0).sum(
            axis=0
        ),
        stimuli=(np.add.reduceat(panel.seen, starts, axis=1) > 0).sum(axis=0),
    )


def group_starts(columns: pl.DataFrame, by: Sequence[str]) -> np.ndarray:
    """Where each group begins in rows that are sorted by the columns ``by``; int64, shape (G,)."""
    if not by:
        return np.zeros(1, dtype=np.int64)
    first = columns.select(pl.struct(by).rle_id().is_first_distinct().arg_true()).to_series()
    return first.to_numpy().astype(np.int64)


def ratio_table(
    trials: pl.DataFrame,
    by: Sequence[str],
    numerator: pl.Expr,
    denominator: pl.Expr,
    *,
    resamples: int,
    resample_observers: bool,
    seed: int,
) -> pl.DataFrame:
    """One row a group: ``by``, estimate, low, high, n and stimuli; null where undefined."""
    strata = [column for column in by if column in STIMULUS]
    who = [column for column in by if column not in STIMULUS]
    columns = [*who, *(["observer"] if "observer" not in who else [])]
    bootstrap = Bootstrap(resamples, seed)
    values = {"numerator": numerator, "denominator": denominator}
    parts = []
    for panel in panels(trials, strata, columns, values):
        times = None
        if resample_observers:
            starts = group_starts(panel.columns, who)
            times = grouped_weights(starts, len(panel.columns), resamples, bootstrap.rng)
        ratios = panel_ratios(panel, who, bootstrap, times)
        low, high = _interval(ratios)
        figures = (ratios.estimate, low, high, ratios.n, ratios.stimuli)
        parts.append((panel.key, ratios.groups, figures))
    return group_table(trials, by, parts)


def _interval(ratios: Ratios) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval; the exact one (Clopper & Pearson 1934) where all outcomes are alike.

    There every resample is as the trials are, as if nothing else could be. Images are what is
    counted: those of a crowd that saw the same ones are no more than there are.
    """
    low, high = interval(ratios.replicates)
    if len(ratios.replicates) == 0:
        return low, high
    tail, images = (1 - LEVEL) / 2, np.maximum(ratios.images, 1)
    low = np.where(ratios.estimate == 1, beta.ppf(tail, images, 1), low)
    high = np.where(ratios.estimate == 0, beta.ppf(1 - tail, 1, images), high)
    return low, high


def group_table(
    trials: pl.DataFrame,
    by: Sequence[str],
    parts: Sequence[tuple[tuple[object, ...], pl.DataFrame, tuple[np.ndarray, ...]]],
) -> pl.DataFrame:
    """Figures of the groups of all panels, in one table.

    Parameters
    ----------
    trials
        Has the columns ``by``.
    parts
        For each panel its key, its groups, and their estimate, low, high, n and stimuli.

    Returns
    -------
    Sorted by ``by``, then estimate, low, high, n and stimuli; null instead of NaN.
    """
    types = {**dict.fromkeys(("estimate", "low", "high"), pl.Float64), "n": pl.Int64}
    schema = {name: trials.schema[name] for name in by} | types | {"stimuli": pl.Int64}
    if not parts:
        return pl.DataFrame(schema=schema)
    keys, groups, figures = zip(*parts, strict=True)
    strata = {name: trials.schema[name] for name in by if name in STIMULUS}
    repeated = np.repeat(np.arange(len(keys)), [len(part[0]) for part in figures])
    figure = zip(list(schema)[len(by) :], zip(*figures, strict=True), strict=True)
    result = pl.DataFrame(
        [
            *(pl.DataFrame(keys, strata, orient="row")[repeated] if strata else ()),
            *(pl.concat(groups) if groups[0].width else ()),
            *(pl.Series(name, np.concatenate(arrays), schema[name]) for name, arrays in figure),
        ]
    ).select(*schema)
    result = result.with_columns(pl.col("estimate", "low", "high").fill_nan(None))
    return result.sort(by) if by else result


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)

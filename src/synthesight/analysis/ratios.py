"""Ratios of sums over stimuli, with intervals: what accuracy and shape bias have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis.bootstrap import grouped_weights, interval, resampled_sums
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
    """

    groups: pl.DataFrame
    estimate: np.ndarray
    replicates: np.ndarray
    n: np.ndarray
    stimuli: np.ndarray


def panel_ratios(
    panel: Panel,
    by: Sequence[str],
    *,
    resamples: int,
    resample_observers: bool,
    rng: np.random.Generator,
) -> Ratios:
    """Σ numerator / Σ denominator of a panel's groups of columns.

    Parameters
    ----------
    panel
        With the values ``numerator`` and ``denominator``.
    by
        Those of its columns that tell the groups.
    """
    numerator, denominator = panel.values["numerator"], panel.values["denominator"]
    groups = panel.columns.select(by).unique().sort(by) if by else pl.DataFrame([{}])
    if by:
        indexed = panel.columns.join(
            groups.with_row_index("_group"), on=list(by), how="left", nulls_equal=True,
            maintain_order="left",
        )  # fmt: skip
        member = indexed["_group"].to_numpy().astype(np.int64)
        count = len(groups)
    else:
        member, count = np.zeros(len(panel.columns), dtype=np.int64), 1
    add = np.zeros((len(member), count))
    add[np.arange(len(member)), member] = 1.0
    sums = resampled_sums(np.hstack([numerator, denominator]), resamples, rng)
    above, below = np.hsplit(sums, 2)
    if resample_observers:
        times = grouped_weights(member, resamples, rng)
        above, below = above * times, below * times
    total = denominator.sum(axis=0) @ add
    return Ratios(
        groups=groups,
        estimate=divide(numerator.sum(axis=0) @ add, total),
        replicates=divide(above @ add, below @ add),
        n=np.rint(total).astype(np.int64),
        stimuli=(panel.seen @ add > 0).sum(axis=0),
    )


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
    rng = np.random.default_rng(seed)
    values = {"numerator": numerator, "denominator": denominator}
    none, nobody = np.empty(0), np.empty(0, dtype=np.int64)
    tables = [trials.clear().select(by).with_columns(_figures(none, none, none, nobody, nobody))]
    for panel in panels(trials, strata, columns, values):
        ratios = panel_ratios(
            panel, who, resamples=resamples, resample_observers=resample_observers, rng=rng
        )
        low, high = interval(ratios.replicates)
        figures = pl.DataFrame(_figures(ratios.estimate, low, high, ratios.n, ratios.stimuli))
        keys = [
            pl.lit(value, trials.schema[name]).alias(name)
            for name, value in zip(strata, panel.key, strict=True)
        ]
        table = pl.concat([ratios.groups, figures], how="horizontal") if who else figures
        tables.append(table.with_columns(keys).select(tables[0].columns))
    result = pl.concat(tables)
    return result.sort(by) if by else result


def _figures(
    estimate: np.ndarray, low: np.ndarray, high: np.ndarray, n: np.ndarray, stimuli: np.ndarray
) -> list[pl.Series]:
    return [
        *(
            pl.Series(name, value, pl.Float64).fill_nan(None)
            for name, value in (("estimate", estimate), ("low", low), ("high", high))
        ),
        pl.Series("n", n, pl.Int64),
        pl.Series("stimuli", stimuli, pl.Int64),
    ]


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)

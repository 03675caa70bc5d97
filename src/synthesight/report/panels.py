"""Figures of measures by dataset and condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from synthesight.report.looks import (
    how_many,
    is_picked,
    legend,
    observer_looks,
    percent,
    picked,
    tooltip,
)
from synthesight.stimuli.datasets import PUBLISHED

COLUMNS = 3
PARAMETRIC = tuple(name for name, conditions in PUBLISHED.items() if len(conditions) > 1)
ONE_CONDITION = ("sketch", "stylized", "edge", "silhouette")

_COLUMNS = ["observer", "dataset", "condition", "estimate", "low", "high", "n"]


def accuracy_by_condition(accuracy: pl.DataFrame, observers: Sequence[str]) -> alt.ConcatChart:
    """One panel a parametric dataset: accuracy against condition, with 95 % intervals.

    Parameters
    ----------
    accuracy
        Columns observer, dataset, condition, estimate, low, high and n.
    observers
        In the order of the legend; people first draws them in black.
    """
    y = alt.Y(
        "estimate:Q", scale=alt.Scale(domain=[0, 1]), axis=percent(), title="accuracy"
    )  # fmt: skip
    return _by_condition(accuracy, observers, y, tooltip("observer", "condition", title="accuracy"))


def entropy_by_condition(entropy: pl.DataFrame, observers: Sequence[str]) -> alt.ConcatChart:
    """One panel a parametric dataset: response entropy against condition, with 95 % intervals."""
    y = alt.Y(
        "estimate:Q",
        scale=alt.Scale(domain=[0, 4]),
        axis=alt.Axis(values=[0, 1, 2, 3, 4]),
        title="entropy, bits",
    )
    said = tooltip("observer", "condition", title="entropy, bits", form=".2f", n="responses")
    return _by_condition(entropy, observers, y, said)


def accuracy_bars(accuracy: pl.DataFrame, observers: Sequence[str]) -> alt.ConcatChart:
    """One panel a dataset of one condition: accuracy of each observer, with 95 % intervals."""
    looks = observer_looks(observers, observers)
    there = set(accuracy["dataset"])
    panels = []
    for dataset in (name for name in ONE_CONDITION if name in there):
        rows = accuracy.filter(pl.col("dataset") == dataset).select(_COLUMNS)
        base = alt.Chart(alt.Data(values=rows.to_dicts())).transform_filter(is_picked())
        y = alt.Y("observer:N", sort=list(observers), title=None, axis=alt.Axis(labelLimit=200))
        bars = base.mark_bar(height={"band": 0.75}).encode(
            x=alt.X("estimate:Q", scale=alt.Scale(domain=[0, 1]), axis=percent(), title="accuracy"),
            y=y,
            color=looks["color"],
            tooltip=tooltip("observer", title="accuracy"),
        )
        # White below black, so that the interval is seen on bars of every colour.
        halo = base.mark_rule(strokeWidth=4, color="white").encode(x="low:Q", x2="high:Q", y=y)
        interval = base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q", y=y)
        panels.append(
            (bars + halo + interval).properties(
                width=250, height=alt.Step(20), title=_title(dataset, rows["n"], "trials a bar")
            )
        )
    return alt.concat(*panels, columns=2).add_params(picked(observers))


def _by_condition(
    table: pl.DataFrame, observers: Sequence[str], y: alt.Y, said: list[Any]
) -> alt.ConcatChart:
    parametric = table.filter(pl.col("dataset").is_in(list(PARAMETRIC))).select(_COLUMNS)
    looks = observer_looks(observers, parametric["observer"].to_list(), legend=legend())
    there = set(parametric["dataset"])
    panels = []
    for dataset in (name for name in PARAMETRIC if name in there):
        rows = parametric.filter(pl.col("dataset") == dataset)
        base = alt.Chart(alt.Data(values=rows.to_dicts())).transform_filter(is_picked())
        order = list(PUBLISHED[dataset])
        x = alt.X(
            "condition:O",
            sort=order,
            scale=alt.Scale(domain=order),
            axis=alt.Axis(labelAngle=0 if max(map(len, order)) <= 5 else -40),
            title=None,
        )
        lines = base.mark_line(strokeWidth=1.6).encode(
            x=x, y=y, color=looks["color"], strokeDash=looks["strokeDash"]
        )
        bars = base.mark_rule(opacity=0.55).encode(
            x=x, y="low:Q", y2="high:Q", color=looks["color"]
        )
        points = base.mark_point(filled=True, size=38, opacity=1).encode(
            x=x, y=y, color=looks["color"], shape=looks["shape"], tooltip=said
        )
        panels.append(
            (bars + lines + points).properties(
                width=215, height=150, title=_title(dataset, rows["n"], "a point")
            )
        )
    return alt.concat(*panels, columns=COLUMNS).add_params(picked(observers))


def _title(dataset: str, counts: pl.Series, what: str) -> alt.TitleParams:
    subtitle = how_many(counts, what)
    return alt.TitleParams(
        dataset, subtitle=subtitle, subtitleColor="#595959", subtitleFontSize=10.5
    )

"""Figures that follow from what a metric declares: lines by condition, and bars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from synthesight.analysis import Metric
from synthesight.report.layout import LOOKUP
from synthesight.report.looks import (
    crowded,
    is_picked,
    legend,
    observer_looks,
    panel_title,
    percent,
    picked,
    tooltip,
)
from synthesight.report.section import conditions_of, datasets_of
from synthesight.stimuli.datasets import datasets

COLUMNS = 3
_KEPT = ("observer", "dataset", "condition", "estimate", "low", "high", "n")


def lines_by_condition(
    metric: Metric,
    table: pl.DataFrame,
    observers: Sequence[str],
    chance: Mapping[str, float] | None = None,
) -> alt.ConcatChart | None:
    """Draw one panel a dataset of several conditions: the metric against condition.

    Parameters
    ----------
    metric
        Tells the axis and its title.
    table
        Columns observer, dataset, condition, estimate, low, high and n.
    observers
        Observers of the report, in the order of the legend.
    chance
        What guessing gives, by dataset: a dashed line.

    Returns
    -------
    The figure; None where there is no such dataset.
    """
    shown = _records(table.filter(pl.col("dataset").is_in(_of_several_conditions(table))))
    drawn = shown["observer"].unique().to_list()
    looks = observer_looks(observers, drawn, legend=legend(drawn))
    size = {"width": 260, "height": 200} if crowded(drawn) else {"width": 215, "height": 150}
    axis = _axis(metric)
    y = alt.Y("estimate:Q", **axis)
    panels = []
    for dataset in datasets_of(shown):
        rows = shown.filter(pl.col("dataset") == dataset)
        base = alt.Chart(alt.Data(values=rows.to_dicts())).transform_filter(is_picked())
        x = _conditions(dataset, conditions_of(shown, dataset))
        lines = base.mark_line(strokeWidth=1.6).encode(
            x=x, y=y, color=looks["color"], strokeDash=looks["strokeDash"]
        )
        intervals = base.mark_rule(opacity=0.55).encode(
            x=x, y=alt.Y("low:Q", **axis), y2="high:Q", color=looks["color"]
        )
        points = base.mark_point(filled=True, size=38, opacity=1).encode(
            x=x,
            y=y,
            color=looks["color"],
            shape=looks["shape"],
            tooltip=_tooltip(metric, "observer", "condition"),
        )
        panels.append(
            alt.layer(*_chance(y, dataset, chance), intervals, lines, points).properties(
                **size, title=panel_title(dataset, rows["n"], "a point")
            )
        )
    if not panels:
        return None
    return alt.concat(*panels, columns=COLUMNS).add_params(picked(observers))


def bars(
    metric: Metric,
    table: pl.DataFrame,
    observers: Sequence[str],
    chance: Mapping[str, float] | None = None,
) -> alt.ConcatChart | None:
    """Draw one panel a dataset of one condition, or a single one: a bar an observer.

    Parameters
    ----------
    metric
        Tells the axis and its title.
    table
        Columns observer, estimate, low, high and n; and dataset, where there are several.
    observers
        Observers of the report, in their order from top.
    chance
        What guessing gives, by dataset: a dashed line.

    Returns
    -------
    The figure; None where there is no such dataset.
    """
    shown = _records(table)
    if "dataset" in shown.columns:
        shown = shown.filter(~pl.col("dataset").is_in(_of_several_conditions(shown)))
        parts = [(name, shown.filter(pl.col("dataset") == name)) for name in datasets_of(shown)]
    else:
        parts = [(metric.title, shown)] if len(shown) else []
    looks = observer_looks(observers, observers)
    axis = _axis(metric)
    low = alt.X("low:Q", **axis)
    panels = []
    for title, rows in parts:
        base = alt.Chart(alt.Data(values=rows.to_dicts())).transform_filter(is_picked())
        y = alt.Y("observer:N", sort=list(observers), title=None, axis=alt.Axis(labelLimit=200))
        x = alt.X("estimate:Q", **axis)
        marks = base.mark_bar(height={"band": 0.75}).encode(
            x=x,
            y=y,
            color=looks["color"],
            tooltip=_tooltip(metric, "observer"),
        )
        # White below black, so that the interval is seen on bars of every colour.
        halo = base.mark_rule(strokeWidth=4, color="white").encode(x=low, x2="high:Q", y=y)
        interval = base.mark_rule(strokeWidth=1.5).encode(x=low, x2="high:Q", y=y)
        panels.append(
            alt.layer(marks, *_chance(x, title, chance), halo, interval).properties(
                width=250, height=alt.Step(20), title=panel_title(title, rows["n"], "a bar")
            )
        )
    if not panels:
        return None
    return alt.concat(*panels, columns=2).add_params(picked(observers))


def chance_of(metric: Metric, trials: pl.DataFrame) -> dict[str, float]:
    """Return what guessing gives in each dataset; nothing where it gives no fixed value."""
    if not metric.chance:
        return {}
    categories = (
        trials.drop_nulls("category").group_by("dataset").agg(pl.col("category").n_unique())
    )
    return {dataset: 1 / number for dataset, number in categories.iter_rows()}


def _chance(
    axis: alt.X | alt.Y, dataset: str, chance: Mapping[str, float] | None
) -> list[alt.Chart]:
    if (value := (chance or {}).get(dataset)) is None:
        return []
    at = alt.Chart(alt.Data(values=[{"estimate": value}]))
    line = at.mark_rule(color="#777777", strokeDash=[4, 3])
    return [line.encode(**{"x" if isinstance(axis, alt.X) else "y": axis})]


def _conditions(dataset: str, order: Sequence[str]) -> alt.X:
    """Return the axis of a dataset's conditions."""
    known = datasets().get(dataset)
    shown = dict(zip(known.conditions, known.labels, strict=True)) if known and known.labels else {}
    words = [shown.get(name, name) for name in order]
    axis = alt.Axis(labelAngle=0 if max(map(len, words)) * len(words) <= 36 else -40)
    if words != list(order):
        axis.labelExpr = json.dumps(dict(zip(order, words, strict=True))) + LOOKUP
    scale = alt.Scale(domain=order)
    title = (known.axis or None) if known else "condition"
    return alt.X("condition:O", sort=order, scale=scale, axis=axis, title=title)


def _axis(metric: Metric) -> dict[str, Any]:
    """Return the scale, axis and title of a metric's values."""
    title = metric.title
    if title[1:2].islower():  # no abbreviation, as OOD is
        title = title[0].lower() + title[1:]
    if metric.unit == "share":
        return {"scale": alt.Scale(domain=[0, 1]), "axis": percent(), "title": title}
    return {"axis": alt.Axis(tickCount=5), "title": f"{title}, {metric.unit}"}


def _tooltip(metric: Metric, *names: str) -> list[Any]:
    form = ".1%" if metric.unit == "share" else ".3f"
    return tooltip(*names, title=str(_axis(metric)["title"]), form=form, n="n")


def _records(table: pl.DataFrame) -> pl.DataFrame:
    kept = [name for name in _KEPT if name in table.columns]
    return table.select(kept).drop_nulls("estimate")


def _of_several_conditions(table: pl.DataFrame) -> list[str]:
    """Return the datasets whose conditions are drawn: published ones, and those of a table."""
    published = [name for name, each in datasets().items() if len(each.conditions) > 1]
    if "condition" not in table.columns:
        return published
    own = [name for name in datasets_of(table) if name not in datasets()]
    return published + [name for name in own if len(conditions_of(table, name)) > 1]

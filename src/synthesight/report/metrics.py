"""Sections that follow from what a metric declares: its tables, lines by condition and bars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import altair as alt
import polars as pl

from synthesight.analysis import POPULATION, POPULATIONS, Metric, Population
from synthesight.errors import SynthesightError
from synthesight.report.layout import LOOKUP
from synthesight.report.looks import (
    crowded,
    guide,
    interval_and_point,
    legend,
    observer_looks,
    panel_title,
    panels_of,
    percent,
    records,
    shown,
    tooltip,
)
from synthesight.report.section import (
    Section,
    conditions_of,
    datasets_of,
    levels,
    order,
    sorted_table,
)
from synthesight.stimuli.datasets import datasets

_KEPT = ("observer", "dataset", "condition", "estimate", "low", "high", "n")


def metric_section(
    metric: Metric, everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Return the section of a metric; None where the trials do not allow it.

    Parameters
    ----------
    metric
        Any that is registered.
    everyone
        The trial table, with ``who``: the observer, or people.
    resamples
        Resamples of the bootstrap, where there is one.
    population
        Of which the intervals speak, where the metric can choose.
    """
    observers = order(everyone)
    options: dict[str, Any] = {"resamples": resamples}
    if "population" in signature(metric.function).parameters:
        options["population"] = population
    else:
        population = POPULATION
    name = metric.name.replace("_", "-")
    if metric.groups:
        tables = _grouped(metric, name, everyone, options)
    else:
        try:
            tables = {name: metric.function(everyone.drop("who"), **options)}
        except SynthesightError:
            return None  # such as without people to compare with
    tables = {key: sorted_table(table, observers) for key, table in tables.items()}
    if all(table["estimate"].null_count() == len(table) for table in tables.values()):
        return None
    pooled = "People are pooled" if metric.groups else "The row of people is people with each other"
    text = (
        f"{metric.text} Intervals are 95 % confidence intervals for {POPULATIONS[population]}. "
        f"{pooled}.{' Dashed lines are chance.' if metric.chance else ''}"
    )
    section = Section(
        name, metric.title, text, tables, metrics=[metric.name], population=population
    )
    drawn = {
        key: table
        for key, table in tables.items()
        if {"category", "texture"}.isdisjoint(table.columns)
    }
    chance, axis = chance_of(metric, everyone), axis_of(metric)
    for key, table in drawn.items():
        if "condition" in table.columns and (lines := lines_of(table, observers, axis, chance)):
            section.figures[key] = lines
    # Bars are of the first grouping, which has the most trials.
    for table in list(drawn.values())[:1]:
        if figure := bars(metric, table, observers, chance):
            section.figures[f"{name}-bars"] = figure
    return section


def _grouped(
    metric: Metric, name: str, everyone: pl.DataFrame, options: Mapping[str, Any]
) -> dict[str, pl.DataFrame]:
    """Return a table for each grouping that the metric declares."""
    tables: dict[str, pl.DataFrame] = {}
    for grouping in metric.by:
        first = grouping == metric.by[0]
        # What has no condition is in the table of datasets alone.
        trials = everyone if first else everyone.drop_nulls(grouping[-1])
        if trials.is_empty():
            continue
        by = ("who", *grouping)
        table = metric.function(trials, by=by, **options).rename({"who": "observer"})
        if not table.is_empty():
            tables[name if first else f"{name}-by-{grouping[-1]}"] = table
    return tables


def lines_of(
    table: pl.DataFrame,
    observers: Sequence[str],
    axis: Mapping[str, Any],
    chance: Mapping[str, float] | pl.DataFrame | None = None,
    *,
    factor: str | None = None,
) -> alt.ConcatChart | None:
    """Draw one panel a dataset of several conditions: values against condition.

    Parameters
    ----------
    table
        Columns observer, dataset, condition, estimate, low, high and n.
    observers
        Observers of the report, in the order of the legend.
    axis
        Scale, axis and title of the values, as :func:`axis_of` returns them.
    chance
        What guessing gives, by dataset; or a frame of dataset, condition and estimate, where it
        differs between conditions: a dashed line.
    factor
        What the column ``condition`` holds instead of the datasets' conditions.

    Returns
    -------
    The figure; None where there is no such dataset.
    """
    rows = _kept(table)
    if factor is None:
        rows = rows.filter(pl.col("dataset").is_in(_of_several_conditions(table)))
    drawn = rows["observer"].unique().to_list()
    looks = observer_looks(observers, drawn, legend=legend(drawn))
    size = {"width": 260, "height": 200} if crowded(drawn) else {"width": 215, "height": 150}
    panels = []
    for dataset in datasets_of(rows):
        own = rows.filter(pl.col("dataset") == dataset)
        x = _conditions(own, dataset, factor)
        below: list[alt.Chart] = []
        if isinstance(chance, pl.DataFrame):
            at = alt.Chart(records(chance.filter(pl.col("dataset") == dataset)))
            line = at.mark_line(color="#777777", strokeDash=[4, 3])
            below = [line.encode(x=x, y=alt.Y("estimate:Q", **axis))]
            below.append(guide(y=alt.YDatum(0)).mark_rule(color="black"))
        elif chance and dataset in chance:
            below = [guide(y=alt.YDatum(chance[dataset]))]
        base = shown(own)
        lines = base.mark_line(strokeWidth=1.6).encode(
            x=x,
            y=alt.Y("estimate:Q", **axis),
            color=looks["color"],
            strokeDash=looks["strokeDash"],
        )
        said = _tooltip(axis, "observer", "condition")
        marks = interval_and_point(base, looks, "y", axis, said, size=38, x=x)
        panels.append(
            alt.layer(*below, marks[0], lines, marks[1]).properties(
                **size, title=panel_title(dataset, own["n"], "a point")
            )
        )
    return panels_of(panels, observers) if panels else None


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
    rows = _kept(table)
    if "dataset" in rows.columns:
        rows = rows.filter(~pl.col("dataset").is_in(_of_several_conditions(rows)))
        parts = [(name, rows.filter(pl.col("dataset") == name)) for name in datasets_of(rows)]
    else:
        parts = [(metric.title, rows)] if len(rows) else []
    looks = observer_looks(observers, observers)
    axis = axis_of(metric)
    low = alt.X("low:Q", **axis)
    panels = []
    for title, own in parts:
        base = shown(own)
        y = alt.Y("observer:N", sort=list(observers), title=None, axis={"labelLimit": 200})
        marks = base.mark_bar(height={"band": 0.75}).encode(
            x=alt.X("estimate:Q", **axis),
            y=y,
            color=looks["color"],
            tooltip=_tooltip(axis, "observer"),
        )
        at = (chance or {}).get(title)
        line = [] if at is None else [guide(x=alt.XDatum(at))]
        # White below black, so that the interval is seen on bars of every colour.
        halo = base.mark_rule(strokeWidth=4, color="white").encode(x=low, x2="high:Q", y=y)
        interval = base.mark_rule(strokeWidth=1.5).encode(x=low, x2="high:Q", y=y)
        panels.append(
            alt.layer(marks, *line, halo, interval).properties(
                width=250, height=alt.Step(20), title=panel_title(title, own["n"], "a bar")
            )
        )
    return panels_of(panels, observers, columns=2) if panels else None


def chance_of(metric: Metric, trials: pl.DataFrame) -> dict[str, float]:
    """Return what guessing gives in each dataset; nothing where it gives no fixed value."""
    if not metric.chance:
        return {}
    categories = (
        trials.drop_nulls("category").group_by("dataset").agg(pl.col("category").n_unique())
    )
    return {dataset: 1 / number for dataset, number in categories.iter_rows()}


def axis_of(metric: Metric) -> dict[str, Any]:
    """Return the scale, axis and title of a metric's values."""
    title = metric.title
    if title[1:2].islower():  # no abbreviation, as OOD is
        title = title[0].lower() + title[1:]
    if metric.unit == "share":
        return {"scale": {"domain": [0, 1]}, "axis": percent(), "title": title}
    return {"axis": {"tickCount": 5}, "title": f"{title}, {metric.unit}"}


def _of_several_conditions(table: pl.DataFrame) -> list[str]:
    """Return the datasets whose conditions are drawn: published ones, and those of a table."""
    names = list(datasets()) if "condition" not in table.columns else datasets_of(table)
    return [name for name in names if len(conditions_of(table, name)) > 1]


def _conditions(table: pl.DataFrame, dataset: str, factor: str | None) -> alt.X:
    """Return the axis of a dataset's conditions, or of a factor's values."""
    known = None if factor else datasets().get(dataset)
    names = levels(table["condition"]) if factor else conditions_of(table, dataset)
    labels = (
        dict(zip(known.conditions, known.labels, strict=True)) if known and known.labels else {}
    )
    words = [labels.get(name, name) for name in names]
    axis: dict[str, Any] = {"labelAngle": 0 if max(map(len, words)) * len(words) <= 36 else -40}
    if words != names:
        axis["labelExpr"] = json.dumps(dict(zip(names, words, strict=True))) + LOOKUP
    title = factor or ((known.axis or None) if known else "condition")
    return alt.X("condition:O", sort=names, scale={"domain": names}, axis=axis, title=title)


def _tooltip(axis: Mapping[str, Any], *names: str) -> list[Any]:
    form = ".1%" if "scale" in axis else ".3f"
    return tooltip(*names, title=str(axis["title"]), form=form, n="n")


def _kept(table: pl.DataFrame) -> pl.DataFrame:
    kept = [name for name in _KEPT if name in table.columns]
    return table.select(kept).drop_nulls("estimate")

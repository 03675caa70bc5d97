"""Figures of accuracy by condition, of error consistency, and of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from synthesight.report.looks import observer_looks
from synthesight.trials.conditions import PUBLISHED

PICKED = "picked"  # the parameter by which the page shows and hides observers
COLUMNS = 3
ONE_CONDITION = ("sketch", "stylized", "edge", "silhouette")


def picked(observers: Sequence[str]) -> alt.Parameter:
    """The parameter that holds the observers to show."""
    return alt.param(name=PICKED, value=list(observers))


def accuracy_by_condition(accuracy: pl.DataFrame, observers: Sequence[str]) -> alt.ConcatChart:
    """One panel a parametric dataset: accuracy against condition, with 95 % intervals.

    Parameters
    ----------
    accuracy
        Columns observer, dataset, condition, estimate, low, high and n.
    observers
        In the order of the legend; people first draws them in black.
    """
    datasets = [name for name in PUBLISHED if len(PUBLISHED[name]) > 1]
    parametric = accuracy.filter(pl.col("dataset").is_in(datasets))
    looks = observer_looks(observers, parametric["observer"].to_list(), legend=_legend())
    rows = parametric.select(
        "observer", "dataset", "condition", "estimate", "low", "high", "n"
    ).to_dicts()
    there = set(parametric["dataset"])
    panels = []
    for dataset in (name for name in datasets if name in there):
        data = alt.Data(values=[row for row in rows if row["dataset"] == dataset])
        order = list(PUBLISHED[dataset])
        base = alt.Chart(data).transform_filter(_shown("observer"))
        x = alt.X(
            "condition:O",
            sort=order,
            scale=alt.Scale(domain=order),
            axis=alt.Axis(labelAngle=0 if max(map(len, order)) < 5 else -40),
            title=None,
        )
        lines = base.mark_line(strokeWidth=1.6).encode(
            x=x,
            y=_share("estimate:Q", "accuracy"),
            color=looks["color"],
            strokeDash=looks["strokeDash"],
        )
        bars = base.mark_rule(opacity=0.55).encode(
            x=x, y="low:Q", y2="high:Q", color=looks["color"]
        )
        points = base.mark_point(filled=True, size=38, opacity=1).encode(
            x=x,
            y="estimate:Q",
            color=looks["color"],
            shape=looks["shape"],
            tooltip=_tooltip("observer", "condition"),
        )
        panels.append((bars + lines + points).properties(width=215, height=150, title=dataset))
    return alt.concat(*panels, columns=COLUMNS).add_params(picked(observers))


def accuracy_bars(accuracy: pl.DataFrame, observers: Sequence[str]) -> alt.ConcatChart:
    """One panel a dataset of one condition: accuracy of each observer, with 95 % intervals."""
    looks = observer_looks(observers, observers)
    there = set(accuracy["dataset"])
    datasets = [name for name in ONE_CONDITION if name in there]
    rows = accuracy.select("observer", "dataset", "estimate", "low", "high", "n").to_dicts()
    panels = []
    for dataset in datasets:
        data = alt.Data(values=[row for row in rows if row["dataset"] == dataset])
        base = alt.Chart(data).transform_filter(_shown("observer"))
        y = alt.Y("observer:N", sort=list(observers), title=None, axis=alt.Axis(labelLimit=200))
        bars = base.mark_bar(height={"band": 0.75}).encode(
            x=alt.X(
                "estimate:Q", scale=alt.Scale(domain=[0, 1]), axis=_percent(), title="accuracy"
            ),
            y=y,
            color=looks["color"],
            tooltip=_tooltip("observer"),
        )
        interval = base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q", y=y)
        panels.append((bars + interval).properties(width=250, height=alt.Step(20), title=dataset))
    return alt.concat(*panels, columns=2).add_params(picked(observers))


def consistency_matrix(pairs: pl.DataFrame, dataset: str) -> alt.LayerChart:
    """Error consistency of every two observers in one dataset, as a matrix.

    Parameters
    ----------
    pairs
        Columns first, second, estimate (κ, mean over conditions; null where undefined), n and
        conditions, of one dataset.
    """
    both = pl.concat(
        [pairs, pairs.rename({"first": "second", "second": "first"}).select(pairs.columns)]
    )
    order = sorted(set(both["first"]), key=lambda name: (not name.startswith("subject"), name))
    base = alt.Chart(alt.Data(values=both.to_dicts())).encode(
        x=alt.X("first:N", sort=order, title=None, axis=alt.Axis(labelAngle=-90)),
        y=alt.Y("second:N", sort=order, title=None),
        tooltip=[
            alt.Tooltip("first:N", title="observer"),
            alt.Tooltip("second:N", title="and"),
            alt.Tooltip("estimate:Q", title="error consistency κ", format=".3f"),
            alt.Tooltip("n:Q", title="images"),
            alt.Tooltip("conditions:Q", title="conditions"),
        ],
    )
    side = alt.Step(24 if len(order) <= 20 else 12)
    # Lightness alone carries the value, so that it reads in grey and for every eye.
    cells = base.mark_rect().encode(
        color=alt.Color(
            "estimate:Q",
            scale=alt.Scale(scheme="viridis", domain=[-0.1, 0.8], clamp=True),
            legend=alt.Legend(title="κ"),
        )
    )
    layers = [cells]
    if len(order) <= 20:
        layers.append(
            base.mark_text(fontSize=9).encode(
                text=alt.Text("estimate:Q", format=".2f"),
                color=alt.condition("datum.estimate > 0.4", alt.value("black"), alt.value("white")),
            )
        )
    return alt.layer(*layers).properties(width=side, height=side, title=dataset)


def consistency_against_accuracy(
    benchmark: pl.DataFrame, observers: Sequence[str]
) -> alt.LayerChart:
    """Error consistency with people against accuracy, one point an observer, with intervals.

    Parameters
    ----------
    benchmark
        From :func:`~synthesight.analysis.benchmark.benchmark`.
    observers
        Of the report.
    """
    looks = observer_looks(observers, benchmark["observer"].to_list(), legend=_legend())
    base = alt.Chart(
        alt.Data(values=benchmark.filter(pl.col("error_consistency").is_not_null()).to_dicts())
    ).transform_filter(_shown("observer"))
    wide = alt.Scale(zero=False, padding=12)
    x_axis = {"scale": wide, "axis": alt.Axis(format=".0%"), "title": "OOD accuracy"}
    y_axis = {"scale": wide, "title": "error consistency with people, κ"}
    x, y = alt.X("ood_accuracy:Q", **x_axis), alt.Y("error_consistency:Q", **y_axis)
    across = base.mark_rule(opacity=0.5).encode(
        x=alt.X("ood_accuracy_low:Q", **x_axis), x2="ood_accuracy_high:Q", y=y, color=looks["color"]
    )
    along = base.mark_rule(opacity=0.5).encode(
        x=x,
        y=alt.Y("error_consistency_low:Q", **y_axis),
        y2="error_consistency_high:Q",
        color=looks["color"],
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=x,
        y=y,
        color=looks["color"],
        shape=looks["shape"],
        tooltip=[
            "observer:N",
            alt.Tooltip("ood_accuracy:Q", format=".3f"),
            alt.Tooltip("error_consistency:Q", format=".3f"),
            alt.Tooltip("error_consistency_low:Q", format=".3f"),
            alt.Tooltip("error_consistency_high:Q", format=".3f"),
        ],
    )
    return (
        alt.layer(across, along, points)
        .properties(width=420, height=320)
        .add_params(picked(observers))
    )


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", columns=6, symbolLimit=0, symbolOpacity=1)


def _shown(field: str) -> str:
    return f"indexof({PICKED}, datum.{field}) >= 0"


def _share(field: str, title: str) -> alt.Y:
    return alt.Y(field, scale=alt.Scale(domain=[0, 1]), axis=_percent(), title=title)


def _percent() -> alt.Axis:
    return alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1])


def _tooltip(*names: str) -> list[Any]:
    return [
        *(f"{name}:N" for name in names),
        alt.Tooltip("estimate:Q", title="accuracy", format=".1%"),
        alt.Tooltip("low:Q", title="95 % from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("n:Q", title="trials"),
    ]

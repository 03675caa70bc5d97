"""Figures of what draws tell."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from synthesight.report.looks import COLOURS

NAMES = {
    "accuracy": "accuracy",
    "shape_bias": "shape bias",
    "score_ece": "calibration error of the score",
    "ece": "calibration error, calibrated",
    "log_loss": "log loss, nats",
    "margin": "margin of the right class",
}


def weighting_figure(found: pl.DataFrame) -> alt.HConcatChart:
    """Draw what :func:`~synthesight.draws.weighting` returns: a panel a measure."""
    order = found["weighting"].unique(maintain_order=True).to_list()
    panels: list[alt.LayerChart] = []
    for measure in (name for name in NAMES if name in set(found["measure"])):
        base = alt.Chart(_data(found.filter(measure=measure))).encode(
            y=alt.Y("weighting:N", sort=order, title=None, axis=None if panels else alt.Axis())
        )
        panels.append(_with_interval(base, "x", NAMES[measure]).properties(width=150))
    return alt.hconcat(*panels)


def time_figure(found: pl.DataFrame) -> alt.HConcatChart:
    """Draw what :func:`~synthesight.draws.time` returns: a panel a measure."""
    found = found.with_columns(time=(pl.col("from") + pl.col("to")) / 2)
    panels = []
    for measure in found["measure"].unique(maintain_order=True):
        base = alt.Chart(_data(found.filter(measure=measure))).encode(
            x=alt.X("time:Q", title="time: from image to noise", scale=alt.Scale(domain=[0, 1]))
        )
        line = base.mark_line(color=COLOURS[0]).encode(y="estimate:Q")
        panel = line + _with_interval(base, "y", NAMES[measure])
        panels.append(panel.properties(width=280, height=200))
    return alt.hconcat(*panels)


def rules_figure(found: pl.DataFrame) -> alt.LayerChart:
    """Draw what :func:`~synthesight.draws.rules` returns: cost and decisions that were lost."""
    name = pl.when(pl.col("delta").is_null()).then("rule").otherwise(
        pl.format("{}, δ = {}", "rule", "delta")
    )  # fmt: skip
    rows = found.with_columns(rule=name, estimate="broken")
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("evaluations:Q", title="network evaluations an image", scale=alt.Scale(type="log")),
        color=alt.Color("rule:N", scale=alt.Scale(range=list(COLOURS)), title=None),
    )
    chart = _with_interval(base, "y", "responses that exhaustive would not give", colour=None)
    return chart.properties(width=380, height=240)


def seeds_figure(found: pl.DataFrame) -> alt.LayerChart:
    """Draw what :func:`~synthesight.draws.seeds` returns: accuracy by the number of draws."""
    rows = found.with_columns(estimate="accuracy", low="least", high="most")
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("draws:Q", title="draws of a class", scale=alt.Scale(type="log"))
    )
    line = base.mark_line(color=COLOURS[0]).encode(y="estimate:Q")
    chart = line + _with_interval(base, "y", "accuracy: mean, least and most over sets of draws")
    return chart.properties(width=380, height=240)


def _with_interval(
    base: alt.Chart, axis: str, title: str, colour: str | None = COLOURS[0]
) -> alt.LayerChart:
    """Return points with their intervals, along one of the axes."""
    kind = alt.X if axis == "x" else alt.Y
    place: Any = kind("estimate:Q", title=title, scale=alt.Scale(zero=False))
    look = {} if colour is None else {"color": colour}
    rule = base.mark_rule(**look).encode(**{axis: kind("low:Q", title=title), f"{axis}2": "high:Q"})
    return rule + base.mark_point(filled=True, size=45, opacity=1, **look).encode(**{axis: place})


def _data(frame: pl.DataFrame) -> alt.Data:
    return alt.Data(values=frame.to_dicts())

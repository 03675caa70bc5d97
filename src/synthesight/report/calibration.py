"""The report's section of calibration: whether observers are as often right as they think."""

from __future__ import annotations

import altair as alt
import polars as pl

from synthesight.analysis import get_metric, reliability
from synthesight.report.looks import is_picked, observer_looks, percent, picked, tooltip
from synthesight.report.metrics import metric_section
from synthesight.report.section import Section, datasets_of, order
from synthesight.stimuli.names import plain


def calibration_section(everyone: pl.DataFrame, resamples: int) -> Section | None:
    """Show the expected calibration error of each observer, and how often it is right when sure."""
    section = metric_section(get_metric("expected_calibration_error"), everyone, resamples)
    if section is None:
        return None
    table = reliability(everyone, by=("who", "dataset")).rename({"who": "observer"})
    section.tables["reliability"] = table
    section.text += (
        " The diagram shows the share right by confidence, with Clopper and Pearson's 95 % "
        "intervals: on the diagonal, confidence is a probability."
    )
    for dataset in datasets_of(table):
        chart = reliability_figure(table.filter(dataset=dataset), order(everyone), title=dataset)
        section.figures[f"reliability-{plain(dataset)}"] = chart
    return section


def reliability_figure(
    table: pl.DataFrame, observers: list[str], *, title: str | None = None
) -> alt.LayerChart:
    """Draw the share right by confidence, beside the diagonal.

    Parameters
    ----------
    table
        From :func:`~synthesight.analysis.reliability`, with the column ``observer``.
    observers
        All observers of the report, for equal looks in its figures.
    title
        Title of the figure.
    """
    looks = observer_looks(observers, table["observer"].unique().to_list(), legend=alt.Legend())
    corners = alt.Data(values=[{"confidence": 0, "estimate": 0}, {"confidence": 1, "estimate": 1}])
    whole = alt.Scale(domain=[0, 1])
    x = alt.X("confidence:Q", scale=whole, axis=percent(), title="confidence in the response")
    y = alt.Y("estimate:Q", scale=whole, axis=percent(), title="share right")
    diagonal = alt.Chart(corners).mark_line(color="#999999", strokeDash=[4, 3]).encode(x=x, y=y)
    base = alt.Chart(alt.Data(values=table.to_dicts())).transform_filter(is_picked())
    said = tooltip("observer", title="right")
    intervals = base.mark_rule(opacity=0.6).encode(
        x=x, y=alt.Y("low:Q", title="share right"), y2="high:Q", color=looks["color"]
    )
    points = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=x, y=y, color=looks["color"], shape=looks["shape"], tooltip=said
    )
    chart = (diagonal + intervals + points).add_params(picked(observers))
    return chart.properties(width=300, height=300, title=title or "")

"""The report's section of calibration: whether observers are as often right as they think."""

from __future__ import annotations

import altair as alt
import polars as pl

from synthesight.analysis import get_metric, reliability
from synthesight.report.looks import (
    interval_and_point,
    legend,
    observer_looks,
    panel_title,
    panels_of,
    percent,
    shown,
    tooltip,
)
from synthesight.report.metrics import metric_section
from synthesight.report.section import Section, datasets_of, order


def calibration_section(everyone: pl.DataFrame, resamples: int) -> Section | None:
    """Show the expected calibration error of each observer, and how often it is right when sure."""
    section = metric_section(get_metric("expected_calibration_error"), everyone, resamples)
    if section is None:
        return None
    table = reliability(everyone, by=("who", "dataset")).rename({"who": "observer"})
    section.tables["reliability"] = table
    section.text += (
        " The diagram shows the share right by confidence, with Clopper and Pearson's 95 % "
        "intervals: on the dashed diagonal, confidence is a probability."
    )
    section.figures["reliability"] = reliability_figure(table, order(everyone))
    return section


def reliability_figure(table: pl.DataFrame, observers: list[str]) -> alt.ConcatChart:
    """Draw the share right by confidence, beside the diagonal: a panel a dataset.

    Parameters
    ----------
    table
        From :func:`~synthesight.analysis.reliability`, with the columns observer and dataset.
    observers
        All observers of the report, for equal looks in its figures.
    """
    drawn = table["observer"].unique().to_list()
    looks = observer_looks(observers, drawn, legend=legend(drawn))
    corners = alt.Data(values=[{"confidence": 0, "estimate": 0}, {"confidence": 1, "estimate": 1}])
    whole = {"domain": [0, 1]}
    x = alt.X("confidence:Q", scale=whole, axis=percent(), title="confidence in the response")
    y = {"scale": whole, "axis": percent(), "title": "share right"}
    diagonal = alt.Chart(corners).mark_line(color="#777777", strokeDash=[4, 3])
    diagonal = diagonal.encode(x=x, y=alt.Y("estimate:Q", **y))
    said = tooltip("observer", title="right")
    panels = []
    for dataset in datasets_of(table):
        own = table.filter(pl.col("dataset") == dataset)
        marks = interval_and_point(shown(own), looks, "y", y, said, size=50, x=x)
        panels.append(
            alt.layer(diagonal, *marks).properties(
                width=215, height=215, title=panel_title(dataset, own["n"], "a point")
            )
        )
    return panels_of(panels, observers)

"""The report's section of calibration: whether observers are as often right as they think."""

from __future__ import annotations

import altair as alt
import polars as pl

from synthesight.analysis import POPULATION, Population, get_metric, reliability
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


def calibration_section(
    everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show the expected calibration error of each observer, and how often it is right when sure."""
    metric = get_metric("expected_calibration_error")
    section = metric_section(metric, everyone, resamples, population)
    if section is None:
        return None
    section.text += (
        " The diagram shows the share right by confidence, with Clopper and Pearson's 95 % "
        "intervals. On the dashed diagonal, confidence is a probability."
    )
    table = reliability(everyone, by=("who", "dataset"))
    add_shares(section, "reliability", table, everyone, "confidence", "confidence in the response")
    return section


def add_shares(
    section: Section, name: str, table: pl.DataFrame, everyone: pl.DataFrame, *axis: str
) -> None:
    """Add a table of shares right by who and dataset, and its figure, to a section."""
    table = section.tables[name] = table.rename({"who": "observer"})
    section.figures[name] = shares_figure(table, order(everyone), *axis)


def shares_figure(
    table: pl.DataFrame, observers: list[str], column: str, title: str
) -> alt.ConcatChart:
    """Draw the share right against another share, a panel a dataset.

    Parameters
    ----------
    table
        Columns observer, dataset, estimate, low, high and n, and the other share.
    observers
        All observers of the report, for equal looks in its figures.
    column, title
        The other share, and the title of its axis. Beside ``"confidence"`` is the diagonal.
    """
    drawn = table["observer"].unique().to_list()
    looks = observer_looks(observers, drawn, legend=legend(drawn))
    corners = alt.Data(values=[{column: 0, "estimate": 0}, {column: 1, "estimate": 1}])
    diagonal = alt.Chart(corners).mark_line(color="#777777", strokeDash=[4, 3])
    whole = {"domain": [0, 1]}
    x = alt.X(f"{column}:Q", scale=whole, axis=percent(), title=title)
    y = {"scale": whole, "axis": percent(), "title": "share right"}
    said = tooltip("observer", title="right")
    panels = []
    for dataset in datasets_of(table):
        own = table.filter(pl.col("dataset") == dataset)
        line = shown(own).mark_line().encode(color=looks["color"])
        line = (diagonal if column == "confidence" else line).encode(
            x=x, y=alt.Y("estimate:Q", **y)
        )
        marks = interval_and_point(shown(own), looks, "y", y, said, size=50, x=x)
        panels.append(
            alt.layer(line, *marks).properties(
                width=215, height=215, title=panel_title(dataset, own["n"], "a point")
            )
        )
    return panels_of(panels, observers)

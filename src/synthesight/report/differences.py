"""The section of what models lack to people, or have more: differences in accuracy by dataset."""

from __future__ import annotations

import altair as alt
import polars as pl

from synthesight.analysis import PEOPLE, POPULATION, Population, difference_from_people
from synthesight.errors import SynthesightError
from synthesight.report.looks import is_picked, legend, observer_looks, picked, tooltip
from synthesight.report.section import Section, datasets_of, order, sorted_table

CROWD = 8  # models; the rows of more would be too high


def differences_section(
    everyone: pl.DataFrame,
    resamples: int,  # noqa: ARG001
    population: Population = POPULATION,
) -> Section | None:
    """Show each model's accuracy minus people's; None without people or models."""
    try:
        table = difference_from_people(everyone.drop("who"), population=population)
    except SynthesightError:
        return None
    if table.is_empty():
        return None
    observers = order(everyone)
    table = sorted_table(table.drop("kind"), observers)
    return Section(
        "difference-from-people",
        "Accuracy, models minus people",
        "On the same images of each dataset, all its conditions together: right of the dashed line "
        "a model is more often right than people, left of it less often. Intervals are 95 % "
        f"confidence intervals of the difference, for {table['population'][0]}.",
        {"difference-from-people": table},
        {"difference-from-people": differences_figure(table, observers)},
        metrics=["accuracy"],
    )


def differences_figure(table: pl.DataFrame, observers: list[str]) -> alt.LayerChart:
    """Draw a row a dataset, and in it a point and an interval a model.

    Parameters
    ----------
    table
        From :func:`~synthesight.analysis.difference_from_people`.
    observers
        Observers of the report, in order.
    """
    drawn = [name for name in observers if name != PEOPLE and name in set(table["observer"])]
    looks = observer_looks(observers, drawn, legend=legend(drawn))
    rows = alt.Y(
        "dataset:N",
        scale=alt.Scale(domain=datasets_of(table)),
        title=None,
        axis=alt.Axis(grid=True, ticks=False, labelLimit=240),
    )
    title = "accuracy minus people's, percentage points"
    axis = alt.Axis(labelExpr="datum.value ? format(100 * datum.value, '+d') : 0", tickCount=7)
    x = alt.X("estimate:Q", title=title, axis=axis)
    few = len(drawn) <= CROWD
    apart = {"yOffset": alt.YOffset("observer:N", sort=drawn)} if few else {}
    columns = ["observer", "dataset", "estimate", "low", "high"]
    values = table.select(columns).drop_nulls("estimate").to_dicts()
    base = alt.Chart(alt.Data(values=values)).transform_filter(is_picked())
    zero = alt.Chart(alt.Data(values=[{"estimate": 0}])).mark_rule(
        color="#777777", strokeDash=[4, 3]
    )
    intervals = base.mark_rule(opacity=0.6).encode(
        x=alt.X("low:Q", title=title, axis=axis), x2="high:Q", y=rows, color=looks["color"], **apart
    )
    said = tooltip("observer", "dataset", title="difference")[:-1]
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        x=x, y=rows, color=looks["color"], shape=looks["shape"], tooltip=said, **apart
    )
    height = (len(drawn) * 6 + 14 if few else 22) * table["dataset"].n_unique()
    chart = alt.layer(zero.encode(x=x), intervals, points).add_params(picked(observers))
    return chart.properties(width=420, height=height)

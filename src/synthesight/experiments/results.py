"""What an experiment on trainings shows: a table, and a figure with a point a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from scipy import stats

from synthesight import files

LEVEL = 0.95
BY = ["kind", "noise", "measure", "dataset"]


def over_seeds(figures: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return the mean of each group's figures over seeds, with Student's interval.

    The interval is for the mean over all seeds, and takes figures of different seeds for a sample
    of a normal distribution: with three seeds, it is 2.5 standard deviations wide on either side.

    Parameters
    ----------
    figures
        A row a seed of each group, with the columns ``by`` and ``value``.
    by
        Columns that tell the groups.

    Returns
    -------
    The columns ``by``, ``mean``, ``low``, ``high`` (null for one seed), ``seeds`` and ``values``,
    the figures themselves.

    Examples
    --------
    >>> table = pl.DataFrame({"kind": "plain", "value": [0.2, 0.3, 0.4]})
    >>> over_seeds(table, ["kind"])["low"].round(3).to_list()
    [0.052]
    """
    summary = (
        figures.drop_nulls("value")
        .group_by(by, maintain_order=True)
        .agg(
            mean=pl.col("value").mean(),
            sd=pl.col("value").std(),
            seeds=pl.len(),
            values=pl.col("value"),
        )
    )
    quantile = pl.col("seeds").map_elements(
        lambda count: float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) if count > 1 else None,
        return_dtype=pl.Float64,
    )
    half = quantile * pl.col("sd") / pl.col("seeds").sqrt()
    return summary.with_columns(low=pl.col("mean") - half, high=pl.col("mean") + half).select(
        *by, "mean", "low", "high", "seeds", "values"
    )


def write_table(figures: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Write a table as CSV, and return it.

    Parameters
    ----------
    figures
        A row a figure: columns kind, seed, noise, measure, dataset and value.
    path
        The file.

    Returns
    -------
    A row for each kind, noise, measure and dataset: mean over seeds, Student's 95 % interval (null
    for a model of one seed), seeds, and the seeds' own values.
    """
    table = over_seeds(figures, BY)
    listed = pl.col("values").list.eval(pl.element().round(4).cast(pl.String)).list.join(" ")
    with files.whole(path) as unfinished:
        table.with_columns(values=listed).write_csv(unfinished, float_precision=4)
    return table


def write_figure(figures: pl.DataFrame, table: pl.DataFrame, path: Path) -> None:
    """Write a figure as ``<path>.png`` and ``<path>.svg``: see :func:`results_figure`."""
    from synthesight.report.saving import save_figure

    chart = results_figure(figures, table)
    save_figure(chart.to_dict(), path.with_suffix(".svg"), path.with_suffix(".png"))


def results_figure(figures: pl.DataFrame, table: pl.DataFrame) -> Any:
    """Draw a panel for each measure and dataset: a point a seed, the mean and its interval."""
    import altair as alt

    label = pl.col("kind") + pl.when("noise").then(pl.lit(" + noise at test")).otherwise(pl.lit(""))
    panel = pl.col("measure") + ", " + pl.col("dataset")
    points = figures.drop_nulls("value").with_columns(label=label, panel=panel)
    means = table.with_columns(label=label, panel=panel)
    order = points["label"].unique(maintain_order=True).to_list()
    panels = points["panel"].unique(maintain_order=True).to_list()
    charts = []
    for one in panels:
        rows = alt.Y("label:N", sort=order, title=None)
        own = points.filter(panel=one)
        share = not one.startswith("error consistency")  # which alone may be below 0
        scale = alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=False)
        x = alt.X("value:Q", title=None, scale=scale)
        mean = alt.Chart(alt.Data(values=_rows(means.filter(panel=one), "mean", "low", "high")))
        charts.append(
            alt.layer(
                mean.transform_filter("isValid(datum.low)")
                .mark_rule(color="#888888")
                .encode(x=alt.X("low:Q", title=None), x2="high:Q", y=rows),
                mean.mark_tick(color="black", thickness=2).encode(x="mean:Q", y=rows),
                alt.Chart(alt.Data(values=_rows(own, "value")))
                .mark_circle(size=36, opacity=0.6, color="#2166ac")
                .encode(x=x, y=rows),
            ).properties(width=210, height=16 * len(order), title=one)
        )
    return alt.concat(*charts, columns=3).configure_view(stroke="#bbbbbb")


def _rows(table: pl.DataFrame, *columns: str) -> list[dict[str, object]]:
    return table.select("label", *columns).to_dicts()


def shown(table: pl.DataFrame, columns: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return rows of a table for people: kind, noise at test, and each (measure, dataset)."""
    rows = []
    for (kind, noise), group in table.group_by(["kind", "noise"], maintain_order=True):
        cells = []
        for measure, dataset in columns:
            own = group.filter(measure=measure, dataset=dataset)
            cells.append("-" if own.is_empty() else _cell(own.row(0, named=True)))
        if any(cell != "-" for cell in cells):
            rows.append([str(kind), "yes" if noise else "no", *cells])
    return rows


def _cell(row: dict[str, float | None]) -> str:
    if row["low"] is None:
        return f"{row['mean']:.2f}"
    return f"{row['mean']:.2f} ± {row['high'] - row['mean']:.2f}"  # type: ignore[operator]

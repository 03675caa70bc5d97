"""Figures of rival readings: each picture with the evidence that its observers gather."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl
from PIL import Image

from synthesight.report.figures import data_url
from synthesight.report.looks import COLOURS

WIDTH = 210


def readings_figure(
    pictures: Mapping[str, Image.Image], table: pl.DataFrame, traces: pl.DataFrame | None
) -> alt.TopLevelMixin:
    """Draw a picture and its controls above the evidence of each observer, draw by draw.

    Parameters
    ----------
    pictures
        Image of each variant.
    table
        Of one picture: observer, variant, first, second, leads and score.
    traces
        Of one picture: observer, variant, draw, difference and standard_error; None without draws.
    """
    rows: list[Any] = [alt.hconcat(*(_image(name, image) for name, image in pictures.items()))]
    for observer in table["observer"].unique(maintain_order=True):
        own = table.filter(observer=observer)
        traced = None if traces is None else traces.filter(observer=observer)
        panels = [_trace(own.filter(variant=name).row(0, named=True), traced) for name in pictures]
        rows.append(alt.hconcat(*panels).resolve_scale(y="shared"))
    return alt.vconcat(*rows, spacing=6).configure_view(stroke="#dddddd")


def _image(name: str, image: Image.Image) -> alt.Chart:
    base = alt.Chart(alt.Data(values=[{"url": data_url(image.convert("RGB"))}]), title=name)
    marks = base.mark_image(width=150, height=150).encode(
        url="url:N", x=alt.value(WIDTH / 2), y=alt.value(75)
    )
    return marks.properties(width=WIDTH, height=150, view=alt.ViewBackground(stroke=None))


def _trace(row: Mapping[str, Any], traces: pl.DataFrame | None) -> alt.TopLevelMixin:
    open_to = "" if row["in_the_running"] is not True else ", the other in the running"
    title = alt.TitleParams(
        f"{row['observer']}: {row['leads']}{open_to}",
        subtitle=f"{row['first']} above 0, {row['second']} below; score {row['score']:.2f}",
        fontSize=11,
        subtitleFontSize=10,
    )
    size = {"width": WIDTH, "height": 110, "title": title}
    shown = None if traces is None else traces.filter(variant=row["variant"])
    if shown is None or shown.is_empty():
        return (
            alt.Chart(alt.Data(values=[{"text": "no draws"}]))
            .mark_text(color="#777777")
            .encode(text="text:N", x=alt.value(WIDTH / 2), y=alt.value(55))
            .properties(**size)
        )
    error = 2 * pl.col("standard_error")
    records = shown.select(
        "draw", "difference", low=pl.col("difference") - error, high=pl.col("difference") + error
    )
    # The band of the first draws is wider than all that follows.
    settled = records.filter(pl.col("draw") >= min(10, len(records)))
    base = alt.Chart(alt.Data(values=settled.to_dicts())).encode(
        x=alt.X("draw:Q", title="draws", axis=alt.Axis(tickCount=4, format="d"))
    )
    y = alt.Y("difference:Q", title="difference of evidence")
    layers = [
        base.mark_line(color=COLOURS[0], strokeWidth=1.6).encode(y=y),
        alt.Chart(alt.Data(values=[{}]))
        .mark_rule(color="#999999", strokeDash=[3, 3])
        .encode(y=alt.Y(datum=0)),
    ]
    if settled["low"].null_count() == 0:
        layers.insert(
            0, base.mark_area(color=COLOURS[0], opacity=0.22).encode(y=alt.Y("low:Q"), y2="high:Q")
        )
    return alt.layer(*layers).properties(**size)

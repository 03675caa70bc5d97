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
    cells: list[Any] = [_image(name, image) for name, image in pictures.items()]
    for observer in table["observer"].unique(maintain_order=True):
        own = table.filter(observer=observer)
        records = None if traces is None else _records(traces.filter(observer=observer))
        cells += [_trace(own.filter(variant=name).row(0, named=True), records) for name in pictures]
    figure = alt.concat(*cells, columns=len(pictures), spacing=8, align="each")
    return figure.configure_view(stroke="#dddddd")


def _records(traces: pl.DataFrame) -> pl.DataFrame:
    """Return the running difference with its band of two standard errors."""
    error = 2 * pl.col("standard_error")
    # The band of the first draws is wider than all that follows.
    settled = traces.filter(pl.col("draw") >= pl.min_horizontal(10, pl.col("draw").max()))
    return settled.select(
        "variant", "draw", "difference",
        low=pl.col("difference") - error, high=pl.col("difference") + error,
    )  # fmt: skip


def _image(name: str, image: Image.Image) -> alt.Chart:
    base = alt.Chart(alt.Data(values=[{"url": data_url(image.convert("RGB"))}]), title=name)
    marks = base.mark_image(width=150, height=150).encode(
        url="url:N", x=alt.value(WIDTH / 2), y=alt.value(75)
    )
    return marks.properties(width=WIDTH, height=150, view=alt.ViewBackground(stroke=None))


def _trace(row: Mapping[str, Any], records: pl.DataFrame | None) -> alt.TopLevelMixin:
    open_to = "" if row["in_the_running"] is not True else ", the other in the running"
    title = alt.TitleParams(
        f"{row['observer']}: {row['leads']}{open_to}",
        subtitle=f"{row['first']} above 0, {row['second']} below; score {row['score']:.2f}",
        fontSize=11,
        subtitleFontSize=10,
    )
    own = None if records is None else records.filter(variant=row["variant"])
    if records is None or own is None or own.is_empty():
        return (
            alt.Chart(alt.Data(values=[{"text": "no draws"}]))
            .mark_text(color="#777777")
            .encode(text="text:N", x=alt.value(WIDTH / 2), y=alt.value(12))
            .properties(width=WIDTH, height=24, title=title)
        )
    low, high = pl.coalesce("low", "difference").min(), pl.coalesce("high", "difference").max()
    ends = [min(0.0, records.select(low).item()), max(0.0, records.select(high).item())]
    scale = alt.Scale(domain=ends)  # one for all variants
    base = alt.Chart(alt.Data(values=own.to_dicts())).encode(
        x=alt.X("draw:Q", title="draws", axis=alt.Axis(tickCount=4, format="d"))
    )
    y = alt.Y("difference:Q", title="evidence", scale=scale)
    layers = [
        base.mark_line(color=COLOURS[0], strokeWidth=1.6).encode(y=y),
        alt.Chart(alt.Data(values=[{}]))
        .mark_rule(color="#999999", strokeDash=[3, 3])
        .encode(y=alt.Y(datum=0)),
    ]
    if own["low"].null_count() == 0:
        band = base.mark_area(color=COLOURS[0], opacity=0.22)
        layers.insert(0, band.encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"))
    return alt.layer(*layers).properties(width=WIDTH, height=110, title=title)

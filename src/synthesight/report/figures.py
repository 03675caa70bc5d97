"""The figure of shape bias, as an Altair chart; and images as figures and pages hold them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl
from PIL import Image

from synthesight.analysis import PEOPLE
from synthesight.errors import SynthesightError
from synthesight.report.looks import (
    interval_and_point,
    observer_looks,
    picked,
    records,
    shown,
    tooltip,
)
from synthesight.stimuli.categories import in_order

_PRINTED = {"observer": pl.String, "source": pl.String, "value": pl.Float64}


def shape_bias_figure(
    overall: pl.DataFrame,
    by_category: pl.DataFrame,
    *,
    published: pl.DataFrame | None = None,
    observers: Sequence[str] | None = None,
    title: str | None = None,
) -> alt.VConcatChart:
    """Draw shape bias by category, as the field does, above each observer's mean and interval.

    Upper panel: one row a category of the shape, one point an observer, and a line at each
    observer's shape bias over all images. Shape is on the left, texture on the right, and half is
    dashed (Geirhos et al. 2019). Lower
    panel: each observer's shape bias with its 95 % interval and number of decisions, which is the
    legend too.

    Parameters
    ----------
    overall
        From :func:`~synthesight.analysis.shape_bias`, a row an observer.
    by_category
        The same with ``category`` among ``by``. Where an observer named no cue of a category, the
        estimate is null and there is no point.
    published
        Columns observer, value and source, from
        :func:`~synthesight.report.references.references_of`: drawn below as hollow points.
    observers
        All observers of the report, for equal looks in its figures; None for those of ``overall``.
    title
        Title of the figure.

    Raises
    ------
    SynthesightError
        If there is nothing to draw.
    """
    if overall.is_empty():
        raise SynthesightError(
            "There is no shape bias to draw: show cue-conflict images to an observer first."
        )
    names = overall["observer"].to_list()
    observers = observers or names
    looks = observer_looks(observers, names)
    points = by_category.drop_nulls("estimate")
    categories = in_order(points["category"].to_list())
    rows = alt.Y(
        "category:N",
        sort=categories,
        title=None,
        axis=alt.Axis(grid=True, gridColor="#e6e6e6", domain=False, ticks=False),
    )
    shape = alt.X("estimate:Q", **_bias("fraction of shape decisions", orient="top"))
    texture = _bias("fraction of texture decisions", label="1 - datum.value")
    # A line, as Vega-Lite fails on two rules that name no y.
    ends = [{"estimate": 0.5, "category": name} for name in (categories[0], categories[-1])]
    half = alt.Chart(alt.Data(values=ends)).mark_line(
        color="#777777", strokeWidth=1, strokeDash=[4, 3]
    )
    each = shown(_kept(points)).mark_point(
        filled=True, size=60, opacity=0.85, stroke="white", strokeWidth=0.5
    )
    upper = alt.layer(
        half.encode(x=alt.X("estimate:Q", **texture), y=rows),
        shown(_kept(overall))
        .mark_rule(strokeWidth=1.5, opacity=0.7)
        .encode(x=shape, color=looks["color"], tooltip=_said("observer")),
        each.encode(
            x=shape.axis(None),
            y=rows,
            color=looks["color"],
            shape=looks["shape"],
            tooltip=_said("observer", "category"),
        ),
    )
    # The axes of Geirhos et al. (2019): shape above, texture below.
    upper = upper.resolve_axis(x="independent").properties(width=420, height=22 * len(categories))
    if title:
        upper = upper.properties(title=title)
    both = alt.vconcat(upper, shape_bias_means(overall, published, observers), spacing=12)
    return both.add_params(picked(observers)).configure_view(stroke="#bbbbbb")


def shape_bias_means(
    overall: pl.DataFrame, published: pl.DataFrame | None, observers: Sequence[str]
) -> alt.LayerChart:
    """Draw each observer's shape bias and interval: people, the others by it, published ones below.

    Parameters are those of :func:`shape_bias_figure`. The chart that this one is part of must have
    the parameter :func:`~synthesight.report.looks.picked`.
    """
    looks = observer_looks(observers, overall["observer"].to_list())
    label = pl.format("{} (n = {})", "observer", "n").alias("label")
    measured = overall.with_columns(label)
    printed = (published if published is not None else pl.DataFrame(schema=_PRINTED)).select(
        "source", label=pl.format("{} (published)", "observer"), estimate="value"
    ).sort("estimate", descending=True)  # fmt: skip
    people = pl.col("observer") == PEOPLE
    ranked = measured.sort(people, "estimate", descending=True)
    order = [*ranked["label"], *printed["label"]]
    rows = alt.Y(
        "label:N",
        sort=order,
        title=None,
        scale=alt.Scale(domain=order),
        axis=alt.Axis(labelLimit=320, domain=False, ticks=False),
    )
    axis = _bias("shape bias over all images, 95 % interval")
    marks = interval_and_point(
        shown(_kept(measured)), looks, "x", axis, _said("observer"), size=80, y=rows
    )
    layers = [*marks]
    if published is not None:
        layers.append(
            alt.Chart(records(printed))
            .mark_point(size=70, shape="diamond", color="#555555", strokeWidth=1.8)
            .encode(
                x=alt.X("estimate:Q", **axis),
                y=rows,
                tooltip=[
                    alt.Tooltip("label:N", title="observer"),
                    alt.Tooltip("estimate:Q", title="shape bias", format=".1%"),
                    "source:N",
                ],
            )
        )
    return alt.layer(*layers).properties(width=420, height=22 * len(order))


def _said(*names: str) -> list[Any]:
    return tooltip(*names, title="shape bias", n="cue decisions")


def _bias(title: str, *, orient: Any = "bottom", label: str = "datum.value") -> dict[str, Any]:
    """Return the axis from shape, on the left, to texture."""
    return {
        # A little more than from 1 to 0, so that points at the ends do not cover labels.
        "scale": {"domain": [1.02, -0.02], "nice": False},
        "axis": {
            "orient": orient,
            "labelExpr": f"format({label}, '.0%')",
            "values": [0, 0.2, 0.4, 0.6, 0.8, 1],
            "grid": False,
            "labelFlush": False,
            "labelOverlap": True,
            "labelSeparation": 4,
        },
        "title": title,
    }


def _kept(frame: pl.DataFrame) -> pl.DataFrame:
    kept = ["observer", "category", "label", "estimate", "low", "high", "n"]
    return frame.select(column for column in kept if column in frame.columns)


def data_url(image: Image.Image) -> str:
    """Return an image as a figure holds it, at 184 pixels a side."""
    return image_url(image.resize((184, 184), Image.Resampling.LANCZOS))


def image_url(image: Image.Image, form: str = "png", **options: Any) -> str:
    """Return an image as a page or a figure holds it; options are those of Pillow's ``save``."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return f"data:image/{form};base64," + base64.b64encode(buffer.getvalue()).decode()

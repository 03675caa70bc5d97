"""Figures, as Altair charts."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import altair as alt
import polars as pl
from PIL import Image

from synthesight.errors import SynthesightError

# Okabe & Ito (2008): told apart by colour-blind readers, and in grey by lightness.
COLOURS = {"generative": "#0072B2", "discriminative": "#D55E00", "people": "#009E73"}


def shape_bias_chart(measured: pl.DataFrame, published: dict[str, float]) -> alt.Chart:
    """Shape bias of observers with 95 % intervals, beside published figures.

    Parameters
    ----------
    measured
        Columns ``observer``, ``kind``, ``estimate``, ``low``, ``high`` and ``n``.
    published
        Label to shape bias; drawn as hollow points, without an interval.
    """
    rows = [
        row | {"label": f"{row['observer']} (n = {row['n']})", "source": "measured here"}
        for row in measured.select("observer", "kind", "estimate", "low", "high", "n").to_dicts()
    ]
    rows += [
        {
            "label": f"{name} (published)",
            "kind": "people" if name == "people" else _kind(name),
            "estimate": value,
            "low": value,
            "high": value,
            "source": "published",
        }
        for name, value in published.items()
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("label:N", sort=[row["label"] for row in rows], title=None),
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
            legend=alt.Legend(title=None, orient="top"),
        ),
    )
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X(
            "low:Q",
            scale=alt.Scale(domain=[0, 1]),
            axis=axis,
            title="shape bias: shape decisions / (shape + texture decisions), 95 % interval",
        ),
        x2="high:Q",
    )
    point = base.encode(x="estimate:Q")
    measured_here = point.mark_point(size=90, filled=True, opacity=1).transform_filter(
        "datum.source == 'measured here'"
    )
    from_print = point.mark_point(size=90, strokeWidth=2, opacity=1).transform_filter(
        "datum.source == 'published'"
    )
    layers = interval + measured_here + from_print
    return layers.properties(width=470, height=30 * len(rows))


def answers_chart(images: Sequence[Image.Image], captions: Sequence[Sequence[str]]) -> alt.Chart:
    """A row of images, each with lines of text below it."""
    rows = [
        {"column": place, "url": _data_url(image), "text": list(lines)}
        for place, (image, lines) in enumerate(zip(images, captions, strict=True))
    ]
    scale = alt.Scale(domain=[-0.5, len(rows) - 0.5])
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("column:Q", scale=scale, axis=None), y=alt.value(0)
    )
    pictures = base.mark_image(width=92, height=92, baseline="top").encode(url="url:N")
    words = base.mark_text(
        baseline="top", align="center", dy=98, lineHeight=13, fontSize=10.5
    ).encode(text="text:N")
    return (pictures + words).properties(
        width=104 * len(rows), height=150, view=alt.ViewBackground(stroke=None)
    )


def save_figure(chart: alt.TopLevelMixin, path: Path) -> Path:
    """Write a figure as SVG, PNG (at 2 × 96 dots an inch) or PDF, by the file's suffix."""
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise SynthesightError(f"{path}: figures are written as .svg, .png or .pdf.")
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(path), scale_factor=2 if path.suffix == ".png" else 1)
    return path


def _kind(name: str) -> str:
    return "discriminative" if name == "ResNet-50" else "generative"


def _data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.resize((184, 184), Image.Resampling.LANCZOS).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

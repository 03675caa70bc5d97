"""Pictures in figures: grids of images with words, and maps of evidence drawn over an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from PIL import Image

from synthesight.observers.evidence_map import EvidenceMap
from synthesight.report.figures import image_url
from synthesight.report.looks import COLOURS

NAMED = 3  # classes of a race that have a colour
SIDE = 128  # of a picture in a figure
# Against, nothing, for: blue and orange of Color Brewer, which colour-blind readers tell apart.
DIVERGING = ("#2166ac", "#92c5de", "#ffffff", "#fdb863", "#b35806")


def png_url(image: np.ndarray, side: int = 2 * SIDE) -> str:
    """Return an image, uint8, as a PNG in a URL; a small one with its pixels as squares."""
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    if max(height, width) < side:
        times = max(1, side // max(height, width))
        picture = picture.resize((times * width, times * height), Image.Resampling.NEAREST)
    else:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image_url(picture, optimize=True)


def picture_grid(
    images: Sequence[Sequence[np.ndarray | None]],
    columns: Sequence[str],
    rows: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    *,
    side: int = SIDE,
) -> alt.LayerChart:
    """Draw images in rows and columns, with words above, beside and below them.

    Images are uint8, (height, width, 3), by row and column, and drawn with so many pixels a side;
    None leaves a place empty. Captions stand below them.
    """
    cells = [
        {
            "x": column,
            "y": row,
            "url": png_url(image),
            "caption": captions[row][column] if captions else "",
        }
        for row, line in enumerate(images)
        for column, image in enumerate(line)
        if image is not None
    ]
    gap, below = 8, 18 if captions else 4
    width, height = len(columns) * (side + gap), len(images) * (side + below + gap)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.5, len(columns) - 0.5], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[len(images) - 0.5, -0.5], nice=False))
    base = alt.Chart(alt.Data(values=cells)).encode(x=x, y=y)
    layers: list[Any] = [
        base.mark_image(width=side, height=side, yOffset=-below / 2).encode(url="url:N"),
        alt.Chart(alt.Data(values=[{"x": n, "text": text} for n, text in enumerate(columns)]))
        .mark_text(fontSize=11.5, baseline="bottom", dy=-4, limit=side + gap)
        .encode(x=x, y=alt.value(0), text="text:N"),
    ]
    if captions:
        layers.append(
            base.mark_text(fontSize=10, dy=side / 2 + 1, color="#444444", limit=side + gap).encode(
                text="caption:N"
            )
        )
    if rows:
        beside = [{"y": n, "text": text} for n, text in enumerate(rows)]
        layers.append(
            alt.Chart(alt.Data(values=beside))
            .mark_text(align="right", fontSize=11.5, dx=-6, dy=-below / 2, limit=150)
            .encode(x=alt.value(0), y=y, text="text:N")
        )
    return alt.layer(*layers).properties(
        width=width, height=height, view=alt.ViewBackground(stroke=None)
    )


def coloured(values: np.ndarray, image: np.ndarray, most: float) -> np.ndarray:
    """Draw signed values over an image in pale grey: uint8, shape (height, width, 3).

    Above 0 they are orange, below blue, at 0 white; ``most`` and beyond have the deepest colour.
    """
    grey = image.astype(np.float64).mean(axis=2, keepdims=True) / 255
    places = np.linspace(-1, 1, len(DIVERGING))
    stops = np.array([[int(hue[n : n + 2], 16) for n in (1, 3, 5)] for hue in DIVERGING])
    level = np.clip(values / most, -1, 1) if most > 0 else np.zeros_like(values)
    colour = np.stack([np.interp(level, places, stops[:, n]) for n in range(3)], axis=2)
    return np.clip(colour * (0.72 + 0.28 * grey), 0, 255).round().astype(np.uint8)


def map_figure(each: EvidenceMap, *, side: int = 2 * SIDE) -> alt.HConcatChart:
    """Draw an image beside the evidence that is in it, and beside the evidence of regions.

    The regions are the same map smoothed (Gaussian, a sixteenth of the image wide): single places
    are less certain than what they have in common.
    """
    own, regions = each.upsampled(), each.regions()
    panels = [picture_grid([[each.image]], ["as the model saw it"], side=side)]
    for values, title in ((own, "evidence of each place"), (regions, "evidence of regions")):
        most = float(np.quantile(np.abs(values), 0.995)) or 1.0
        drawn = picture_grid([[coloured(values, each.image, most)]], [title], side=side)
        panels.append(alt.layer(drawn, legend_of(most, f"{each.unit} a pixel")))
    title = alt.TitleParams(
        f"log p(x | {each.of}) − log p(x | {each.against}) = "
        f"{each.evidence:+.2f} ± {each.evidence_error:.2f} {each.unit}",
        subtitle=f"orange: for {each.of}; blue: for {each.against}; {each.draws} draws",
        anchor="start",
    )
    return (
        alt.hconcat(*panels, spacing=24)
        .resolve_scale(color="independent")
        .properties(title=title)
        .configure_view(stroke=None)
    )


def legend_of(most: float, title: str) -> alt.Chart:
    """Return a mark that is not seen, for its legend: the colours of :func:`coloured`."""
    domain = np.linspace(-most, most, len(DIVERGING)).tolist()
    colours = alt.Scale(domain=domain, range=list(DIVERGING), interpolate="rgb")
    legend = alt.Legend(title=title, format="+.2~g", gradientLength=120, values=[-most, 0, most])
    return (
        alt.Chart(alt.Data(values=[{"value": 0}]))
        .mark_point(opacity=0)
        .encode(color=alt.Color("value:Q", scale=colours, legend=legend))
    )


def race_chart(race: pl.DataFrame) -> alt.LayerChart:
    """Draw how the evidence of classes comes apart, draw by draw; the leading ones have colours.

    Evidence is less that of the class that leads at the end; a dropped class has no later rows.
    """
    last = race.filter(pl.col("draw") == race["draw"].max()).sort("evidence", descending=True)
    final = race.group_by("class").agg(pl.all().sort_by("draw").last()).sort("draw", "evidence")
    named = [*dict.fromkeys([*last["class"], *final["class"].reverse()])][:NAMED]
    colours = alt.Scale(domain=named, range=list(COLOURS[: len(named)]))
    base = alt.Chart(alt.Data(values=race.to_dicts())).encode(
        x=alt.X("draw:Q", title="draws", scale=alt.Scale(type="log", nice=False)),
        y=alt.Y("evidence:Q", title="evidence, less the winner's", scale=alt.Scale(clamp=True)),
        detail="class:N",
    )
    others = base.transform_filter(alt.FieldOneOfPredicate("class", named).__invert__())
    lines = base.transform_filter(alt.FieldOneOfPredicate("class", named)).mark_line(strokeWidth=2)
    legend = alt.Legend(orient="bottom-right", title=None, fillColor="white", padding=4)
    return alt.layer(
        others.mark_line(color="#bbbbbb", strokeWidth=1),
        lines.encode(color=alt.Color("class:N", scale=colours, legend=legend)),
    ).properties(
        width=380,
        height=180,
        title=alt.TitleParams(
            "The race of the classes",
            subtitle="a line ends where the decision rule drops its class",
            subtitleColor="#595959",
        ),
    )

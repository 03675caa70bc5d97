"""The section of dials: psychometric functions of each observer, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl

from synthesight.analysis import psychometric, psychometric_curve, psychometric_points
from synthesight.analysis.psychometric import DIAL, TOWARD
from synthesight.report.looks import (
    guide,
    interval_and_point,
    legend,
    observer_looks,
    panel_title,
    panels_of,
    percent,
    shown,
    tooltip,
)
from synthesight.report.section import Section, order
from synthesight.stimuli.names import plain

CUTOFF = "cutoff"  # the dial of hybrids, before its logarithm
PLACES = 101  # of a curve

TEXT = (
    "Each image is between two others. The dial of hybrids is the cut-off below which frequencies "
    "are those of one image (Oliva, Torralba & Schyns 2006). It is in octaves of cycles an image. "
    "Points are shares of responses for the class that the dial turns to, of those that "
    "name either, with Wilson's 95 % intervals. Curves are cumulative normals with lapses, fitted "
    "by maximum likelihood (Wichmann & Hill 2001). The estimate is the point of subjective "
    "equality, where both classes are named equally often; −inf and inf are beyond the dial. Its "
    "95 % interval is by the bootstrap over pairs of images or, where these are fewer than five, "
    "by profile likelihood. p is the share of data sets of the fitted curve that fit worse. "
)


def dials_section(everyone: pl.DataFrame, resamples: int) -> Section | None:
    """Show how responses turn along a dial; None where no trial has one.

    Parameters
    ----------
    everyone
        The trial table, with ``who``: the observer, or people.
    resamples
        Resamples of the bootstrap behind the intervals.
    """
    if not {DIAL, TOWARD} <= set(everyone.columns) or not everyone.schema[DIAL].is_numeric():
        return None
    trials = everyone.filter(pl.col(DIAL).is_not_null() & pl.col(TOWARD).is_not_null())
    if trials.is_empty():
        return None
    by = ["who", "dataset", "condition"]
    fits = psychometric(trials, by, resamples=resamples).rename({"who": "observer"})
    each = psychometric(trials, [*by, TOWARD], resamples=resamples).rename({"who": "observer"})
    points = psychometric_points(trials, by).rename({"who": "observer"})
    hybrids = _of_hybrids(trials)
    observers = order(everyone)
    figures = {
        f"dial-{plain(dataset)}": dial_figure(
            fits.filter(dataset=dataset),
            points.filter(dataset=dataset),
            observers,
            octaves=dataset in hybrids,
        )
        for dataset in points["dataset"].unique().sort()
    }
    tables = {"dial": _in_cycles(fits, hybrids), "dial-by-class": _in_cycles(each, hybrids)}
    return Section("dial", "Illusions on a dial", TEXT, tables, dict(figures))


def dial_figure(
    fits: pl.DataFrame, points: pl.DataFrame, observers: Sequence[str], *, octaves: bool = False
) -> alt.ConcatChart:
    """Draw psychometric functions of one dataset: a panel a condition, a curve an observer.

    Parameters
    ----------
    fits, points
        From :func:`~synthesight.analysis.psychometric` and ``psychometric_points``, with the
        columns observer and condition.
    observers
        All observers of the report, for equal looks in its figures.
    octaves
        Whether the dial is the logarithm to base 2 of a cut-off, which the axis then shows.
    """
    drawn = points["observer"].unique().to_list()
    looks = observer_looks(observers, drawn, legend=legend(drawn))
    x = _axis(points[DIAL], octaves)
    title = "responses for the low frequencies" if octaves else "responses for the class"
    y = {"scale": {"domain": [0, 1]}, "axis": percent(), "title": title}
    places = np.linspace(float(points[DIAL].min()), float(points[DIAL].max()), PLACES)  # type: ignore[arg-type]
    panels = []
    for condition in points["condition"].unique(maintain_order=True).sort(descending=True):
        own, fitted = points.filter(condition=condition), fits.filter(condition=condition)
        equal = fitted.filter(pl.col("estimate").is_finite()).with_columns(
            # What lies beyond the dial ends at its edge.
            pl.col("low", "high").clip(places[0], places[-1])
        )
        at = shown(equal.select("observer", "estimate", "low", "high", "n"))
        half = alt.datum(0.5)
        curves = shown(psychometric_curve(fitted, places)).mark_line(strokeWidth=1.8)
        said = tooltip("observer", title="share")
        panels.append(
            alt.layer(
                guide(y=alt.YDatum(0.5)),
                curves.encode(
                    x=x,
                    y=alt.Y("estimate:Q", **y),
                    color=looks["color"],
                    strokeDash=looks["strokeDash"],
                ),
                *interval_and_point(shown(own), looks, "y", y, said, x=x),
                # The point of subjective equality and its interval, on the line of one half.
                at.mark_rule(strokeWidth=5, opacity=0.35).encode(
                    x=alt.X("low:Q"), x2="high:Q", y=half, color=looks["color"]
                ),
                at.mark_tick(thickness=2.5, size=14).encode(
                    x="estimate:Q",
                    y=half,
                    color=looks["color"],
                    tooltip=tooltip("observer", title="equality", form=".2f"),
                ),
            ).properties(
                width=270, height=200, title=panel_title(str(condition), own["n"], "a point")
            )
        )
    return panels_of(panels, observers)


def _axis(dial: pl.Series, octaves: bool) -> alt.X:
    least, most = float(dial.min()), float(dial.max())  # type: ignore[arg-type]
    scale = alt.Scale(domain=[least, most], nice=False, padding=8)
    if not octaves:
        return alt.X("dial:Q", scale=scale, title="dial")
    values = [*range(int(np.ceil(least)), int(np.floor(most)) + 1)]
    axis = alt.Axis(values=values, labelExpr="format(pow(2, datum.value), '.3~g')")
    return alt.X("dial:Q", scale=scale, axis=axis, title="cut-off, cycles an image")


def _of_hybrids(trials: pl.DataFrame) -> set[str]:
    """Return the datasets whose dial is the logarithm of a cut-off."""
    if CUTOFF not in trials.columns:
        return set()
    return set(trials.filter(pl.col(CUTOFF).is_not_null())["dataset"].unique())


def _in_cycles(fits: pl.DataFrame, hybrids: set[str]) -> pl.DataFrame:
    """Say where equality is beyond the dial, and add that of hybrids in cycles an image."""
    estimate = pl.col("estimate")
    beyond = pl.when(estimate == -np.inf).then(pl.lit("below")).when(estimate == np.inf)
    fits = fits.with_columns(beyond=beyond.then(pl.lit("above")))
    if not hybrids:
        return fits
    of_hybrids = pl.when(pl.col("dataset").is_in(list(hybrids)))
    ends = {"estimate": CUTOFF, "low": f"{CUTOFF}_low", "high": f"{CUTOFF}_high"}
    return fits.with_columns(
        of_hybrids.then(2 ** pl.col(name)).alias(new) for name, new in ends.items()
    )

"""The section of error consistency of every two observers, and its figure against accuracy."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import altair as alt
import numpy as np
import polars as pl

from synthesight.analysis import POPULATION, POPULATIONS, Population, pairwise_means
from synthesight.errors import SynthesightError
from synthesight.report.looks import (
    ROWS,
    crowded,
    interval_and_point,
    legend,
    observer_looks,
    panel_title,
    picked,
    records,
    shown,
    tooltip,
)
from synthesight.report.section import IS_MODEL, Section, datasets_of
from synthesight.stimuli.names import plain

FEW = 20  # observers; matrices of more have small cells without figures
# Not turned to light on a dark ground, as the cells below are the same there.
ON_LIGHT, ON_DEEP = "rgb(0, 0, 0)", "rgb(255, 255, 255)"


def consistency_section(
    everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show the error consistency of every two observers, people one by one."""
    try:
        means = pairwise_means(everyone.drop("who"), population=population, resamples=resamples)
    except SynthesightError:
        return None  # one observer only
    people = everyone.filter(~IS_MODEL)
    figures = {
        f"error-consistency-{plain(name)}": consistency_matrix(
            means.filter(pl.col("dataset") == name).drop("dataset"), name, set(people["observer"])
        )
        for name in datasets_of(means)
    }
    return Section(
        "error-consistency",
        "Error consistency of every two observers",
        "κ is the mean over conditions, without undistorted and chance-level ones (Geirhos, "
        "Meding & Wichmann 2020). It is 0 for independent observers of these accuracies, and 1 for "
        "two who err on the same images. People come first, and observers who err alike stand "
        "side by side. The lighter a cell, the more consistent the two. It is empty where κ is "
        "undefined: both were always right, or always wrong. Point at a cell, or see the table, "
        f"for intervals. They are 95 %, for {POPULATIONS[population]}.",
        {"error-consistency": means},
        dict(figures),
        metrics=["error_consistency"],
        population=population,
    )


def consistency_matrix(
    pairs: pl.DataFrame, dataset: str, people: Collection[str] = ()
) -> alt.LayerChart:
    """Draw the error consistency of every two observers in one dataset, as a matrix.

    Observers who err alike stand side by side, people among themselves.

    Parameters
    ----------
    pairs
        Rows of one dataset of :func:`~synthesight.analysis.pairwise_means`.
    people
        Names of the human observers.
    """
    both = pl.concat(
        [pairs, pairs.rename({"first": "second", "second": "first"}).select(pairs.columns)]
    )
    human = pl.col("first").is_in(list(people)) & pl.col("second").is_in(list(people))
    machine = ~pl.col("first").is_in(list(people)) & ~pl.col("second").is_in(list(people))
    names = set(both["first"])
    order = [
        *by_similarity(pairs.filter(human), names & set(people)),
        *by_similarity(pairs.filter(machine), names - set(people)),
    ]
    few = len(order) <= FEW
    axis = {"sort": order, "scale": alt.Scale(domain=order), "title": None}
    base = alt.Chart(records(both)).encode(
        x=alt.X("first:N", **axis, axis=alt.Axis(labelAngle=-90, labelLimit=240)),
        y=alt.Y("second:N", **axis, axis=alt.Axis(labelLimit=240)),
        tooltip=[
            alt.Tooltip("first:N", title="observer"),
            alt.Tooltip("second:N", title="and"),
            *tooltip(title="error consistency κ", form=".3f", n="images"),
            alt.Tooltip("conditions:Q", title="conditions"),
        ],
    )
    # Lightness carries the value, so that it reads in grey and for every eye.
    cells = base.mark_rect().encode(
        color=alt.Color(
            "estimate:Q",
            scale=alt.Scale(scheme="viridis", domain=[-0.1, 0.8], clamp=True),
            legend=alt.Legend(title="κ", values=[0, 0.2, 0.4, 0.6, 0.8]),
        )
    )
    layers = [cells]
    if few:
        light = alt.condition("datum.estimate > 0.35", alt.value(ON_LIGHT), alt.value(ON_DEEP))
        # Without the 0 before the point, for which cells have no room.
        text = base.transform_filter("isValid(datum.estimate)").transform_calculate(
            text="replace(format(datum.estimate, '.2f'), '0.', '.')"
        )
        layers.append(text.mark_text(fontSize=9).encode(text="text:N", color=light))
    side = (24 if few else 12) * len(order)
    title = panel_title(dataset, pairs["n"], "images a pair")
    title.anchor = "start"
    return alt.layer(*layers).properties(width=side, height=side, title=title)


def by_similarity(pairs: pl.DataFrame, names: Collection[str]) -> list[str]:
    """Return observers so that those who err alike are neighbours.

    The order is that of the leaves of average linkage on 1 − κ which makes neighbours most alike
    (Bar-Joseph, Gifford & Jaakkola 2001). Where κ is undefined, it is taken for 0.

    Parameters
    ----------
    pairs
        Columns first, second and estimate.
    names
        All observers of ``pairs``.

    Examples
    --------
    >>> import polars as pl
    >>> alike = {"first": ["a", "a", "b"], "second": ["b", "c", "c"], "estimate": [0.1, 0.9, 0.2]}
    >>> by_similarity(pl.DataFrame(alike), ["a", "b", "c"])
    ['b', 'c', 'a']
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    ordered = sorted(names)
    if len(ordered) < 3:
        return ordered
    place = {name: n for n, name in enumerate(ordered)}
    first, second = (pairs[end].replace_strict(place).to_numpy() for end in ("first", "second"))
    distances = np.ones((len(ordered), len(ordered)))
    distances[first, second] = distances[second, first] = 1 - pairs["estimate"].fill_null(0)
    upper = distances[np.triu_indices(len(ordered), 1)]
    leaves = leaves_list(linkage(upper, "average", optimal_ordering=True))
    return [ordered[leaf] for leaf in leaves]


def consistency_against_accuracy(
    benchmark: pl.DataFrame, observers: Sequence[str], published: pl.DataFrame | None = None
) -> alt.LayerChart:
    """Draw error consistency with people against accuracy, one point an observer.

    Parameters
    ----------
    benchmark
        From :func:`~synthesight.analysis.benchmark`.
    observers
        Observers of the report, in order.
    published
        Columns observer, ood_accuracy, error_consistency and source: drawn as hollow points, of
        which the outermost are named.
    """
    drawn = benchmark["observer"].to_list()
    looks = observer_looks(observers, drawn, legend=legend(drawn))
    size = {"width": 640, "height": 460} if crowded(drawn) else {"width": 420, "height": 320}
    base = shown(benchmark.filter(pl.col("error_consistency").is_not_null()))
    wide = alt.Scale(zero=False, padding=12)
    x = {"scale": wide, "axis": alt.Axis(format=".0%", tickCount=6), "title": "OOD accuracy"}
    y = {"scale": wide, "title": "error consistency with people, κ"}
    said = [
        "observer:N",
        alt.Tooltip("trials:Q", title="trials"),
        *(
            alt.Tooltip(f"{name}{end}:Q", title=title, format=form)
            for name, called, form in (
                ("ood_accuracy", "OOD accuracy", ".1%"), ("error_consistency", "κ", ".3f")
            )
            for end, title in (("", called), ("_low", "95 % from"), ("_high", "to"))
        ),
    ]  # fmt: skip
    marks = base.encode(
        x=alt.X("ood_accuracy:Q", **x), y=alt.Y("error_consistency:Q", **y), color=looks["color"]
    )
    layers = [
        marks.mark_rule(opacity=0.5).encode(
            x=alt.X("ood_accuracy_low:Q", **x), x2="ood_accuracy_high:Q"
        ),
        marks.mark_rule(opacity=0.5).encode(
            y=alt.Y("error_consistency_low:Q", **y), y2="error_consistency_high:Q"
        ),
        marks.mark_point(filled=True, size=90, opacity=1).encode(
            shape=looks["shape"], tooltip=said
        ),
    ]
    if published is not None:
        at = (alt.X("ood_accuracy:Q", **x), alt.Y("error_consistency:Q", **y))
        layers += _printed(published, *at)
    return alt.layer(*layers).properties(**size).add_params(picked(observers))


def _printed(published: pl.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Return hollow diamonds at published figures, and the names of the outermost."""
    rows = published.drop_nulls(["ood_accuracy", "error_consistency"])
    outer = [pl.col("ood_accuracy"), -pl.col("ood_accuracy"), pl.col("error_consistency")]
    named = pl.any_horizontal(value == value.max() for value in outer)
    rows = rows.with_columns(name=pl.when(named).then(pl.format("{} (published)", "observer")))
    base = alt.Chart(records(rows))
    points = base.mark_point(size=70, shape="diamond", color="#555555", strokeWidth=1.5).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("observer:N", title="published"),
            alt.Tooltip("ood_accuracy:Q", title="OOD accuracy", format=".1%"),
            alt.Tooltip("error_consistency:Q", title="κ", format=".3f"),
            "source:N",
        ],
    )
    names = (
        base.transform_filter("isValid(datum.name)")
        .mark_text(dy=-9, dx=6, align="right", fontSize=9, color="#555555")
        .encode(x=x, y=y, text="name:N")
    )
    return [points, names]


def ranks_figure(benchmark: pl.DataFrame, observers: Sequence[str]) -> alt.LayerChart:
    """Draw the mean rank of each model, best first, with the ranks that it may have.

    Parameters
    ----------
    benchmark
        From :func:`~synthesight.analysis.benchmark`.
    observers
        Observers of the report, in order.
    """
    rows = benchmark.drop_nulls("mean_rank").sort("mean_rank").select(
        "observer", estimate="mean_rank", low="mean_rank_low", high="mean_rank_high", n="trials"
    )  # fmt: skip
    names = rows["observer"].to_list()
    last = max(len(names), 2)
    axis = {
        "scale": alt.Scale(domain=[1, last], padding=8, nice=False),
        "axis": {"format": "d", "values": list(range(1, last + 1, 1 + last // 10))},
        "title": f"mean rank among {len(names)} models; 1 is most like people",
    }
    said = tooltip("observer", title="mean rank", form=".2f")
    y = alt.Y("observer:N", sort=names, **ROWS)
    marks = interval_and_point(
        shown(rows), observer_looks(observers, names), "x", axis, said, size=60, y=y
    )
    chart = alt.layer(*marks).add_params(picked(observers))
    return chart.properties(width=420, height=alt.Step(18))

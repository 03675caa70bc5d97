"""The sections of differences: models less people, and every two models by paired tests."""

from __future__ import annotations

import altair as alt
import polars as pl

from synthesight.analysis import (
    IS_HUMAN,
    PEOPLE,
    POPULATION,
    POPULATIONS,
    Population,
    comparisons,
    difference_from_people,
    get_metric,
)
from synthesight.errors import SynthesightError
from synthesight.report.looks import (
    ROWS,
    counted,
    guide,
    interval_and_point,
    legend,
    observer_looks,
    picked,
    shown,
    tooltip,
)
from synthesight.report.metrics import chance_of, lines_of
from synthesight.report.section import IS_MODEL, Section, datasets_of, order, sorted_table
from synthesight.report.sources import RUN

CROWD = 8  # models; the rows of more would be too high
MODELS = 8  # that are compared with each other: 28 pairs
MEASURES = ("accuracy", "shape_bias", "error_consistency")
POINTS = {
    "title": "accuracy minus people's, percentage points",
    "axis": {
        "labelExpr": "abs(datum.value) < 1e-9 ? '0' : format(100 * datum.value, '+d')",
        "tickCount": 7,
    },
}


def differences_section(
    everyone: pl.DataFrame,
    resamples: int,  # noqa: ARG001
    population: Population = POPULATION,
) -> Section | None:
    """Show each model's accuracy minus people's; None without people or models."""
    trials, observers, name = everyone.drop("who"), order(everyone), "difference-from-people"
    by = ("dataset", "condition")
    try:
        whole = difference_from_people(trials, population=population)
        each = difference_from_people(trials, by=by, population=population)
    except SynthesightError:
        return None
    if whole.is_empty():
        return None
    each = each.filter(pl.col("condition").n_unique().over("dataset") > 1)
    whole, each = (sorted_table(table.drop("kind"), observers) for table in (whole, each))
    section = Section(
        name,
        "Accuracy, models minus people",
        "On the same images of each dataset: right of the dashed line a model is more often right "
        "than people, left of it less often. Intervals are 95 % confidence intervals of the "
        f"difference, for {POPULATIONS[population]}.",
        {name: whole},
        {name: differences_figure(whole, observers)},
        metrics=["accuracy"],
        population=population,
    )
    chance = chance_of(get_metric("accuracy"), everyone)
    guess = each.group_by(by, maintain_order=True).agg(
        estimate=pl.col("dataset").first().replace_strict(chance) - pl.col("people").first()
    )
    # Panels are too low for the whole title.
    if figure := lines_of(each, observers, POINTS | {"title": "gap to people, % points"}, guess):
        section.tables[f"{name}-by-condition"] = each
        section.figures[f"{name}-by-condition"] = figure
        section.text += (
            " By condition, people are the line at 0, and the dashed line is guessing. A model "
            "between them is worse than people and better than chance."
        )
    return section


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
    few = len(drawn) <= CROWD
    rows = {"y": alt.Y("dataset:N", scale=alt.Scale(domain=datasets_of(table)), **ROWS)} | (
        {"yOffset": alt.YOffset("observer:N", sort=drawn)} if few else {}
    )
    columns = ["observer", "dataset", "estimate", "low", "high", "n"]
    said = tooltip("observer", "dataset", title="difference")
    base = shown(table.select(columns).drop_nulls("estimate"))
    marks = interval_and_point(base, looks, "x", POINTS, said, **rows)
    height = (len(drawn) * 6 + 14 if few else 22) * table["dataset"].n_unique()
    chart = alt.layer(guide(x=alt.XDatum(0)), *marks).add_params(picked(observers))
    return chart.properties(width=420, height=height)


def contrasts_section(
    everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show the difference of every two models; None where there are not two."""
    judged = everyone.filter(pl.col("category").is_not_null())
    models = judged.filter(IS_MODEL)
    there = set(models["observer"])
    # Published networks that were added may be many: those of runs come first.
    own = set(models.drop_nulls(RUN)["observer"]) if RUN in models.columns else there
    names = sorted(
        (name for name in order(everyone) if name in there), key=lambda name: name not in own
    )
    measures = [
        name
        for name in MEASURES
        if name == "accuracy"
        or (name == "shape_bias" and judged["texture"].count())
        or (name == "error_consistency" and len(judged.filter(IS_HUMAN)))
    ]
    try:
        table = comparisons(
            judged.drop("who"),
            names[:MODELS],
            measures=measures,
            population=population,
            resamples=resamples,
        )
    except SynthesightError:
        return None  # one model, or none that saw the same images
    left_out = f" Of {len(names)} models, the first {MODELS} are compared."
    return Section(
        "contrasts",
        "Differences of models",
        "The first model minus the second, on the images that both saw. p tests for no difference. "
        f"Intervals are 95 % confidence intervals for {POPULATIONS[population]}. Some of "
        f"{counted(table['p'].count(), 'test')} may find a difference by chance. So p holm is "
        "corrected for all of them: any false finding has a chance of at most 5 % (Holm 1979). "
        "Empty where the measure is undefined." + (left_out if len(names) > MODELS else ""),
        {"contrasts": table},
        population=population,
    )

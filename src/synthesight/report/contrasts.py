"""Whether models differ: paired tests of every two, corrected for their number."""

from __future__ import annotations

import polars as pl

from synthesight.analysis import IS_HUMAN, POPULATION, Population, comparisons
from synthesight.errors import SynthesightError
from synthesight.report.looks import counted
from synthesight.report.section import IS_MODEL, Section, order
from synthesight.report.sources import RUN

MODELS = 8  # that are compared with each other: 28 pairs
MEASURES = ("accuracy", "shape_bias", "error_consistency")


def contrasts_section(
    everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show the difference of every two models; None where there are not two."""
    models = everyone.filter(IS_MODEL)
    there = set(models["observer"])
    # Published networks that were added may be many: those of runs come first.
    own = set(models.drop_nulls(RUN)["observer"]) if RUN in models.columns else there
    names = sorted(
        (name for name in order(everyone) if name in there), key=lambda name: name not in own
    )
    judged = everyone.drop("who").filter(pl.col("category").is_not_null())
    measures = [
        name
        for name in MEASURES
        if name == "accuracy"
        or (name == "shape_bias" and judged["texture"].count())
        or (name == "error_consistency" and len(judged.filter(IS_HUMAN)))
    ]
    try:
        table = comparisons(
            judged, names[:MODELS], measures=measures, population=population, resamples=resamples
        )
    except SynthesightError:
        return None  # one model, or none that saw the same images
    left_out = f" Of {len(names)} models, the first {MODELS} are compared."
    return Section(
        "contrasts",
        "Differences of models",
        "The first model minus the second, on the images that both saw, with the 95 % confidence "
        f"interval and the p-value of no difference. {counted(table['p'].count(), 'test')} find "
        "some differences by chance: p holm is corrected for all of them, so that any false "
        "finding has a chance of at most 5 % (Holm 1979). Empty where the measure is undefined."
        + (left_out if len(names) > MODELS else ""),
        {"contrasts": table},
    )

"""The section of accuracy by what else is known of the stimuli, such as viewpoint or size."""

from __future__ import annotations

import polars as pl
import polars.selectors as cs

from synthesight.analysis import POPULATION, POPULATIONS, Population, accuracy, get_metric
from synthesight.analysis.psychometric import DIAL, TOWARD
from synthesight.encoding import short
from synthesight.report.dials import CUTOFF
from synthesight.report.looks import listed
from synthesight.report.metrics import axis_of, chance_of, lines_of
from synthesight.report.section import Section, order, sorted_table
from synthesight.report.sources import RUN
from synthesight.stimuli.names import plain
from synthesight.trials.schema import factors

LEVELS = 12  # values of a factor; of more, such as a size in pixels, each has few images
# Columns that are no factor: of the report itself, and of dials, which have a section.
OTHERS = {"who", "place", RUN, DIAL, TOWARD, CUTOFF}
_LEVEL = "_level"


def factors_section(
    everyone: pl.DataFrame,
    resamples: int,
    population: Population = POPULATION,
) -> Section | None:
    """Show accuracy by each factor of the stimuli; None where trials have none.

    A factor is a column of :func:`~synthesight.trials.factors` that has two values or more, and
    not too many, among what one observer was shown of one dataset.
    """
    metric, observers = get_metric("accuracy"), order(everyone)
    section = Section("factors", "Accuracy by factor", "", metrics=["accuracy"],
                      population=population)  # fmt: skip
    many: list[str] = []
    judged = everyone.filter(pl.col("category").is_not_null())
    plausible = judged.select(cs.string() | cs.numeric() | cs.boolean()).columns
    for name in factors(judged):
        if name in OTHERS or name not in plausible:
            continue
        count = pl.col(name).drop_nulls().n_unique()
        if (judged.group_by("who", "dataset").agg(count)[name] < 2).all():
            continue  # it tells observers or datasets apart, not stimuli
        own = judged.filter(pl.col(name).is_not_null(), (count > 1).over("dataset"))
        if (own.group_by("dataset").agg(count)[name] > LEVELS).any():
            many.append(short(name))
            continue
        # A factor may be called as a column of the result is, such as population.
        own, by = own.with_columns(pl.col(name).alias(_LEVEL)), ["who", "dataset", _LEVEL]
        table = accuracy(own, by=by, population=population, resamples=resamples)
        table = table.rename({"who": "observer", _LEVEL: "condition"})
        table = sorted_table(table.with_columns(pl.col("condition").cast(pl.String)), observers)
        key = f"accuracy-by-{plain(name)}"
        if figure := lines_of(
            table, observers, axis_of(metric), chance_of(metric, own), factor=short(name)
        ):
            section.figures[key] = figure
            column = f"factor {name}" if name in table.columns else name
            section.tables[key] = table.rename({"condition": column})
    if not section.figures:
        return None
    section.text = (
        "The share of correct responses by each column of the trials that tells stimuli of a "
        "dataset apart. Intervals are 95 % confidence intervals for "
        f"{POPULATIONS[population]}. People are pooled. Dashed lines are chance."
    )
    if many:
        section.text += f" Of more than {LEVELS} values, and so left out: {listed(many)}."
    return section

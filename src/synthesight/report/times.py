"""The report's sections of time and doubt: models beside people's seconds and disagreement."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from synthesight.analysis import (
    IS_HUMAN,
    POPULATION,
    POPULATIONS,
    Population,
    doubt,
    get_metric,
    speed_accuracy,
)
from synthesight.errors import SynthesightError
from synthesight.report.calibration import add_shares
from synthesight.report.looks import interval_and_point, observer_looks, panels_of, shown, tooltip
from synthesight.report.metrics import metric_section
from synthesight.report.provenance import Provenance
from synthesight.report.section import Section, datasets_of, order
from synthesight.stimuli.names import plain


def time_section(
    everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show effort beside people's times, and accuracy by deadline; None without such times."""
    section = metric_section(get_metric("reaction_time"), everyone, resamples, population)
    if section is None:
        return None
    section.text += (
        " The curves show the share right of the responses given by a deadline. Deadlines are "
        "those by which 10 %, 20 % and so on were given. Time is people's seconds, and models' "
        "network evaluations. Where these do not vary, it is minus the lead of the first class. A "
        "falling curve says that hard images take longer."
    )
    table = speed_accuracy(everyone, ("who", "dataset"), population=population, resamples=resamples)
    add_shares(section, "speed-accuracy", table, everyone, "share", "share of responses given")
    return section


def doubt_section(
    everyone: pl.DataFrame, made: Sequence[Provenance], resamples: int, population: Population
) -> Section | None:
    """Show whether models doubt what people doubt; None where none saw what people answered."""
    classes = {each.name: each.record["classes"] for each in made if each.record.get("classes")}
    people = everyone.filter(IS_HUMAN, pl.col("response").is_not_null())
    image = ["dataset", "condition", "category", "image"]
    models = everyone.filter(pl.col("observer").is_in(list(classes)), ~IS_HUMAN).join(
        people, on=image, how="semi"
    )
    tables = {}
    for dataset in datasets_of(models):
        both = pl.concat([each.filter(dataset=dataset) for each in (people, models)])
        try:
            found = doubt(both, classes, population=population, resamples=resamples)
        except SynthesightError:
            continue  # such as runs without evidence
        tables[dataset] = found.select(pl.lit(dataset).alias("dataset"), pl.all())
    if not tables:
        return None
    # People who answered are no sample here.
    speaks: Population = "new-stimuli" if "stimuli" in population else "these"
    return Section(
        "doubt",
        "Doubt",
        "Whether models are unsure where people disagree (Peterson et al. 2019). Cross entropy is "
        "of people's answers under a model's probabilities, or its scores where it was not "
        "calibrated. It is in nats, and lower is better. The correlation of entropies is by rank. "
        "Second choice is how often model and people have the same one. The upright bar, and the "
        "column people, is one half of the people with the other. For cross entropy it is people's "
        "own entropy, below which no model can be. Answers that a model could not give do not "
        "count. Intervals are "
        f"95 %, for {POPULATIONS[speaks]}.",
        {"doubt": pl.concat(tables.values())},
        {
            f"doubt-{plain(name)}": doubt_figure(table, order(everyone), title=name)
            for name, table in tables.items()
        },
        population=speaks,
    )


def doubt_figure(table: pl.DataFrame, observers: list[str], *, title: str) -> alt.ConcatChart:
    """Draw the three measures of :func:`~synthesight.analysis.doubt` of one dataset."""
    looks = observer_looks(observers, table["observer"].unique().to_list())
    panels = []
    for measure in table["measure"].unique(maintain_order=True):
        said = measure.replace("_", " ") + (", nats" if measure == "cross_entropy" else "")
        rows = shown(table.filter(measure=measure))
        y = alt.Y("observer:N", sort=observers, title=None, axis=alt.Axis(labelLimit=200))
        people = rows.mark_tick(thickness=2, color="black").encode(x="people:Q", y=y)
        tip = tooltip("observer", title=said, form=".2f", n="images")
        axis = {"title": said, "axis": {"tickCount": 4}}
        marks = interval_and_point(rows, looks, "x", axis, tip, y=y)
        panels.append(alt.layer(people, *marks).properties(width=150, height=alt.Step(20)))
    return panels_of(panels, observers).properties(title=title)

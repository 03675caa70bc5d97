"""The sections of the report, each from all trials; None where these do not allow it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import polars as pl

from synthesight.analysis import (
    BENCHMARK_METRICS,
    IS_HUMAN,
    PARTICIPANT,
    PEOPLE,
    POPULATION,
    POPULATIONS,
    Metric,
    Population,
    benchmark,
    get_metric,
    metrics,
    shape_bias,
    without_trivial,
)
from synthesight.report.calibration import calibration_section
from synthesight.report.confusions import confusion_section
from synthesight.report.consistency import (
    consistency_against_accuracy,
    consistency_section,
    ranks_figure,
)
from synthesight.report.coverage import fewer_conditions, fewer_images, strangers
from synthesight.report.dials import dials_section
from synthesight.report.differences import contrasts_section, differences_section
from synthesight.report.factors import factors_section
from synthesight.report.figures import shape_bias_figure
from synthesight.report.looks import counted, listed, span
from synthesight.report.metrics import metric_section
from synthesight.report.references import (
    add_benchmark_references,
    add_references,
    benchmark_references,
    references_of,
)
from synthesight.report.section import Section, datasets_of, order, sorted_table
from synthesight.report.times import time_section
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.names import plain

Make = Callable[[pl.DataFrame, int], Section | None]


def sections(population: Population = POPULATION) -> dict[str, Make]:
    """Return the sections of a report by name, in their order.

    Intervals are for a population: see :func:`synthesight.analysis.accuracy`.

    Every registered metric has one. Shape bias adds the figure of its field to it; the metrics of
    the benchmark are in its tables.
    """
    special: dict[str, Make] = {
        "trials": trials_section,
        "shape bias": partial(shape_bias_section, population=population),
        "benchmark": partial(benchmark_section, population=population),
        "difference from people": partial(differences_section, population=population),
        "dial": dials_section,
        "reaction time": partial(time_section, population=population),
        "calibration": partial(calibration_section, population=population),
    }
    elsewhere = {
        shape_bias.__name__, "expected_calibration_error", "reaction_time", *BENCHMARK_METRICS
    }  # fmt: skip
    declared: dict[str, Make] = {
        metric.title.lower(): partial(declared_section, metric, population=population)
        for name, metric in metrics().items()
        if name not in elsewhere
    }
    last: dict[str, Make] = {
        "error consistency": partial(consistency_section, population=population),
        "factors": partial(factors_section, population=population),
        "differences": partial(contrasts_section, population=population),
        "confusion": confusion_section,
    }
    return special | declared | last


def trials_section(everyone: pl.DataFrame, resamples: int) -> Section:  # noqa: ARG001
    """Show who answered what, and how often."""
    by = ["who", "kind", "dataset"]
    table = (
        everyone.group_by(by)
        .agg(
            pl.col("observer").n_unique().alias("observers"),
            pl.len().alias("trials"),
            pl.col("condition").n_unique().alias("conditions"),
            pl.col("category").drop_nulls().n_unique().alias("categories"),
            pl.col("response").drop_nulls().n_unique().alias("named"),
            pl.col("image").n_unique().alias("images"),
            pl.col("response").is_null().sum().alias("no response"),
            pl.col("evaluations").mean().alias("network evaluations an image"),
        )
        .rename({"who": "observer"})
    )
    table = sorted_table(table, order(everyone))
    if table["network evaluations an image"].null_count() == len(table):
        table = table.drop("network evaluations an image")
    people = table.filter(pl.col("observer") == PEOPLE)["observers"]
    participants = everyone.filter(kind=PARTICIPANT)["who"].n_unique()
    models = everyone.filter(pl.col("who") != PEOPLE)["who"].n_unique() - participants
    who = [counted(models, "model")] if models else []
    if participants:
        who.insert(0, counted(participants, "participant"))
    if len(people):
        who.insert(0, f"people ({span(people)} in each dataset)")
    alone = everyone.filter(~IS_HUMAN.any().over("dataset"))
    without = (
        f"There are no trials of people on {listed(datasets_of(alone))}. " if len(alone) else ""
    )
    return Section(
        "trials",
        "What was compared",
        f"{len(everyone):,} trials of {listed(who)}, in "
        f"{counted(everyone['dataset'].n_unique(), 'dataset')}. Each row of the table is an "
        "observer, or all people, in one dataset. It tells how many categories were shown and "
        "named, as choosing among fewer is easier. A trial without a response counts "
        "as an error. "
        + without
        + _incomplete("Shown fewer images than others", fewer_images(everyone))
        + " ".join(strangers(everyone)),
        {"trials": table},
    )


def declared_section(
    metric: Metric, everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show what a metric declares, beside published figures of it."""
    section = metric_section(metric, everyone, resamples, population)
    if section is not None:
        add_references(section, metric.name)
    return section


def shape_bias_section(
    everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show which of two conflicting cues decides."""
    section = metric_section(get_metric("shape_bias"), everyone, resamples, population)
    if section is None:
        return None
    overall = section.tables["shape-bias"].drop_nulls("estimate")
    each = section.tables["shape-bias-by-category"]
    conflict = everyone.filter(pl.col("texture").is_not_null())
    people = conflict.filter(IS_HUMAN)
    if not people.is_empty():
        section.tables["shape-bias-of-people"] = shape_bias(
            people, by=["dataset", "observer"], population=population, resamples=resamples
        )
    section.figures = {}
    for dataset in datasets_of(overall):
        # Published figures are for the published images alone.
        own = dataset == "cue-conflict"
        name = "shape-bias" if own else f"shape-bias-{plain(dataset)}"
        section.figures[name] = shape_bias_figure(
            overall.filter(pl.col("dataset") == dataset),
            each.filter(pl.col("dataset") == dataset),
            published=references_of("shape_bias", dataset),
            observers=order(everyone),
            title=dataset,
        )
    add_references(section, "shape_bias")
    return section


def benchmark_section(
    everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Show the two tables of the model-vs-human benchmark, and κ against accuracy."""
    compared = without_trivial(everyone)
    common, left_out = _benchmark_datasets(compared)
    if not common or everyone.filter(~IS_HUMAN).is_empty():
        return None
    compared = compared.filter(pl.col("dataset").is_in(common), ~pl.col("who").is_in(left_out))
    table = benchmark(compared.drop("who"), population=population, resamples=resamples)
    trials = compared.group_by(pl.col("who").alias("observer")).agg(pl.len().alias("trials"))
    table = table.join(trials, on="observer", how="left", maintain_order="left")
    accuracy = table.select("observer", "trials", r"^ood_accuracy.*$", "population")
    model = pl.col("observer") != PEOPLE
    accuracy = pl.concat(
        [accuracy.filter(model).sort("ood_accuracy", descending=True), accuracy.filter(~model)]
    )
    likeness = table.select("observer", "trials", pl.exclude("observer", "trials", "kind"))
    likeness = likeness.select(pl.exclude(r"^ood_accuracy.*$"))
    published = benchmark_references(common)
    section = Section(
        "benchmark",
        "Benchmark",
        f"As Geirhos et al. (2021), over the {counted(len(common), 'dataset')} that all these "
        f"observers saw ({', '.join(common)}), without undistorted and chance-level conditions. "
        "Error consistency is agreement on which images are hard, beyond what accuracy implies. "
        "The squared accuracy difference is the toolbox's accuracy difference. The row of people "
        f"is people with each other. Intervals are 95 %, for {POPULATIONS[population]}. "
        + _incomplete("Left out, because they saw fewer of these datasets", left_out)
        + _incomplete("Over fewer conditions than others", fewer_conditions(compared))
        + _incomplete("Over fewer images than others", fewer_images(compared)),
        {"benchmark-accuracy": accuracy, "benchmark-likeness": likeness},
        {
            "error-consistency-against-accuracy": consistency_against_accuracy(
                # Means over fewer datasets are on another scale.
                table,
                order(everyone),
                published if len(common) == len(datasets()) else None,
            )
        },
        metrics=BENCHMARK_METRICS,
        population=population,
    )
    if table["mean_rank"].count() > 1:
        section.figures["benchmark-ranks"] = ranks_figure(table, order(everyone))
        section.text += (
            "Mean ranks are of the three measures of likeness, and their intervals of the ranks "
            "that a model may have (Mogstad et al. 2024)."
        )
    if published is not None:
        add_benchmark_references(section, published, len(common))
    return section


def _benchmark_datasets(compared: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Return the datasets of the benchmark, and the observers who saw not all of them.

    A network of which few trials are published must not reduce what is compared of all others: of
    the sets of datasets that models saw, that with the most pairs of model and dataset is taken.
    """
    people = set(compared.filter(IS_HUMAN)["dataset"].unique())
    others = compared.filter(~IS_HUMAN).group_by("who", "kind").agg(pl.col("dataset").unique())
    seen = {who: frozenset(names) & people for who, _, names in others.rows()}
    models = others.filter((pl.col("kind") != PARTICIPANT).fill_null(True))["who"].to_list()
    counted_for = [seen[who] for who in models or seen]
    choices = {*counted_for, frozenset(people).intersection(*counted_for)}
    best = max(
        choices,
        key=lambda names: (len(names) * sum(names <= each for each in counted_for), *sorted(names)),
        default=frozenset[str](),
    )
    return sorted(best), sorted(who for who, names in seen.items() if not best <= names)


def _incomplete(what: str, who: list[str]) -> str:
    return f"{what}: {'; '.join(who)}. " if who else ""

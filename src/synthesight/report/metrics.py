"""A section that follows from what a metric declares: its tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import polars as pl

from synthesight.analysis import POPULATION, POPULATIONS, Metric, Population
from synthesight.errors import SynthesightError
from synthesight.report.metric_figures import bars, chance_of, lines_by_condition
from synthesight.report.section import Section, order, sorted_table
from synthesight.stimuli.datasets import datasets


def metric_section(
    metric: Metric, everyone: pl.DataFrame, resamples: int, population: Population = POPULATION
) -> Section | None:
    """Return the section of a metric; None where the trials do not allow it.

    Parameters
    ----------
    metric
        Any that is registered.
    everyone
        The trial table, with ``who``: the observer, or people.
    resamples
        Resamples of the bootstrap, where there is one.
    population
        Of which the intervals speak, where the metric can choose.
    """
    observers = order(everyone)
    options: dict[str, Any] = {"resamples": resamples}
    if chooses := "population" in signature(metric.function).parameters:
        options["population"] = population
    name = metric.name.replace("_", "-")
    if metric.groups:
        tables = _grouped(metric, name, everyone, options)
    else:
        try:
            tables = {name: metric.function(everyone.drop("who"), **options)}
        except SynthesightError:
            return None  # such as without people to compare with
    tables = {key: sorted_table(table, observers) for key, table in tables.items()}
    if all(table["estimate"].null_count() == len(table) for table in tables.values()):
        return None
    target = f"for {POPULATIONS[population]}" if chooses else "for new stimuli like these"
    pooled = "people are pooled" if metric.groups else "the row of people is people with each other"
    line = " Dashed lines are chance." if metric.chance else ""
    text = f"{metric.text} Intervals are 95 % confidence intervals {target}; {pooled}.{line}"
    section = Section(name, metric.title, text, tables, metrics=[metric.name])
    drawn = {
        key: table
        for key, table in tables.items()
        if {"category", "texture"}.isdisjoint(table.columns)
    }
    chance = chance_of(metric, everyone)
    for key, table in drawn.items():
        lines = "condition" in table.columns and lines_by_condition(
            metric, table, observers, chance
        )
        if lines:
            section.figures[key] = lines
    # Bars are of the first grouping, which has the most trials.
    for table in list(drawn.values())[:1]:
        if figure := bars(metric, table, observers, chance):
            section.figures[f"{name}-bars"] = figure
    return section


def _grouped(
    metric: Metric, name: str, everyone: pl.DataFrame, options: Mapping[str, Any]
) -> dict[str, pl.DataFrame]:
    """Return a table for each grouping that the metric declares."""
    tables: dict[str, pl.DataFrame] = {}
    for grouping in metric.by:
        trials = everyone
        if "condition" in grouping and grouping != metric.by[0]:
            # A dataset of one condition has the same figures in the table of datasets.
            several = pl.col("condition").n_unique().over("dataset") > 1
            trials = trials.filter(several | pl.col("dataset").is_in(list(datasets())))
        if trials.is_empty():
            continue
        by = ("who", *grouping)
        table = metric.function(trials, by=by, **options).rename({"who": "observer"})
        if not table.is_empty():
            first = grouping == metric.by[0]
            tables[name if first else f"{name}-by-{grouping[-1]}"] = table
    return tables

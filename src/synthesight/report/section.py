"""A section of the report, and the orders in which it names observers and datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import altair as alt
import polars as pl

from synthesight.analysis import PARTICIPANT, PEOPLE, POPULATIONS
from synthesight.errors import SynthesightError, suggestion
from synthesight.stimuli.datasets import datasets

# Trials of models, not of people, be they published or compared with published ones.
IS_MODEL = ~pl.col("kind").is_in(["human", PARTICIPANT]).fill_null(False)


@dataclass(frozen=True)
class Picture:
    """One image of a gallery: where it is, what it shows, and what was answered, line by line."""

    url: str
    alt: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Images of one kind, with what they have in common; shown when asked for, if folded."""

    title: str
    text: str
    pictures: Sequence[Picture]
    folded: bool = False


@dataclass
class Section:
    """One part of the report.

    Attributes
    ----------
    name, title, text
        Its id on the page; its heading; what is shown and how it was computed.
    tables, figures
        By file name; a figure as an Altair chart, or as Vega-Lite has it.
    folded
        Whether figures are shown only when asked for, because there are many.
    metrics
        Names of the metrics whose values it shows.
    population
        Of which its intervals speak, by its name in tables; empty where there are none.
    galleries
        Rows of images.
    copied
        Texts to take over into a paper, by the file beside the page that holds each.
    """

    name: str
    title: str
    text: str
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    figures: dict[str, alt.TopLevelMixin | dict[str, Any]] = field(default_factory=dict)
    folded: bool = False
    metrics: Sequence[str] = ()
    population: str = ""
    galleries: list[Gallery] = field(default_factory=list)
    copied: dict[str, str] = field(default_factory=dict)


# What intervals speak of, in a sentence.
TARGETS: dict[str, str] = {
    **{str(name): text for name, text in POPULATIONS.items()},
    "new-combinations": "new combinations of these shapes and textures",
    "new-people-and-combinations": "new people, and new combinations of these shapes and textures",
}


def caption_of(section: Section, name: str) -> str:
    """Return the caption of a figure: what it shows, and of what its intervals speak."""
    of = section.population
    told = f" Intervals are 95 % confidence intervals for {TARGETS[of]}." if of else ""
    return f"{section.title}: {name.replace('-', ' ')}.{told}"


def spec_of(figure: alt.TopLevelMixin | dict[str, Any]) -> dict[str, Any]:
    """Return a figure as Vega-Lite has it."""
    return figure if isinstance(figure, dict) else figure.to_dict(validate=False)


def named_apart(sections: Sequence[Section]) -> list[Section]:
    """Return sections of which no two, nor their tables and figures, have the same name.

    Those after the first of a name have a number at the end of theirs.
    """
    seen: Counter[str] = Counter()
    made = []
    for section in sections:
        seen[section.name] += 1
        end = f"-{seen[section.name]}" if seen[section.name] > 1 else ""
        tables = {f"{name}{end}": table for name, table in section.tables.items()}
        figures = {f"{name}{end}": figure for name, figure in section.figures.items()}
        made.append(replace(section, name=section.name + end, tables=tables, figures=figures))
    return made


def named(everyone: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """Return a trial table with observers renamed, and their place in the column ``place``.

    Parameters
    ----------
    everyone
        From :func:`~synthesight.analysis.with_people`.
    names
        As in :class:`~synthesight.report.style.Style`.

    Raises
    ------
    SynthesightError
        If there is no such observer, or a new name is that of another.
    """
    if not names:
        return everyone
    if names.get(PEOPLE, PEOPLE) != PEOPLE:
        raise SynthesightError(
            f"`names`: {PEOPLE!r} stands for all human observers and keeps its name; name it as "
            f"{PEOPLE}={PEOPLE} to give it a place."
        )
    there = set(everyone["observer"]) | set(everyone["who"])
    for old, new in names.items():
        if old not in there:
            raise SynthesightError(
                f"`names`: there is no observer {old!r}: {suggestion(old, sorted(there))}."
            )
        if new in there - set(names):
            raise SynthesightError(f"`names`: {new!r} is another observer's name: give a new one.")
    places = {new: place for place, new in enumerate(names.values())}
    return everyone.with_columns(pl.col("observer", "who").replace(names)).with_columns(
        place=pl.col("who").replace_strict(places, default=len(places), return_dtype=pl.Int32)
    )


def order(everyone: pl.DataFrame) -> list[str]:
    """Return the observers that a style names, then people, then the models by kind and name."""
    place = pl.col("place") if "place" in everyone.columns else pl.lit(0).alias("place")
    ranks = ["place", pl.col("who") != PEOPLE, "kind", "who"]
    kinds = everyone.select("who", "kind", place).unique()
    kinds = kinds.sort(ranks, descending=[False, False, True, False])
    return kinds["who"].unique(maintain_order=True).to_list()


def sorted_table(table: pl.DataFrame, observers: list[str]) -> pl.DataFrame:
    """Return a table sorted by dataset and condition, or by observer where it has no condition.

    Datasets and conditions are in their published order, others after them; conditions that are
    numbers in that of numbers.
    """
    rank = pl.col("observer").replace_strict({name: n for n, name in enumerate(observers)})
    if "condition" not in table.columns:
        if "dataset" in table.columns:
            table = table.sort(published_rank(), "dataset", nulls_last=True, maintain_order=True)
        return table.sort(rank, maintain_order=True)
    places = pl.DataFrame(
        [(name, each) for name, known in datasets().items() for each in known.conditions],
        schema=["dataset", "condition"],
        orient="row",
    ).with_row_index("_place")
    return (
        table.join(places, on=["dataset", "condition"], how="left")
        .with_columns(_number=pl.col("condition").cast(pl.Float64, strict=False))
        .sort(
            published_rank(),
            "dataset",
            "_place",
            "_number",
            "condition",
            "observer",
            nulls_last=True,
        )
        .drop("_place", "_number")
    )


def conditions_of(table: pl.DataFrame, dataset: str) -> list[str]:
    """Return the conditions of a dataset: all published ones, else those that a table has."""
    if dataset in datasets():
        return list(datasets()[dataset].conditions)
    return levels(table.filter(pl.col("dataset") == dataset)["condition"])


def levels(column: pl.Series) -> list[str]:
    """Return the different texts of a column, those that are numbers in their order."""
    number = pl.col(column.name).cast(pl.Float64, strict=False)
    return (
        column.unique().to_frame().sort(number, column.name, nulls_last=True)[column.name].to_list()
    )


def published_rank() -> pl.Expr:
    """Return the place of a dataset in the published order; null for others."""
    known = list(datasets())
    return pl.col("dataset").replace_strict(known, range(len(known)), default=None)


def datasets_of(table: pl.DataFrame) -> list[str]:
    """Return the datasets of a table, named ones in published order, then the others."""
    names = table.select(pl.col("dataset").unique())
    return names.sort(published_rank(), "dataset", nulls_last=True)["dataset"].to_list()

"""A section of the report, and the orders in which it names observers and datasets."""

from __future__ import annotations

from dataclasses import dataclass, field

import altair as alt
import polars as pl

from synthesight.analysis import PEOPLE
from synthesight.stimuli.datasets import PUBLISHED


@dataclass
class Section:
    """One part of the report.

    Attributes
    ----------
    name, title, text
        Of its files; heading; what is shown and how it was computed.
    tables, figures
        By file name.
    folded
        Whether figures are shown only when asked for: where there are many.
    """

    name: str
    title: str
    text: str
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    figures: dict[str, alt.TopLevelMixin] = field(default_factory=dict)
    folded: bool = False


def order(everyone: pl.DataFrame) -> list[str]:
    """People, then the models by kind and name."""
    kinds = everyone.select("who", "kind").unique().sort("kind", "who", descending=[True, False])
    names = kinds["who"].unique(maintain_order=True).to_list()
    return sorted(names, key=lambda name: name != PEOPLE)


def ordered(table: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    rank = pl.col("observer").replace_strict({name: n for n, name in enumerate(names)})
    return table.sort(rank, maintain_order=True)


def published_rank() -> pl.Expr:
    """The place of a dataset in the published order; null for others."""
    ranks = range(len(PUBLISHED))
    return pl.col("dataset").replace_strict(list(PUBLISHED), ranks, default=None)


def datasets_of(table: pl.DataFrame) -> list[str]:
    """Datasets in published order, then the others."""
    names = table.select(pl.col("dataset").unique())
    return names.sort(published_rank(), "dataset", nulls_last=True)["dataset"].to_list()


def as_published(table: pl.DataFrame) -> pl.DataFrame:
    """Datasets and conditions in published order; others after them."""
    place = pl.DataFrame(
        [(dataset, each) for dataset, names in PUBLISHED.items() for each in names],
        schema=["dataset", "condition"],
        orient="row",
    ).with_row_index("_place")
    return (
        table.rename({"who": "observer"})
        .join(place, on=["dataset", "condition"], how="left")
        .sort(
            published_rank(), "dataset", "_place", "condition", "observer", nulls_last=True,
        )
        .drop("_place")
    )  # fmt: skip

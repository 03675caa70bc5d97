"""Published figures beside measured ones: marked, with their source, and in no rank or interval."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from synthesight.analysis import BENCHMARK_METRICS, published_figures
from synthesight.references import reference
from synthesight.report.looks import listed
from synthesight.report.section import Section
from synthesight.stimuli.datasets import datasets

RANK = "published rank of 52"  # over the 52 models of Geirhos et al. (2021)


def references_of(metric: str, dataset: str | None) -> pl.DataFrame:
    """Return the published figures of a metric that the report shows beside a dataset's.

    Parameters
    ----------
    metric
        Name of a metric, or ``mean_rank``.
    dataset
        Its name, in any spelling (CIFAR-10 is cifar10); None for the mean over all 17.
    """
    known = published_figures().filter(pl.col("metric") == metric, ~pl.col("check"))
    if dataset is None:
        return known.filter(pl.col("dataset").is_null())
    plain = re.sub("[^a-z0-9]", "", dataset.lower())
    return known.filter(pl.col("dataset").str.replace_all("[^a-z0-9]", "") == plain).with_columns(
        dataset=pl.lit(dataset)
    )


def add_references(section: Section, metric: str) -> None:
    """Add published figures of a metric to its section's first table, and say whose they are."""
    name = next(iter(section.tables))
    table = section.tables[name]
    if "dataset" not in table.columns:
        return
    found = pl.concat(
        [references_of(metric, each) for each in table["dataset"].unique(maintain_order=True)]
    )
    if found.is_empty():
        return
    rows = found.rename({"value": "estimate"})
    section.tables[name] = _below(table, rows.select("observer", "dataset", "estimate", "source"))
    section.text += _told(found["paper"].unique(maintain_order=True).to_list())


def benchmark_references(common: Sequence[str]) -> pl.DataFrame | None:
    """Return the published rows of the benchmark, which are means over all 17 datasets.

    Parameters
    ----------
    common
        Datasets of a report's benchmark; where none of the 17 is among them, there are no rows.

    Returns
    -------
    Columns observer, source, paper, ood_accuracy, squared_accuracy_difference,
    observed_consistency, error_consistency, and :data:`RANK`; null where not printed.
    """
    if not set(common) & set(datasets()):
        return None
    found = pl.concat([references_of(name, None) for name in (*BENCHMARK_METRICS, "mean_rank")])
    rows = found.pivot("metric", index=["observer", "source", "paper"], values="value")
    return rows.rename({"mean_rank": RANK})


def add_benchmark_references(section: Section, rows: pl.DataFrame, over: int) -> None:
    """Add the published rows of the benchmark to its tables, which are over so many datasets."""
    for key, table in section.tables.items():
        columns = [name for name in rows.columns if name in table.columns]
        ranks = [RANK] if "mean_rank" in table.columns else []
        figures = [name for name in columns if name != "observer"]
        own = rows.select("observer", "source", *figures, *ranks).drop_nulls(figures)
        section.tables[key] = _below(table, own.sort(ranks) if ranks else own)
    section.text = section.text.rstrip() + (
        f"{_told(rows['paper'].unique().to_list())} They are means over all {len(datasets())} "
        f"datasets" + ("." if over == len(datasets()) else f"; the others are over {over}.")
    )


def _below(table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a table with published rows below, whose source tells them from measured ones."""
    marked = rows.with_columns(observer=pl.format("{} (published)", "observer"))
    both = pl.concat([table, marked], how="diagonal_relaxed")
    return both.select(pl.exclude("source"), "source")


def _told(papers: Sequence[str]) -> str:
    sources = listed([reference(key).short for key in papers])
    return f" Rows called published, at the end, are printed figures: {sources}."

"""How long the measures take: 90 human files and 60 simulated models on all 17 datasets.

    SYNTHESIGHT_DATA=DATA python benchmarks/analysis.py --resamples 1000
    SYNTHESIGHT_DATA=DATA python benchmarks/analysis.py --resamples 0

Each model answers every image that any person saw. Models differ in ability and share the images'
difficulty, so that their errors agree with each other's more than with people's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from synthesight.analysis import (
    accuracy,
    benchmark,
    confusion,
    error_consistency,
    observed_consistency,
    ood_accuracy,
    pairwise_consistency,
    response_entropy,
    shape_bias,
    squared_accuracy_difference,
)
from synthesight.stimuli.categories import SIXTEEN
from synthesight.trials.people import load_human_trials

# The benchmark is OOD accuracy, the three likenesses to people and the mean rank, from one pass;
# each alone is timed too, but not added.
MEASURES: dict[str, Callable[..., pl.DataFrame]] = {
    "accuracy": lambda t, n: accuracy(t, resamples=n),
    "accuracy by condition": lambda t, n: accuracy(
        t, by=["observer", "dataset", "condition"], resamples=n
    ),
    "shape bias": lambda t, n: shape_bias(t, by=["dataset", "observer"], resamples=n),
    "shape bias by category": lambda t, n: shape_bias(
        t, by=["dataset", "observer", "category"], resamples=n
    ),
    "response entropy": lambda t, n: response_entropy(t, resamples=n),
    "confusion": lambda t, n: confusion(t, interval=n > 0),
    "benchmark and mean rank": lambda t, n: benchmark(t, resamples=n),
    "error consistency of every pair": lambda t, n: pairwise_consistency(t, resamples=n),
}
ALONE: dict[str, Callable[..., pl.DataFrame]] = {
    "OOD accuracy": lambda t, n: ood_accuracy(t, resamples=n),
    "error consistency": lambda t, n: error_consistency(t, resamples=n),
    "observed consistency": lambda t, n: observed_consistency(t, resamples=n),
    "accuracy difference": lambda t, n: squared_accuracy_difference(t, resamples=n),
}


def simulated(people: pl.DataFrame, models: int, seed: int = 0) -> pl.DataFrame:
    """Trials of models on all images of these people."""
    rng = np.random.default_rng(seed)
    images = people.unique(["dataset", "condition", "image", "category"], maintain_order=True)
    ease = rng.normal(size=len(images))
    categories = np.array(SIXTEEN)
    right = images["category"].to_numpy()
    tables = []
    for number in range(models):
        ability = rng.normal(0.7, 0.7)
        latent = ability + 0.8 * ease + 0.6 * rng.normal(size=len(images))
        response = np.where(latent > 0, right, rng.choice(categories, len(images)))
        tables.append(
            images.with_columns(
                observer=pl.lit(f"model-{number:02}"),
                kind=pl.lit("discriminative"),
                session=pl.lit(1, pl.Int64),
                response=pl.Series(response, dtype=pl.String),
                rt=pl.lit(None, pl.Float64),
            )
        )
    return pl.concat(tables)


def main(
    resamples: Annotated[int, typer.Option(help="Of the bootstrap; 0 for none.")] = 1000,
    models: Annotated[int, typer.Option(help="How many are simulated.")] = 60,
) -> None:
    started = time.perf_counter()
    people = load_human_trials(Path(os.environ.get("SYNTHESIGHT_DATA", "../shared/data")))
    read = time.perf_counter() - started
    trials = pl.concat([people, simulated(people, models)])
    table = Table(
        title=f"{len(trials):,} trials of {models} models and 90 people, {resamples} resamples "
        f"(load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores)"
    )
    for column in ("measure", "rows", "seconds", "CPU seconds"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    table.add_row("reading people's CSV files", f"{len(people):,}", f"{read:.2f}", "")
    for measures, together in ((MEASURES, "all measures"), (ALONE, "")):
        wall = cpu = 0.0
        for name, measure in measures.items():
            started, busy = time.perf_counter(), time.process_time()
            rows = len(measure(trials, resamples))
            seconds, used = time.perf_counter() - started, time.process_time() - busy
            wall, cpu = wall + seconds, cpu + used
            table.add_row(name, f"{rows:,}", f"{seconds:.2f}", f"{used:.2f}")
        if together:
            table.add_row(together, "", f"{wall:.2f}", f"{cpu:.2f}", style="bold")
            table.add_section()
    Console(width=100).print(table)


if __name__ == "__main__":
    typer.run(main)

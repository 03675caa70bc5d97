"""Figures from the published trials beside the printed ones (docs/explanation/published-checks.md).

SYNTHESIGHT_DATA=DATA python benchmarks/published_checks.py
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from synthesight.analysis import (
    accuracy,
    error_consistency,
    published_figures,
    shape_bias,
)
from synthesight.trials.people import load_human_trials, load_model_trials


def checks(data: Path) -> list[tuple[str, float, float, int]]:
    """What, printed figure, ours, and the decimals that were printed."""
    names = ["cue-conflict", "edge", "silhouette"]
    people = load_human_trials(data, names)
    networks = load_model_trials(data, names)
    checked = published_figures().filter("check")
    printed_of = {
        metric: dict(checked.filter(metric=metric).select("observer", "value").iter_rows())
        for metric in ("shape_bias", "error_consistency")
    }
    rows = []
    bias = shape_bias(people, resamples=0)["estimate"]
    rows.append(("shape bias, mean of ten people", 0.96, float(bias.to_numpy().mean()), 2))
    for observer, estimate in (
        shape_bias(networks, by="observer", resamples=0).rows_by_key("observer").items()
    ):
        rows.append(
            (f"shape bias, {observer}", printed_of["shape_bias"][observer], estimate[0][0], 3)
        )
    everyone = pl.concat([people, networks])
    kappas = {
        name: dict(
            error_consistency(everyone.filter(dataset=name), resamples=0)
            .select("observer", "estimate")
            .iter_rows()
        )
        for name in names
    }
    for observer, figure in printed_of["error_consistency"].items():
        what = "people with people" if observer == "people" else f"{observer} with people"
        ours = kappas["cue-conflict"][observer]
        rows.append((f"error consistency, cue-conflict, {what}", figure, ours, 3))
    right = accuracy(people, resamples=0)
    both = checked.filter(metric="accuracy").join(
        right, on=["dataset", "observer"], maintain_order="left"
    )
    for name, person, figure, ours in both.select(
        "dataset", "observer", "value", "estimate"
    ).iter_rows():
        rows.append((f"accuracy, {name}, {person}", figure, ours, 2))
    return rows


def main() -> None:
    data = Path(os.environ.get("SYNTHESIGHT_DATA", "../shared/data"))
    table = Table(title="Printed figures and ours")
    for column in ("figure", "printed", "ours", "same"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for what, printed, ours, decimals in checks(data):
        # A half is rounded up in print, and down or up by a computer.
        same = abs(printed - ours) <= 0.5 * 10**-decimals + 1e-9
        table.add_row(what, f"{printed:.{decimals}f}", f"{ours:.4f}", "yes" if same else "no")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

"""Figures from the published trials beside the printed ones (docs/published-checks.md).

SYNTHESIGHT_DATA=../shared/data python benchmarks/published_checks.py
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from synthesight.analysis import (
    ACCURACY_2020,
    ERROR_CONSISTENCY_2020,
    SHAPE_BIAS,
    SHAPE_BIAS_2019,
    accuracy,
    error_consistency,
    shape_bias,
)
from synthesight.trials.people import load_human_trials, load_model_trials


def checks(data: Path) -> list[tuple[str, float, float, int]]:
    """What, printed figure, ours, and the decimals that were printed."""
    people = load_human_trials(data, list(ACCURACY_2020))
    networks = load_model_trials(data, list(ACCURACY_2020))
    rows = []
    bias = shape_bias(people, resamples=0)["estimate"]
    printed = SHAPE_BIAS["people"]
    rows.append(("shape bias, mean of ten people", printed, float(bias.to_numpy().mean()), 2))
    for observer, estimate in (
        shape_bias(networks, by="observer", resamples=0).rows_by_key("observer").items()
    ):
        rows.append((f"shape bias, {observer}", SHAPE_BIAS_2019[observer], estimate[0][0], 3))
    everyone = pl.concat([people, networks])
    kappas = {
        name: dict(
            error_consistency(everyone.filter(dataset=name), resamples=0)
            .select("observer", "estimate")
            .iter_rows()
        )
        for name in ACCURACY_2020
    }
    for observer, figure in ERROR_CONSISTENCY_2020.items():
        what = "people with people" if observer == "people" else f"{observer} with people"
        ours = kappas["cue-conflict"][observer]
        rows.append((f"error consistency, cue-conflict, {what}", figure, ours, 3))
    right = accuracy(people, resamples=0)
    for name, printed_each in ACCURACY_2020.items():
        each = right.filter(dataset=name).sort("observer")["estimate"]
        for number, (printed, ours) in enumerate(zip(printed_each, each, strict=True), 1):
            rows.append((f"accuracy, {name}, subject-{number:02}", printed, ours, 2))
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

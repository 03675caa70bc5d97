"""Conditions of the published datasets, and those that the benchmark leaves out, as data.

From the model-vs-human toolbox (Geirhos et al. 2021): undistorted conditions, and those at which
people are near chance, say nothing about robustness and stay out of the benchmark figures.
"""

from __future__ import annotations

import polars as pl

CONDITIONS: dict[str, tuple[str, ...]] = {
    "colour": ("cr", "bw"),
    "contrast": ("c100", "c50", "c30", "c15", "c10", "c05", "c03", "c01"),
    "high-pass": ("inf", "3.0", "1.5", "1.0", "0.7", "0.55", "0.45", "0.4"),
    "low-pass": ("0", "1", "3", "5", "7", "10", "15", "40"),
    "phase-scrambling": ("0", "30", "60", "90", "120", "150", "180"),
    "power-equalisation": ("0", "pow"),
    "false-colour": ("True", "False"),
    "rotation": ("0", "90", "180", "270"),
    "eidolonI": tuple(f"{2**i}-10-10" for i in range(8)),
    "eidolonII": tuple(f"{2**i}-3-10" for i in range(8)),
    "eidolonIII": tuple(f"{2**i}-0-10" for i in range(8)),
    "uniform-noise": ("0.0", "0.03", "0.05", "0.1", "0.2", "0.35", "0.6", "0.9"),
    "sketch": ("0",),
    "stylized": ("0",),
    "edge": ("0",),
    "silhouette": ("0",),
    "cue-conflict": ("0",),
}

LEFT_OUT: dict[str, tuple[str, ...]] = {
    "colour": ("cr",),
    "contrast": ("c100", "c03", "c01"),
    "high-pass": ("inf", "0.55", "0.45", "0.4"),
    "low-pass": ("0", "15", "40"),
    "phase-scrambling": ("0", "150", "180"),
    "power-equalisation": ("0",),
    "false-colour": ("True",),
    "rotation": ("0",),
    "eidolonI": ("1-10-10", "64-10-10", "128-10-10"),
    "eidolonII": ("1-3-10", "32-3-10", "64-3-10", "128-3-10"),
    "eidolonIII": ("1-0-10", "16-0-10", "32-0-10", "64-0-10", "128-0-10"),
    "uniform-noise": ("0.0", "0.6", "0.9"),
}


def benchmark_trials(trials: pl.DataFrame) -> pl.DataFrame:
    """The trials of the conditions that count; other datasets stay whole."""
    table = pl.DataFrame(
        [(dataset, c) for dataset, conditions in LEFT_OUT.items() for c in conditions],
        schema=["dataset", "condition"],
        orient="row",
    )
    return trials.join(table, on=["dataset", "condition"], how="anti")

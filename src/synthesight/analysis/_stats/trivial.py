"""The conditions that the benchmark leaves out."""

from __future__ import annotations

import polars as pl

# Not out of distribution, or people are near chance (model-vs-human toolbox, Geirhos et al. 2021).
TRIVIAL: dict[str, tuple[str, ...]] = {
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

_NAMES = [f"{dataset}\t{name}" for dataset, names in TRIVIAL.items() for name in names]


def without_trivial(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the trials of the conditions that the benchmark counts."""
    trivial = pl.concat_str("dataset", "condition", separator="\t").is_in(_NAMES)
    return trials.filter(~trivial.fill_null(False))

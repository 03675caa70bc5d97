"""Conditions of the 17 published datasets, under one spelling each.

The published files spell some of them in several ways (``0.90`` and ``0.9``, ``3`` and ``3.0``,
``true`` and ``True``); only one spelling lets the trials of people and of models meet.
"""

from __future__ import annotations

import polars as pl

# In published order (Geirhos et al. 2021).
PUBLISHED: dict[str, tuple[str, ...]] = {
    "colour": ("cr", "bw"),
    "contrast": ("c100", "c50", "c30", "c15", "c10", "c05", "c03", "c01"),
    "high-pass": ("inf", "3.0", "1.5", "1.0", "0.7", "0.55", "0.45", "0.4"),
    "low-pass": ("0", "1", "3", "5", "7", "10", "15", "40"),
    "phase-scrambling": ("0", "30", "60", "90", "120", "150", "180"),
    "power-equalisation": ("0", "pow"),
    "false-colour": ("True", "False"),
    "rotation": ("0", "90", "180", "270"),
    "eidolonI": tuple(f"{2**reach}-10-10" for reach in range(8)),
    "eidolonII": tuple(f"{2**reach}-3-10" for reach in range(8)),
    "eidolonIII": tuple(f"{2**reach}-0-10" for reach in range(8)),
    "uniform-noise": ("0.0", "0.03", "0.05", "0.1", "0.2", "0.35", "0.6", "0.9"),
    "sketch": ("0",),
    "stylized": ("0",),
    "edge": ("0",),
    "silhouette": ("0",),
    "cue-conflict": ("0",),
}


def _key(dataset: pl.Expr, condition: pl.Expr) -> pl.Expr:
    """Equal for two spellings of one condition: as a number, else in lower case."""
    number = condition.cast(pl.Float64, strict=False).cast(pl.String)
    return pl.concat_str(
        dataset, pl.lit("/"), pl.coalesce(number, condition.str.to_lowercase().str.strip_chars())
    )


_DECLARED = pl.DataFrame(
    [(dataset, name) for dataset, names in PUBLISHED.items() for name in names],
    schema=["dataset", "condition"],
    orient="row",
)
_KEYS = _DECLARED.select(_key(pl.col("dataset"), pl.col("condition"))).to_series()


def published_condition(dataset: pl.Expr, condition: pl.Expr) -> pl.Expr:
    """The published spelling of conditions; null where a dataset has no such condition.

    Parameters
    ----------
    dataset, condition
        String expressions.
    """
    return _key(dataset, condition).replace_strict(
        _KEYS, _DECLARED["condition"], default=None, return_dtype=pl.String
    )

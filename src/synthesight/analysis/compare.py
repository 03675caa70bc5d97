"""Whether two observers differ on the same stimuli: a paired test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from synthesight.analysis.bootstrap import interval, resampled_sums
from synthesight.analysis.panels import UNIT, judged, panels
from synthesight.analysis.ratios import divide
from synthesight.errors import SynthesightError

_BLOCK = 4_000_000


@dataclass(frozen=True)
class Difference:
    """What :func:`compare` found.

    Attributes
    ----------
    estimate, low, high
        First observer minus second, with a 95 % percentile interval.
    p
        Two-sided.
    n
        Stimuli that both saw.
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int


def compare(
    trials: pl.DataFrame,
    first: str,
    second: str,
    *,
    measure: Literal["accuracy", "shape_bias"] = "accuracy",
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """The difference of two observers on the stimuli that both saw.

    The interval is a bootstrap over stimuli, the same for both. The p-value is that of the paired
    randomisation test (Fisher 1935): if the two were alike, swapping their responses to any
    stimulus would change nothing; how often do random swaps give a difference as large?

    Parameters
    ----------
    trials
        The trial table.
    first, second
        Names of observers.
    measure
        What is compared.
    resamples
        Of the bootstrap and of the swaps; p is at least 1 / (resamples + 1).
    seed
        Of both.

    Raises
    ------
    SynthesightError
        If an observer is not in the table, the two share no stimulus, or the measure is undefined
        for one of them.
    """
    known = judged(trials)
    for name in (first, second):
        if known.filter(pl.col("observer") == name).is_empty():
            there = ", ".join(known["observer"].unique().sort())
            raise SynthesightError(f"There are no trials of {name!r}: choose among {there}.")
    if first == second:
        raise SynthesightError(f"{first!r} cannot be compared with itself: name two observers.")
    known = known.filter(pl.col("observer").is_in([first, second]))
    below: pl.Expr = pl.col("correct").is_not_null()
    if measure == "shape_bias":
        known = known.filter(pl.col("texture") != pl.col("category"))
        below = pl.col("correct") | (pl.col("response") == pl.col("texture")).fill_null(False)
    values = {"above": pl.col("correct"), "below": below}
    shared = known.filter(pl.col("observer").n_unique().over(UNIT) == 2)
    if shared.is_empty():
        raise SynthesightError(
            f"{first!r} and {second!r} saw no common stimuli for {measure}: show both the same "
            "images."
        )
    panel = next(panels(shared, [], ["observer"], values))
    order = [panel.columns["observer"].to_list().index(name) for name in (first, second)]
    columns = np.hstack([panel.values["above"][:, order], panel.values["below"][:, order]])
    estimate = float(_difference(columns.sum(axis=0)))
    if np.isnan(estimate):
        raise SynthesightError(
            f"{measure} is undefined for {first!r} or {second!r}, which never named a cue of the "
            "images that both saw: show them more images."
        )
    rng = np.random.default_rng(seed)
    low, high = interval(_difference(resampled_sums(columns, resamples, rng))[:, None])
    swapped = _difference(_swapped_sums(columns, resamples, rng))
    # Half a unit of rounding must not tell equal differences apart.
    extreme = np.count_nonzero(~(np.abs(swapped) < abs(estimate) - 1e-12))
    return Difference(
        estimate,
        float(low[0]),
        float(high[0]),
        float((extreme + 1) / (resamples + 1)),
        len(columns),
    )


def _difference(sums: np.ndarray) -> np.ndarray:
    ratio = divide(sums[..., :2], sums[..., 2:])
    return np.asarray(ratio[..., 0] - ratio[..., 1])


def _swapped_sums(columns: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Sums when each stimulus's two responses are swapped with probability one half."""
    other = columns[:, [1, 0, 3, 2]] - columns
    step = max(1, _BLOCK // len(columns))
    sums = [
        rng.integers(0, 2, (min(step, resamples - start), len(columns))).astype(np.float64) @ other
        for start in range(0, resamples, step)
    ]
    return columns.sum(axis=0) + np.concatenate(sums)

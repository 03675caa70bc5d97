"""Whether two observers differ on the same stimuli: a paired test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl

from synthesight.analysis.bootstrap import interval, resampled_sums
from synthesight.analysis.consistency_difference import consistency_difference
from synthesight.analysis.panels import UNIT, judged, panels
from synthesight.analysis.ratios import divide
from synthesight.errors import SynthesightError

Measure = Literal["accuracy", "shape_bias", "error_consistency"]
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
        Stimuli that both saw (and a reference observer, for error consistency).
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
    measure: Measure = "accuracy",
    reference: str | Sequence[str] | None = None,
    trivial: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """The difference of two observers on the stimuli that both saw.

    The interval is a bootstrap over images, the same for both; an image that was shown in several
    conditions is drawn in all of them at once.

    For accuracy and shape bias, the p-value is that of the paired randomisation test (Fisher
    1935): if the two were alike, swapping their responses to any image would change nothing;
    how often do random swaps give a difference as large?

    For error consistency it is the bootstrap's (Klein et al. 2025): twice the share of resamples
    that reach the other side of 0, so that p < 0.05 where the interval leaves 0 out. Observers
    can agree with people equally while their accuracies differ, which is not what swaps test.
    ``benchmarks/error_consistency.py`` measures it: with equal κ, 5 % of studies have p < 0.05,
    more only where an observer makes few errors.

    Parameters
    ----------
    trials
        The trial table.
    first, second
        Names of observers.
    measure
        What is compared. A repeated stimulus counts as often as it was seen in accuracy and shape
        bias, once, with the share of correct responses, in error consistency; no response is an
        error, and names no cue.
    reference
        For error consistency: with whom, one observer or several, over whom κ is averaged. None:
        all people (kind ``human``) but the two.
    trivial
        For error consistency: whether to count the conditions that the benchmark leaves out.
    resamples
        Of the bootstrap and of the swaps; p is at least 1 / (resamples + 1).
    seed
        Of both.

    Raises
    ------
    SynthesightError
        If there is no such measure, an observer is not in the table, the two share no stimulus
        (with a reference observer), or the measure is undefined for one of them.
    """
    if measure not in get_args(Measure):
        raise SynthesightError(
            f"measure={measure!r} cannot be compared: choose among {', '.join(get_args(Measure))}."
        )
    known = judged(trials)
    others = [reference] if isinstance(reference, str) else list(reference or [])
    for name in (first, second, *others):
        if known.filter(pl.col("observer") == name).is_empty():
            there = ", ".join(known["observer"].unique().sort())
            raise SynthesightError(f"There are no trials of {name!r}: choose among {there}.")
    if resamples < 1:
        raise SynthesightError(f"resamples={resamples} gives no p-value: give at least 1.")
    if first == second:
        raise SynthesightError(f"{first!r} cannot be compared with itself: name two observers.")
    if measure == "error_consistency":
        return _consistency(
            known, first, second, others, trivial=trivial, resamples=resamples, seed=seed
        )
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
    # Images, in whatever conditions both saw them, are what is drawn again and what is swapped.
    order = [panel.columns["observer"].to_list().index(name) for name in (first, second)]
    columns = np.hstack([panel.values["above"][:, order], panel.values["below"][:, order]])
    shown, columns = len(columns), panel.images.gathered(columns)
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
        shown,
    )


def _consistency(
    known: pl.DataFrame,
    first: str,
    second: str,
    reference: list[str],
    *,
    trivial: bool,
    resamples: int,
    seed: int,
) -> Difference:
    if both := {first, second}.intersection(reference):
        raise SynthesightError(
            f"{both.pop()!r} is both compared and a reference: name other reference observers."
        )
    if not reference:
        people = known.filter(pl.col("kind") == "human")["observer"].unique().sort()
        reference = [name for name in people if name not in (first, second)]
    differences, n = consistency_difference(
        known, first, second, reference, trivial=trivial, resamples=resamples, seed=seed
    )
    if n == 0:
        raise SynthesightError(
            f"{first!r} and {second!r} saw no common stimuli that a reference observer saw too: "
            "add the trials of people on the same images, or name reference=."
        )
    estimate, replicates = float(differences[0]), differences[1:]
    if np.isnan(estimate):
        raise SynthesightError(
            f"error_consistency is undefined for {first!r} or {second!r} with every reference "
            "observer, as neither erred, or neither was ever right: show them other images."
        )
    low, high = interval(replicates[:, None])
    defined = replicates[~np.isnan(replicates)]
    tail = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    p = min(1.0, float(2 * (tail + 1) / (len(defined) + 1)))
    return Difference(estimate, float(low[0]), float(high[0]), p, n)


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

"""Whether two observers differ on the same stimuli: a paired test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import IS_HUMAN
from synthesight.analysis._stats.bootstrap import interval, resampled_sums, weights
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.paired import agreement_difference
from synthesight.analysis._stats.ratios import Ratio, divide
from synthesight.analysis._stats.response_matrix import (
    IMAGE,
    UNIT,
    judged,
    response_matrices,
)
from synthesight.analysis.registry import Metric, get_metric
from synthesight.errors import SynthesightError

_BLOCK = 4_000_000
_ROWS = 500_000  # trials handed to a metric at a time


@dataclass(frozen=True)
class Difference:
    """The difference of two observers.

    Attributes
    ----------
    estimate, low, high
        First observer minus second, with the 95 % confidence interval (percentile bootstrap).
    p
        Two-sided p-value.
    n
        Stimuli that both saw (and a reference observer, where the metric is of agreement).
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int


@any_frame
def compare(
    trials: pl.DataFrame,
    first: str,
    second: str,
    *,
    measure: str = "accuracy",
    reference: str | Sequence[str] | None = None,
    trivial: bool = False,
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """Return the difference of two observers on the stimuli that both saw.

    The confidence interval is a bootstrap over images, the same for both; an image that was shown
    in several conditions is drawn in all of them at once.

    The p-value is that of the paired randomisation test (Fisher 1935): if the two were alike,
    swapping their responses to any image would change nothing; how often do random swaps give a
    difference as large?

    For metrics of agreement with people, such as error consistency, the p-value is the bootstrap's
    (Klein et al. 2025): twice the share of resamples that reach the other side of 0, so that
    p < 0.05 where the interval leaves 0 out. Observers can agree with people equally while their
    accuracies differ, which is not what swaps test. ``benchmarks/error_consistency.py`` measures
    it: with equal κ, 5 % of studies have p < 0.05, more only where an observer makes few errors.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    first, second
        Names of observers.
    measure
        Name of a metric (see :func:`metrics`). Metrics that declare no statistic take longer: they
        are called on the resamples themselves.
    reference
        For metrics of agreement: with whom, one observer or several, over whom the metric is
        averaged. None: all human observers but the two.
    trivial
        For metrics of agreement: whether to count the conditions that the benchmark leaves out.
    resamples
        Resamples of the bootstrap, and random swaps; p is at least 1 / (resamples + 1).
    seed
        Seed of both.

    Raises
    ------
    SynthesightError
        If there is no such metric, an observer is not in the table, the two share no stimulus
        (with a reference observer), or the metric is undefined for one of them.

    Examples
    --------
    >>> def seen(observer, answers):
    ...     return pl.DataFrame({
    ...         "observer": observer, "stimulus": [f"{n}.png" for n in range(8)],
    ...         "category": "cat", "response": answers,
    ...     })
    >>> trials = pl.concat([seen("a", ["cat"] * 8), seen("b", ["cat", "dog"] * 4)])
    >>> compare(trials, "a", "b", resamples=100).estimate
    0.5
    """  # fmt: skip
    metric = get_metric(measure)
    trials = judged(trials)
    others = [reference] if isinstance(reference, str) else list(reference or [])
    for name in (first, second, *others):
        if trials.filter(pl.col("observer") == name).is_empty():
            known = ", ".join(trials["observer"].unique().sort())
            raise SynthesightError(f"There are no trials of {name!r}: choose among {known}.")
    if resamples < 1:
        raise SynthesightError(f"`resamples={resamples}` gives no p-value: give at least 1.")
    if first == second:
        raise SynthesightError(f"{first!r} cannot be compared with itself: name two observers.")
    if metric.statistic is None and not metric.groups:
        raise SynthesightError(
            f"{measure} cannot be compared: its metric has neither a statistic nor `by`."
        )
    if metric.statistic is not None and not isinstance(metric.statistic, Ratio):
        return _agreement(
            trials, first, second, others, metric,
            trivial=trivial, resamples=resamples, seed=seed,
        )  # fmt: skip
    trials = trials.filter(pl.col("observer").is_in([first, second]))
    if metric.statistic is not None:
        trials = trials.filter(metric.statistic.counted)
    trials = trials.filter(pl.col("observer").n_unique().over(UNIT) == 2)
    if trials.is_empty():
        raise SynthesightError(
            f"{first!r} and {second!r} saw no common stimuli for {measure}: show both the same "
            "images."
        )
    rng = np.random.default_rng(seed)
    sample = _by_sums if metric.statistic is not None else _by_calls
    estimate, resampled, swapped, n = sample(trials, first, second, metric, resamples, rng)
    if np.isnan(estimate):
        raise SynthesightError(
            f"{measure} is undefined for {first!r} or {second!r} on the images that both saw: show "
            "them more images."
        )
    low, high = interval(resampled[:, None])
    # Half a unit of rounding must not tell equal differences apart.
    extreme = np.count_nonzero(~(np.abs(swapped) < abs(estimate) - 1e-12))
    p = float((extreme + 1) / (resamples + 1))
    return Difference(float(estimate), float(low[0]), float(high[0]), p, n)


def _by_sums(
    trials: pl.DataFrame,
    first: str,
    second: str,
    metric: Metric,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, np.ndarray, np.ndarray, int]:
    """Return the difference of a ratio, in resamples and after swaps, and the stimuli shown."""
    ratio = metric.statistic
    assert isinstance(ratio, Ratio)
    matrix = next(response_matrices(trials, [], ["observer"], ratio.sums))
    # Images, in whatever conditions both saw them, are what is drawn again and what is swapped.
    order = [matrix.columns["observer"].to_list().index(name) for name in (first, second)]
    columns = np.hstack(
        [matrix.values["numerator"][:, order], matrix.values["denominator"][:, order]]
    )
    shown, columns = len(columns), matrix.images.gathered(columns)
    resampled = _gap(resampled_sums(columns, resamples, rng))
    return (
        float(_gap(columns.sum(axis=0))),
        resampled,
        _gap(_swapped_sums(columns, resamples, rng)),
        shown,
    )


def _gap(sums: np.ndarray) -> np.ndarray:
    ratio = divide(sums[..., :2], sums[..., 2:])
    return np.asarray(ratio[..., 0] - ratio[..., 1])


def _swapped_sums(columns: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return sums when each stimulus's two responses are swapped with probability one half."""
    other = columns[:, [1, 0, 3, 2]] - columns
    step = max(1, _BLOCK // len(columns))
    sums = [
        rng.integers(0, 2, (min(step, resamples - start), len(columns))).astype(np.float64) @ other
        for start in range(0, resamples, step)
    ]
    return columns.sum(axis=0) + np.concatenate(sums)


def _by_calls(
    trials: pl.DataFrame,
    first: str,
    second: str,
    metric: Metric,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, np.ndarray, np.ndarray, int]:
    """As :func:`_by_sums`, for any metric: call it on the trials of each resample and swap."""
    trials = trials.with_columns(_image=pl.struct(IMAGE).rank("dense").cast(pl.Int64) - 1)
    trials = trials.sort("_image", maintain_order=True)
    image = trials["_image"].to_numpy()
    images = int(image[-1]) + 1
    is_second = (trials["observer"] == second).to_numpy()
    step = max(1, _ROWS // len(trials))

    def gaps(table: pl.DataFrame, count: int) -> np.ndarray:
        groups = ("_resample", "observer")
        values = metric.function(table, by=groups, resamples=0)
        gap = np.full((count, 2), np.nan)
        which = (values["observer"] == second).cast(pl.Int64).to_numpy()
        gap[values["_resample"].to_numpy(), which] = values["estimate"].fill_null(np.nan)
        return gap[:, 0] - gap[:, 1]

    def every(draw: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Differences in all resamples; ``draw`` tells how often each trial is in, and whose."""
        blocks = []
        for start in range(0, resamples, step):
            count = min(step, resamples - start)
            times, swapped = draw(count)
            times = times[:, image].astype(np.int64)
            of, row = np.nonzero(times)
            of, row = (np.repeat(part, times[of, row]) for part in (of, row))
            of_second = is_second[row] ^ swapped[of, image[row]]
            table = trials[row].with_columns(
                observer=pl.Series(np.where(of_second, second, first), dtype=pl.String),
                _resample=pl.Series(of),
            )
            blocks.append(gaps(table, count))
        return np.concatenate(blocks)

    estimate = float(gaps(trials.with_columns(_resample=pl.lit(0, pl.Int64)), 1)[0])
    resampled = every(
        lambda count: (weights(images, count, rng), np.zeros((count, images), dtype=bool))
    )
    swapped = every(
        lambda count: (np.ones((count, images)), rng.integers(0, 2, (count, images)).astype(bool))
    )
    return estimate, resampled, swapped, trials.select(pl.struct(UNIT).n_unique()).item()


def _agreement(
    trials: pl.DataFrame,
    first: str,
    second: str,
    reference: list[str],
    metric: Metric,
    *,
    trivial: bool,
    resamples: int,
    seed: int,
) -> Difference:
    """Return the difference of two observers in how they agree with others."""
    statistic = metric.statistic
    assert callable(statistic)
    if both := {first, second}.intersection(reference):
        raise SynthesightError(
            f"{both.pop()!r} is both compared and a reference: name other reference observers."
        )
    if not reference:
        people = trials.filter(IS_HUMAN)["observer"].unique().sort()
        reference = [name for name in people if name not in (first, second)]
    differences, n = agreement_difference(
        trials, first, second, reference, statistic,
        trivial=trivial, resamples=resamples, seed=seed,
    )  # fmt: skip
    if n == 0:
        raise SynthesightError(
            f"{first!r} and {second!r} saw no common stimuli that a reference observer saw too: "
            "add human observers of the same images, or name `reference`."
        )
    estimate, replicates = float(differences[0]), differences[1:]
    if np.isnan(estimate):
        raise SynthesightError(
            f"{metric.name} is undefined for {first!r} or {second!r} with every reference "
            "observer, as neither erred, or neither was ever right: show them other images."
        )
    low, high = interval(replicates[:, None])
    defined = replicates[~np.isnan(replicates)]
    tail = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    p = min(1.0, float(2 * (tail + 1) / (len(defined) + 1)))
    return Difference(estimate, float(low[0]), float(high[0]), p, n)

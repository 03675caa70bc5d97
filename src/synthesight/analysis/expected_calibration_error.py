"""Expected calibration error: whether an observer is as often right as it is confident."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.limits import LEVEL
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.spread import Influence, Spread
from synthesight.analysis._stats.units import (
    POPULATION,
    Population,
    check_population,
    populations_of,
    units_of,
)
from synthesight.analysis.registry import metric

BINS = 10
FEWEST = 20  # trials of a bin


@metric(
    title="Expected calibration error",
    unit="share",
    direction="lower",
    text="The mean distance of confidence from the share of right responses, in bins of equally "
    "many trials (Naeini et al. 2015; Guo et al. 2017). Confidence is the calibrated probability "
    "where there is one, else the score, which is no probability. By chance, even a perfectly "
    "calibrated observer has more than 0.",
    paper=("naeini2015obtaining", "guo2017calibration"),
    by=(("dataset",),),
)
def expected_calibration_error(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    bins: int = BINS,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the mean distance of confidence from accuracy, in bins of equally many trials.

    The confidence of a trial is the probability of its response where the observer was calibrated,
    else its score, the softmax of the evidence. Trials without evidence, as of people, do not
    count, nor do those that chose among captions.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    by
        Column or columns that tell the groups.
    bins
        Bins at most; there are fewer where a bin would hold less than 20 trials.
    population
        As of :func:`accuracy`.
    resamples, seed
        Of the parametric bootstrap: normal distances of the bins, of the covariance that the
        population gives them. With 0 there are no intervals.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials),
    ``stimuli``, ``population`` and ``confidence`` (its mean). Distances have no sign, so chance
    adds to the estimate. The 95 % interval allows for that: it holds the multiples of the observed
    distances under which an estimate such as this one is neither too small nor too large.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.

    Examples
    --------
    >>> trials = pl.DataFrame({
    ...     "observer": "m", "stimulus": ["a.png", "b.png"], "response": ["cat", "dog"],
    ...     "category": ["cat", "cat"], "probability": [[0.9, 0.1], [0.3, 0.7]],
    ... })
    >>> round(expected_calibration_error(trials, by="observer")["estimate"].item(), 3)
    0.3
    """  # fmt: skip
    check_population(population)
    trials = with_confidence(judged(trials, by))
    rows = []
    for key, group in trials.group_by(by, maintain_order=True) if by else [((), trials)]:
        place = _bins(group["confidence"].to_numpy(), bins)
        shown = place[:, None] == np.arange(place.max(initial=0) + 1)
        gap = group["correct"].cast(pl.Float64).to_numpy() - group["confidence"].to_numpy()
        share = shown.sum(axis=0) / max(len(group), 1)
        mean = (gap @ shown) / np.maximum(shown.sum(axis=0), 1)
        n, right = shown.sum(axis=0), (shown & group["correct"].to_numpy()[:, None]).sum(axis=0)
        effects = shown * (gap[:, None] - mean) / max(len(group), 1)
        influence = Influence(effects, shown, effects, n, units_of(group))
        estimate = float(np.abs(share * mean).sum())
        low = high = None
        if resamples and len(group):
            spread = Spread(population, [(np.arange(len(mean)), influence)], len(mean))
            rng = np.random.default_rng(seed)
            covariance = _at_least(spread.covariance(), share, right, n)
            low, high = _limits(share * mean, covariance, resamples, rng)
        untold = np.array([influence.untold.any()])
        (speaks,) = populations_of(population, np.zeros(1, dtype=bool), untold)
        counts = (len(group), group["stimulus"].n_unique(), speaks, group["confidence"].mean())
        rows.append((*key, estimate, low, high, *counts))
    kinds = {name: trials.schema[name] for name in by}
    kinds |= {"estimate": pl.Float64(), "low": pl.Float64(), "high": pl.Float64()}
    kinds |= {"n": pl.Int64(), "stimuli": pl.Int64(), "population": pl.String()}
    return pl.DataFrame(rows, schema=kinds | {"confidence": pl.Float64()}, orient="row").sort(by)


@any_frame
def reliability(
    trials: pl.DataFrame, by: Sequence[str] = ("observer", "dataset"), *, bins: int = BINS
) -> pl.DataFrame:
    """Return how often responses are right, by how confident the observer is.

    Parameters
    ----------
    trials, by, bins
        As of :func:`expected_calibration_error`.

    Returns
    -------
    One row a group and bin: the columns ``by``, ``bin``, ``confidence`` (mean), ``estimate``
    (share right), ``low`` and ``high`` (Clopper and Pearson's 95 % interval) and ``n``.
    """
    from scipy.stats import beta

    trials = with_confidence(judged(trials, by))
    parts = [
        group.with_columns(bin=pl.Series(_bins(group["confidence"].to_numpy(), bins)))
        for _, group in (trials.group_by(by, maintain_order=True) if by else [((), trials)])
    ]
    table = pl.concat([trials.clear().with_columns(bin=pl.lit(0, pl.Int64)), *parts])
    table = table.group_by(*by, "bin").agg(
        pl.mean("confidence"), pl.sum("correct").alias("right"), pl.len().cast(pl.Int64).alias("n")
    )
    right, n = table["right"].to_numpy(), table["n"].to_numpy()
    low = np.where(right > 0, beta.ppf(0.025, np.maximum(right, 1), n - right + 1), 0.0)
    high = np.where(right < n, beta.ppf(0.975, right + 1, np.maximum(n - right, 1)), 1.0)
    return (
        table.with_columns(
            estimate=pl.Series(right / np.maximum(n, 1)),
            low=pl.Series(low),
            high=pl.Series(high),
        )
        .select(*by, "bin", "confidence", "estimate", "low", "high", "n")
        .sort(*by, "bin")
    )


def with_confidence(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the trials that have evidence, with the column ``confidence`` in their response.

    It is the greatest probability, or where the observer was not calibrated the greatest score.
    """
    # Evidence is relative to the class chosen, whose share of the softmax is 1 / Σ exp(evidence).
    score = 1 / pl.col("evidence").list.eval((pl.element() - pl.element().max()).exp()).list.sum()
    confidence = pl.coalesce(pl.col("probability").list.max(), score)
    chose = pl.col("response").is_not_null() & pl.col("captions").is_null()
    return trials.with_columns(confidence=confidence).filter(
        chose & pl.col("confidence").is_not_nan()
    )


def _bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each trial, of equally many each: int64, shape (N,)."""
    count = len(confidence)
    bins = max(1, min(bins, count // FEWEST))
    rank = confidence.argsort(kind="stable").argsort(kind="stable")
    return rank * bins // max(count, 1)


def _at_least(
    covariance: np.ndarray, share: np.ndarray, right: np.ndarray, n: np.ndarray
) -> np.ndarray:
    """Return the covariance of the bins' distances, with variances that are not too small.

    A bin in which nearly all are right is less certain than it seems: its variance is at least
    that of two outcomes more of either kind (Agresti & Coull 1998). What is lacking is taken to
    move all such bins together. So no variance is 0, or negative where shapes and textures cross.
    """
    smooth = (right + 2) / (n + 4)
    least = share**2 * smooth * (1 - smooth) / (n + 4) * n / np.maximum(n - 1, 1)
    lacking = np.sqrt(np.maximum(least - np.diag(covariance), 0.0))
    return np.asarray(covariance + np.outer(lacking, lacking))


def _limits(
    distance: np.ndarray, covariance: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the interval of Σ |true distances|, of distances that vary normally.

    The true distances are taken for a multiple of the observed ones. Of each multiple, quantiles
    of the estimate are simulated, by the same draws.
    """
    noise = rng.multivariate_normal(np.zeros(len(distance)), covariance, resamples, "ignore")
    scale = np.sqrt(np.diag(covariance))
    estimate = np.abs(distance).sum()
    direction = distance if estimate > 0 else scale
    length = max(np.abs(direction).sum(), 1e-12)
    multiples = np.linspace(0, (estimate + 4 * scale.sum()) / length, 200)
    made = [np.abs(multiple * direction + noise).sum(axis=1) for multiple in multiples]
    least, most = np.quantile(made, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    low, high = (np.interp(estimate, ends, multiples * length) for ends in (most, least))
    return float(low), min(float(high), 1.0)

"""Expected calibration error: whether an observer is as often right as it is confident."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES, interval, resampled_sums
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis.registry import metric

BINS = 10
FEWEST = 20  # trials of a bin


@metric(
    title="Expected calibration error",
    unit="share",
    direction="lower",
    text="How far, on average, the confidence in the response is from the share that are right, in "
    "bins of equally many trials (Naeini et al. 2015; Guo et al. 2017). Confidence is the "
    "calibrated probability where there is one, else the score, which is none. Even a perfectly "
    "calibrated observer has more than 0, from chance.",
    paper=("naeini2015obtaining", "guo2017calibration"),
    by=(("dataset",),),
)
def expected_calibration_error(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    bins: int = BINS,
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
    resamples, seed
        As of :func:`accuracy`.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials),
    ``stimuli`` and ``confidence`` (its mean). Distances have no sign, so chance adds to the
    estimate, and as much again to the bootstrap's replicates over images. So the 95 % interval is
    the basic one: 2 × estimate minus the replicates' quantiles, not below 0.

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
    trials = with_confidence(judged(trials, by))
    rows = []
    for key, group in trials.group_by(by, maintain_order=True) if by else [((), trials)]:
        place = _bins(group["confidence"].to_numpy(), bins)
        gap = group["correct"].cast(pl.Float64).to_numpy() - group["confidence"].to_numpy()
        columns = np.zeros((len(group), int(place.max(initial=0)) + 2))
        columns[np.arange(len(group)), place] = gap
        columns[:, -1] = 1.0
        units = group.select(pl.struct("dataset", "category", "unit").rank("dense") - 1)
        image = units.to_series().to_numpy().astype(np.int64)
        of_images = np.zeros((int(image.max(initial=-1)) + 1, columns.shape[1]))
        np.add.at(of_images, image, columns)
        estimate = _distance(columns.sum(axis=0))
        replicates = _distance(resampled_sums(of_images, resamples, np.random.default_rng(seed)))
        low, high = interval(replicates)
        figures = [estimate, max(2 * estimate - high, 0.0), max(2 * estimate - low, 0.0)]
        found = [None if np.isnan(each) else float(each) for each in figures]
        rows.append(
            (*key, *found, len(group), group["stimulus"].n_unique(), group["confidence"].mean())
        )
    kinds = {name: trials.schema[name] for name in by}
    kinds |= {"estimate": pl.Float64(), "low": pl.Float64(), "high": pl.Float64()}
    kinds |= {"n": pl.Int64(), "stimuli": pl.Int64(), "confidence": pl.Float64()}
    return pl.DataFrame(rows, schema=kinds, orient="row").sort(by)


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
        chose & pl.col("confidence").is_not_null()
    )


def _bins(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each trial, of equally many each: int64, shape (N,)."""
    count = len(confidence)
    bins = max(1, min(bins, count // FEWEST))
    rank = confidence.argsort(kind="stable").argsort(kind="stable")
    return rank * bins // max(count, 1)


def _distance(sums: np.ndarray) -> np.ndarray:
    """Return Σ |sum of a bin| / n; the last of the columns is n."""
    return np.abs(sums[..., :-1]).sum(axis=-1) / np.maximum(sums[..., -1], 1)

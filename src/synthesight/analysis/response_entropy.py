"""Response entropy: whether some categories are named more often than others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import xlogy

from synthesight.analysis._stats.bootstrap import RESAMPLES, Bootstrap, grouped_weights, interval
from synthesight.analysis._stats.ratios import divide, group_starts, group_table
from synthesight.analysis._stats.response_matrix import STIMULUS, judged, response_matrices
from synthesight.analysis.registry import metric
from synthesight.errors import SynthesightError


@metric(
    title="Response entropy",
    unit="bits",
    direction=None,
    text="Shannon entropy of the responses, in bits (Geirhos et al. 2018): 4 where all 16 "
    "categories are named equally often, 0 where one is always named. Too small by some "
    "15 / (2 n ln 2) bits of n responses.",
    paper="geirhos2018generalisation",
    by=(("dataset", "condition"),),
)
def response_entropy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    missing: str = "left-out",
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the Shannon entropy of the responses, in bits (Geirhos et al. 2018).

    It measures bias. Over stimuli of K categories in equal numbers, an observer who names all
    equally often has log2 K (4 bits for 16); one who always names the same has 0, whatever was
    right. Missing responses name no category and are left out; each other trial counts once.

    The estimate is that of the observed shares, as published. It is too small on average, by some
    (K − 1) / (2 n ln 2) bits of n responses (Miller 1955): 0.14 where 80 responses are spread
    over 16 categories, 0.01 where 1280 are. The replicates of the bootstrap are smaller again by
    as much, so the interval is the basic one (Davison & Hinkley 1997, 5.2), which takes the
    replicates' distance from the estimate for the estimate's distance from the truth: 2 × estimate
    minus the replicates' quantiles, never above log2 K, and widened to the estimate where that
    lies below.

    Parameters
    ----------
    trials, by, resample_observers, resamples, seed
        As of :func:`accuracy`.
    missing
        ``"left-out"``, or ``"counted"`` as in the published toolbox: in the total, but in no
        category, so that shares add up to less than 1. Its figures show the mean of each person's.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high`` (95 % confidence interval,
    bootstrap over images), ``n`` (responses) and ``stimuli`` (that got one); null and 0 for an
    observer who never responded.

    Raises
    ------
    SynthesightError
        If it is no trial table, lacks a column of ``by``, or ``missing`` is neither.
    """
    if missing not in ("left-out", "counted"):
        raise SynthesightError(f"There is no `missing={missing!r}`: choose left-out or counted.")
    trials = judged(trials, by)
    responded = pl.col("response").is_not_null()
    given = trials if missing == "counted" else trials.filter(responded)
    strata = [column for column in by if column in STIMULUS]
    who = [column for column in by if column not in STIMULUS]
    observer = ["observer"] if "observer" not in who else []
    most = np.log2(max(1, pl.concat([given["category"], given["response"]]).n_unique()))
    bootstrap = Bootstrap(resamples, seed)
    parts = []
    # A column of these matrices is one response of one observer: how often each stimulus got it.
    for matrix in response_matrices(given, strata, [*who, "response", *observer], {}):
        sums = bootstrap.sums(matrix.seen, matrix.images)
        if resample_observers:
            sums = sums * _observer_weights(matrix.columns, who, resamples, bootstrap.rng)
        pairs = group_starts(matrix.columns, [*who, "response"])
        starts = group_starts(matrix.columns[pairs], who)
        total = np.add.reduceat(matrix.seen.sum(axis=0), pairs)
        named = matrix.columns[pairs].select(responded).to_series().to_numpy()
        estimate = entropy(total, starts, named)
        low, high = interval(entropy(np.add.reduceat(sums, pairs, axis=1), starts, named))
        figures = (
            estimate,
            np.minimum(2 * estimate - high, estimate),
            np.minimum(2 * estimate - low, most),
            np.rint(np.add.reduceat(total, starts)).astype(np.int64),
            (np.add.reduceat(matrix.seen, pairs[starts], axis=1) > 0).sum(axis=0),
        )
        parts.append((matrix.key, matrix.columns[pairs[starts]].select(who), figures))
    table = group_table(given, by, parts)
    if not by:
        return table
    everyone = trials.select(by).unique().sort(by)
    silent = pl.col("n", "stimuli").fill_null(0)
    return everyone.join(
        table, on=list(by), how="left", nulls_equal=True, maintain_order="left"
    ).with_columns(silent)


def entropy(counts: np.ndarray, starts: np.ndarray, named: np.ndarray | None = None) -> np.ndarray:
    """Return the entropy of distributions that are given as counts, in bits.

    Parameters
    ----------
    counts
        float64, shape (..., C), not negative.
    starts
        int64, shape (G,): where each distribution begins among them.
    named
        bool, shape (C,): which are of a category; others count in the total alone. None: all.

    Returns
    -------
    float64, shape (..., G); NaN of a distribution without any count.
    """
    total = np.add.reduceat(counts, starts, axis=-1)
    # −Σ p log p, with p = c / n, is (Σ c log n − Σ c log c) / n.
    within = counts if named is None else counts * named
    logarithm = np.log(np.maximum(total, 1))
    share = divide(np.add.reduceat(within, starts, axis=-1), total)
    mean = divide(np.add.reduceat(xlogy(within, counts), starts, axis=-1), total)
    return np.maximum((share * logarithm - mean) / np.log(2), 0.0)


def _observer_weights(
    columns: pl.DataFrame, who: Sequence[str], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Return weights of observers resampled within their groups: shape (resamples, C)."""
    key = [*who, *(["observer"] if "observer" not in who else [])]
    observers = columns.select(key).unique().sort(key)
    drawn = grouped_weights(group_starts(observers, who), len(observers), resamples, rng)
    place = columns.select(pl.struct(key).rank("dense").cast(pl.Int64) - 1).to_series()
    return drawn[:, place.to_numpy()]

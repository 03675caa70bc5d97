"""Ratios of sums over stimuli, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import beta

from synthesight.analysis._stats.bootstrap import LEVEL, Bootstrap, grouped_weights, interval
from synthesight.analysis._stats.response_matrix import STIMULUS, ResponseMatrix, response_matrices

_EVERY = pl.col("correct").is_not_null()


@dataclass(frozen=True, eq=False)
class Ratio:
    """A statistic that is one sum over trials divided by another, such as accuracy.

    Attributes
    ----------
    numerator
        What is added up of each trial: an expression of the columns of
        :func:`~synthesight.analysis.judged` trials.
    denominator
        What it is divided by, added up likewise; by default the number of trials.
    counted
        Which trials count; by default all.
    """

    numerator: pl.Expr
    denominator: pl.Expr = _EVERY
    counted: pl.Expr = _EVERY

    @property
    def sums(self) -> Mapping[str, pl.Expr]:
        """What :func:`response_matrices` adds up."""
        return {"numerator": self.numerator, "denominator": self.denominator}

    def table(
        self,
        trials: pl.DataFrame,
        by: Sequence[str],
        *,
        resamples: int,
        resample_observers: bool = False,
        seed: int = 0,
    ) -> pl.DataFrame:
        """Return one row a group, with a 95 % confidence interval.

        Parameters
        ----------
        trials
            Judged trials, with the columns ``by``.
        resamples, resample_observers, seed
            As of :func:`~synthesight.analysis.accuracy`.

        Returns
        -------
        Columns ``by``, estimate, low, high, n and stimuli; null where undefined.
        """
        trials = trials.filter(self.counted)
        strata = [column for column in by if column in STIMULUS]
        who = [column for column in by if column not in STIMULUS]
        columns = [*who, *(["observer"] if "observer" not in who else [])]
        bootstrap = Bootstrap(resamples, seed)
        parts = []
        for matrix in response_matrices(trials, strata, columns, self.sums):
            times = None
            if resample_observers:
                starts = group_starts(matrix.columns, who)
                times = grouped_weights(starts, len(matrix.columns), resamples, bootstrap.rng)
            ratios = matrix_ratios(matrix, who, bootstrap, times)
            low, high = _interval(ratios)
            figures = (ratios.estimate, low, high, ratios.n, ratios.stimuli)
            parts.append((matrix.key, ratios.groups, figures))
        return group_table(trials, by, parts)


@dataclass(frozen=True, eq=False)
class MatrixRatios:
    """The ratio of each group of a response matrix.

    Attributes
    ----------
    groups
        Frame of G rows.
    estimate
        float64, shape (G,); NaN where undefined.
    replicates
        float64, shape (B, G): the ratio in each resample.
    n, stimuli
        int64, shape (G,): sum of the denominators; stimuli shown.
    images
        int64, shape (G,): images with a denominator.
    """

    groups: pl.DataFrame
    estimate: np.ndarray
    replicates: np.ndarray
    n: np.ndarray
    stimuli: np.ndarray
    images: np.ndarray


def matrix_ratios(
    matrix: ResponseMatrix,
    by: Sequence[str],
    bootstrap: Bootstrap,
    times: np.ndarray | None = None,
) -> MatrixRatios:
    """Return Σ numerator / Σ denominator of each group of a matrix's columns.

    Parameters
    ----------
    matrix
        With the values ``numerator`` and ``denominator``.
    by
        The columns that tell the groups: the first of those that tell the matrix's columns.
    times
        float32, shape (B, C): how often each column's observer is in each resample; None: once.
    """
    numerator, denominator = matrix.values["numerator"], matrix.values["denominator"]
    starts = group_starts(matrix.columns, by)
    both = bootstrap.sums(np.hstack([numerator, denominator]), matrix.images)
    above, below = np.hsplit(both, 2)
    if times is not None:
        above, below = above * times, below * times
    total = np.add.reduceat(denominator.sum(axis=0), starts)
    shown = np.add.reduceat(matrix.images.gathered(denominator), starts, axis=1) > 0
    return MatrixRatios(
        groups=matrix.columns[starts].select(by),
        estimate=divide(np.add.reduceat(numerator.sum(axis=0), starts), total),
        replicates=divide(
            np.add.reduceat(above, starts, axis=1), np.add.reduceat(below, starts, axis=1)
        ),
        n=np.rint(total).astype(np.int64),
        images=shown.sum(axis=0),
        stimuli=(np.add.reduceat(matrix.seen, starts, axis=1) > 0).sum(axis=0),
    )


def group_starts(columns: pl.DataFrame, by: Sequence[str]) -> np.ndarray:
    """Return where each group begins in rows sorted by ``by``: int64, shape (G,)."""
    if not by:
        return np.zeros(1, dtype=np.int64)
    first = columns.select(pl.struct(by).rle_id().is_first_distinct().arg_true()).to_series()
    return first.to_numpy().astype(np.int64)


def _interval(ratios: MatrixRatios) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval; the exact one where all outcomes are alike.

    There every resample is as the trials are, as if nothing else could be (Clopper & Pearson
    1934). Images are what is counted: a crowd that saw the same ones adds none.
    """
    low, high = interval(ratios.replicates)
    if len(ratios.replicates) == 0:
        return low, high
    tail, images = (1 - LEVEL) / 2, np.maximum(ratios.images, 1)
    low = np.where(ratios.estimate == 1, beta.ppf(tail, images, 1), low)
    high = np.where(ratios.estimate == 0, beta.ppf(1 - tail, 1, images), high)
    return low, high


def group_table(
    trials: pl.DataFrame,
    by: Sequence[str],
    parts: Sequence[tuple[tuple[object, ...], pl.DataFrame, tuple[np.ndarray, ...]]],
) -> pl.DataFrame:
    """Return the figures of the groups of all matrices, in one table.

    Parameters
    ----------
    trials
        Has the columns ``by``.
    parts
        For each matrix its key, its groups, and their estimate, low, high, n and stimuli.

    Returns
    -------
    Sorted by ``by``, then estimate, low, high, n and stimuli; null instead of NaN.
    """
    types = {**dict.fromkeys(("estimate", "low", "high"), pl.Float64), "n": pl.Int64}
    schema = {name: trials.schema[name] for name in by} | types | {"stimuli": pl.Int64}
    if not parts:
        return pl.DataFrame(schema=schema)
    keys, groups, figures = zip(*parts, strict=True)
    strata = {name: trials.schema[name] for name in by if name in STIMULUS}
    repeated = np.repeat(np.arange(len(keys)), [len(part[0]) for part in figures])
    figure = zip(list(schema)[len(by) :], zip(*figures, strict=True), strict=True)
    result = pl.DataFrame(
        [
            *(pl.DataFrame(keys, strata, orient="row")[repeated] if strata else ()),
            *(pl.concat(groups) if groups[0].width else ()),
            *(pl.Series(name, np.concatenate(arrays), schema[name]) for name, arrays in figure),
        ]
    ).select(*schema)
    result = result.with_columns(pl.col("estimate", "low", "high").fill_nan(None))
    return result.sort(by) if by else result


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)

"""Error consistency of every two observers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import Agreement, agreements, by_group, correctness
from synthesight.analysis._stats.bootstrap import RESAMPLES, Bootstrap, interval
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.means import Means
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis.error_consistency import kappa_of
from synthesight.errors import SynthesightError

_ALONE = "Each dataset and condition has only one observer: add the trials of another."
_MEANS = ("first", "second", "estimate", "low", "high", "n", "conditions")


@any_frame
def pairwise_consistency(
    trials: pl.DataFrame,
    by: Sequence[str] = (),
    *,
    trivial: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return κ of every two observers in every dataset and condition.

    Parameters
    ----------
    trials, by, trivial, resamples, seed
        As of :func:`error_consistency`; no human observers are needed.

    Returns
    -------
    One row a pair and condition: the columns ``by``, dataset, condition, first, second, estimate
    (κ, null where undefined), low, high, observed, expected and n, the stimuli that both saw;
    pairs that share none have no row.

    Raises
    ------
    SynthesightError
        If no two observers were in one condition.
    """

    def table(part: pl.DataFrame) -> pl.DataFrame:
        return _by_condition(part, trivial=trivial, bootstrap=Bootstrap(resamples, seed))

    return by_group(judged(trials, by), by, table)


def _by_condition(trials: pl.DataFrame, *, trivial: bool, bootstrap: Bootstrap) -> pl.DataFrame:
    parts = []
    for key, pairs, agreement, n in _pairs(trials, trivial=trivial, bootstrap=bootstrap):
        values = kappa_of(agreement)
        low, high = interval(values[1:])
        figures = np.stack([values[0], low, high, agreement.observed[0], agreement.expected[0]])
        figures[1:3, np.isnan(values[0])] = np.nan
        parts.append((key, pairs, figures, n))
    if not parts:
        raise SynthesightError(_ALONE)
    keys, pairs_of, figures_of, n_of = zip(*parts, strict=True)
    where = pl.DataFrame(keys, {"dataset": pl.String, "condition": pl.String}, orient="row")
    columns = ("estimate", "low", "high", "observed", "expected")
    figure = zip(columns, np.concatenate(figures_of, axis=1), strict=True)
    table = where[np.repeat(np.arange(len(keys)), [len(n) for n in n_of])].with_columns(
        *pl.concat(pairs_of),
        *(pl.Series(name, values).fill_nan(None) for name, values in figure),
        pl.Series("n", np.concatenate(n_of)),
    )
    return table.filter(pl.col("n") > 0)


@any_frame
def pairwise_means(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return κ of every two observers in every dataset, averaged over the conditions both saw.

    Parameters
    ----------
    trials, trivial, resamples, seed
        As of :func:`error_consistency`; no human observers are needed.

    Returns
    -------
    One row a pair and dataset: dataset, first, second, estimate (null where κ is undefined in all
    conditions), low, high, n (stimuli that both saw), and conditions: how many the mean is over.

    Raises
    ------
    SynthesightError
        If no two observers were in one condition.
    """
    bootstrap = Bootstrap(resamples, seed)
    tables = []
    everywhere = _pairs(judged(trials), trivial=trivial, bootstrap=bootstrap)
    for dataset, conditions in groupby(everywhere, key=lambda each: str(each[0][0])):
        parts = [(pairs, kappa_of(agreement), n) for _, pairs, agreement, n in conditions]
        means = Means(pl.concat([pairs for pairs, _, _ in parts]).unique(), resamples)
        for pairs, values, n in parts:
            means.add(dataset, pairs, values[0], values[1:], n)
        table = means.table().filter(pl.col("n") > 0).sort("first", "second")
        tables.append(table.select(pl.lit(dataset).alias("dataset"), *_MEANS))
    if all(table.is_empty() for table in tables):
        raise SynthesightError(_ALONE)
    return pl.concat(tables)


def _pairs(
    trials: pl.DataFrame, *, trivial: bool, bootstrap: Bootstrap
) -> Iterator[tuple[tuple[object, ...], pl.DataFrame, Agreement, np.ndarray]]:
    """Yield dataset and condition, its pairs of observers, how they agree, and stimuli of each."""
    for matrix in correctness(trials, trivial=trivial):
        names = matrix.columns["observer"]
        a, b = np.triu_indices(len(names), k=1)
        if len(a):
            pairs = pl.DataFrame({"first": names.gather(a), "second": names.gather(b)})
            yield matrix.key, pairs, *agreements(matrix, a, b, bootstrap)

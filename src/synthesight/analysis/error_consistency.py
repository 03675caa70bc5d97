"""Error consistency: whether two observers err on the same images, beyond what accuracy implies."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import polars as pl

from synthesight.analysis.bootstrap import RESAMPLES, Bootstrap, interval
from synthesight.analysis.means import Means
from synthesight.analysis.pairs import Agreement, against_people, agreements, correctness
from synthesight.analysis.panels import judged
from synthesight.analysis.ratios import divide
from synthesight.errors import SynthesightError

_ALONE = "There is but one observer in each dataset and condition: add the trials of another."
_MEANS = ("first", "second", "estimate", "low", "high", "n", "conditions")


def kappa(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """κ = (c_obs − c_exp) / (1 − c_exp) (Geirhos, Meding & Wichmann 2020).

    Parameters
    ----------
    observed, expected
        float64, any shape: agreement as it is, and of independent observers.

    Returns
    -------
    float64 of that shape, in [−1, 1]; NaN where c_exp = 1: two observers who are always right, or
    always wrong, agree by necessity, and nothing can be said about their errors. (The published
    toolbox says 1 there.)
    """
    # c_exp is a sum of products of quotients: "1" may be a few units of rounding away.
    room = np.where(1 - expected > 1e-12, 1 - expected, 0.0)
    return divide(np.asarray(observed - expected), room)


def error_consistency(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Mean κ of each model with people, and of people with each other.

    Two observers are compared on the stimuli that both saw in a condition; who share none are no
    pair. No response is an error. A stimulus that an observer saw more than once counts once, with
    the share of its correct responses: agreement is then that of a response drawn from each.

    The interval is that of Klein et al. (2025): stimuli are resampled within each condition, the
    same for all observers, and each resample is averaged as the trials are. An image that several
    conditions show is drawn in all of these at once, people in all conditions of a dataset.

    Parameters
    ----------
    trials
        The trial table, with people's trials (kind ``human``) on the same images.
    trivial
        Whether to count the conditions that the benchmark leaves out.
    resample_observers
        Whether the interval is for people like these (True) or for just these (False).
    resamples, seed
        Of the bootstrap, which resamples stimuli within each condition.

    Returns
    -------
    See :func:`~synthesight.analysis.pairs.against_people`; estimate is null where κ is undefined
    for every pair.

    Raises
    ------
    SynthesightError
        If there are no people to compare with.
    """
    [table] = against_people(
        judged(trials), [kappa_of], trivial=trivial, resample_observers=resample_observers,
        resamples=resamples, seed=seed,
    )  # fmt: skip
    return table


def observed_consistency(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Mean share of images on which model and person are both right or both wrong.

    Parameters, returned columns and errors as of :func:`error_consistency`.
    """
    [table] = against_people(
        judged(trials), [observed_of], trivial=trivial, resample_observers=resample_observers,
        resamples=resamples, seed=seed,
    )  # fmt: skip
    return table


def accuracy_difference(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Mean squared difference of accuracy between model and person (Geirhos et al. 2021).

    Parameters, returned columns and errors as of :func:`error_consistency`. A squared difference
    of noisy figures is too large on average, and its replicates more so: read the interval as
    leaning upwards.
    """
    [table] = against_people(
        judged(trials), [squared_difference_of], trivial=trivial,
        resample_observers=resample_observers, resamples=resamples, seed=seed,
    )  # fmt: skip
    return table


def pairwise_consistency(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """κ of every two observers in every dataset and condition.

    Parameters
    ----------
    trials, trivial, resamples, seed
        As of :func:`error_consistency`.

    Returns
    -------
    One row a pair and condition: dataset, condition, first, second, estimate (κ, null where
    undefined), low, high, observed, expected and n, the stimuli that both saw; pairs that share
    none have no row.

    Raises
    ------
    SynthesightError
        If no two observers were in one condition.
    """
    bootstrap = Bootstrap(resamples, seed)
    parts = []
    for panel in correctness(judged(trials), trivial=trivial):
        names = panel.columns["observer"]
        a, b = np.triu_indices(len(names), k=1)
        if len(a) == 0:
            continue
        agreement, n = agreements(panel, a, b, bootstrap)
        expected = agreement.expected
        values = kappa(agreement.observed, expected)
        low, high = interval(values[1:])
        figures = np.stack([values[0], low, high, agreement.observed[0], expected[0]])
        figures[1:3, np.isnan(values[0])] = np.nan
        parts.append((panel.key, names.gather(a), names.gather(b), figures, n))
    if not parts:
        raise SynthesightError(_ALONE)
    keys, first, second, found, shown = zip(*parts, strict=True)
    key = pl.DataFrame(keys, {"dataset": pl.String, "condition": pl.String}, orient="row")
    columns = ("estimate", "low", "high", "observed", "expected")
    figure = zip(columns, np.concatenate(found, axis=1), strict=True)
    table = key[np.repeat(np.arange(len(keys)), [len(n) for n in shown])].with_columns(
        pl.concat(first).alias("first"),
        pl.concat(second).alias("second"),
        *(pl.Series(name, values).fill_nan(None) for name, values in figure),
        pl.Series("n", np.concatenate(shown)),
    )
    return table.filter(pl.col("n") > 0)


def pairwise_means(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """κ of every two observers in every dataset, averaged over the conditions that both saw.

    Parameters
    ----------
    trials, trivial, resamples, seed
        As of :func:`error_consistency`.

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
    everywhere = correctness(judged(trials), trivial=trivial)
    for dataset, panels in groupby(everywhere, key=lambda panel: str(panel.key[0])):
        found = []
        for panel in panels:
            names = panel.columns["observer"]
            a, b = np.triu_indices(len(names), k=1)
            pairs = pl.DataFrame({"first": names.gather(a), "second": names.gather(b)})
            agreement, n = agreements(panel, a, b, bootstrap)
            found.append((pairs, kappa_of(agreement), n))
        means = Means(pl.concat([pairs for pairs, _, _ in found]).unique(), resamples)
        for pairs, values, n in found:
            means.add(dataset, pairs, values[0], values[1:], n)
        table = means.table().filter(pl.col("n") > 0).sort("first", "second")
        tables.append(table.select(pl.lit(dataset).alias("dataset"), *_MEANS))
    result = pl.concat(tables)
    if result.is_empty():
        raise SynthesightError(_ALONE)
    return result


def kappa_of(agreement: Agreement) -> np.ndarray:
    """κ, NaN where undefined."""
    return kappa(agreement.observed, agreement.expected)


def observed_of(agreement: Agreement) -> np.ndarray:
    """Observed consistency."""
    return agreement.observed


def squared_difference_of(agreement: Agreement) -> np.ndarray:
    """Squared difference of accuracy."""
    return np.asarray((agreement.first - agreement.second) ** 2)

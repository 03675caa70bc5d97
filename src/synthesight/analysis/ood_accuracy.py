"""Accuracy out of distribution, as the model-vs-human benchmark has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from synthesight.analysis._stats.averages import Averages
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.limits import share_limits
from synthesight.analysis._stats.ratios import MatrixRatios, matrix_ratios
from synthesight.analysis._stats.response_matrix import judged, response_matrices
from synthesight.analysis._stats.spread import Influence, Variance
from synthesight.analysis._stats.trivial import without_trivial
from synthesight.analysis._stats.units import (
    POOL,
    POPULATION,
    Population,
    check_population,
    person_pool,
)
from synthesight.analysis.accuracy import CORRECT
from synthesight.analysis.registry import metric


@metric(
    title="OOD accuracy",
    unit="share",
    direction="higher",
    text="Accuracy, mean over conditions and then over datasets.",
    paper="geirhos2021partial",
    by=((),),
)
def ood_accuracy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer",),
    *,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the mean over datasets of the mean over conditions of accuracy.

    As Geirhos et al. (2021); within a condition as :func:`accuracy`. The means are over what the
    group was shown: groups that saw different datasets or conditions are not comparable, which
    ``datasets`` and ``conditions`` tell.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    by
        Column or columns that tell the groups, such as observer or kind.
    trivial
        Whether to count the conditions that the benchmark leaves out.
    population, resamples
        As of :func:`accuracy`. An image is one unit in all conditions and published datasets that
        show it, a person in all conditions of a dataset.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials),
    ``datasets`` and ``conditions`` (how many the mean is over), ``undefined`` (0) and
    ``population``.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.
    """
    table = ood_averages(judged(trials, by), by, trivial=trivial, population=population)
    return table.table(ood_limits if resamples else None)


def ood_limits(
    share: np.ndarray,
    variance: Variance,
    n: np.ndarray,  # noqa: ARG001
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a mean of shares, whose variance may be less than a share's."""
    return share_limits(share, variance, None)


def ood_averages(
    trials: pl.DataFrame, by: Sequence[str], *, trivial: bool, population: Population
) -> Averages:
    """Return :func:`ood_accuracy` of judged trials, before it is a table."""
    check_population(population)
    counted = trials if trivial else without_trivial(trials)
    counted = counted.with_columns(person_pool(counted, pooled=False))
    columns = list(dict.fromkeys([*by, "observer", "kind", POOL]))
    means = Averages(counted.select(by).unique().sort(by), population)
    matrices = response_matrices(counted, ["dataset", "condition"], columns, CORRECT.sums)
    for number, matrix in enumerate(matrices):
        ratios = matrix_ratios(matrix, by, population)
        influence = _never_certain(ratios, number)
        means.add(str(matrix.key[0]), ratios.groups, ratios.estimate, influence, ratios.n)
    return means


def _never_certain(ratios: MatrixRatios, number: int) -> Influence:
    """Return the influence, with one image more that moves what was always right or always wrong.

    It moves that by as much as the standard error is when two outcomes of either kind are added
    (Agresti & Coull 1998).
    """
    influence = ratios.influence
    n = ratios.n + 4
    alike = (ratios.estimate == 0) | (ratios.estimate == 1)
    error = np.where(alike, np.sqrt(2 / n * (1 - 2 / n) / n), 0.0)[None]
    return replace(
        influence,
        effects=np.concatenate([influence.effects, error]),
        shown=np.concatenate([influence.shown, error > 0]),
        trials=np.concatenate([influence.trials, np.diag(error[0])]),
        units=influence.units.with_others(1, number),
    )

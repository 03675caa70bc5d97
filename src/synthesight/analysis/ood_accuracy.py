"""Accuracy out of distribution, as the model-vs-human benchmark has it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES, Bootstrap
from synthesight.analysis._stats.crowds import Crowds
from synthesight.analysis._stats.means import Means
from synthesight.analysis._stats.ratios import matrix_ratios
from synthesight.analysis._stats.response_matrix import judged, response_matrices
from synthesight.analysis._stats.trivial import without_trivial
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
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
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
    resample_observers, resamples, seed
        As of :func:`accuracy`. An image is resampled in all conditions that show it at once, an
        observer in all conditions of a dataset.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high``, ``n`` (trials),
    ``datasets`` and ``conditions``: how many the mean is over.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.
    """
    return ood_table(
        judged(trials, by), by, trivial=trivial, resample_observers=resample_observers,
        resamples=resamples, seed=seed,
    )  # fmt: skip


def ood_table(
    trials: pl.DataFrame,
    by: Sequence[str],
    *,
    trivial: bool,
    resample_observers: bool,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """Return :func:`ood_accuracy` of judged trials."""
    counted = trials if trivial else without_trivial(trials)
    bootstrap = Bootstrap(resamples, seed)
    columns = [*by, *(["observer"] if "observer" not in by else [])]
    crowds = Crowds(counted, by, columns, bootstrap) if resample_observers else None
    means = Means(counted.select(by).unique().sort(by), resamples)
    matrices = response_matrices(counted, ["dataset", "condition"], columns, CORRECT.sums)
    for matrix in matrices:
        times = crowds.times(matrix.key[0], matrix.columns) if crowds else None
        ratios = matrix_ratios(matrix, by, bootstrap, times)
        means.add(str(matrix.key[0]), ratios.groups, ratios.estimate, ratios.replicates, ratios.n)
    return means.table()

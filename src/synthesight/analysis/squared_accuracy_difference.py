"""Squared accuracy difference: the benchmark's "accuracy difference" between model and person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import against_people, by_group
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.pairs import Agreement
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.analysis.registry import metric


def squared_difference_of(agreement: Agreement) -> np.ndarray:
    """Return the squared difference of accuracy of pairs of observers."""
    return np.asarray((agreement.first - agreement.second) ** 2)


@metric(
    title="Squared accuracy difference",
    unit="squared share",
    direction="lower",
    text="Squared difference of accuracy between model and person; the model-vs-human toolbox "
    "calls it accuracy difference.",
    paper="geirhos2021partial",
    statistic=squared_difference_of,
)
def squared_accuracy_difference(
    trials: pl.DataFrame,
    by: Sequence[str] = (),
    *,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the mean squared difference of accuracy between model and person.

    Geirhos et al. (2021) and their model-vs-human toolbox call it accuracy difference: a value of
    0.04 is a difference of 20 percentage points. A squared difference of noisy figures is too
    large on average, and its replicates more so: read the interval as leaning upwards.

    Parameters, returned columns and errors are those of :func:`error_consistency`.
    """

    def table(part: pl.DataFrame) -> pl.DataFrame:
        found = against_people(
            part, [squared_difference_of], trivial=trivial, population=population
        )[0]
        return found.table(intervals=resamples > 0, least=0.0)

    return by_group(judged(trials, by), by, table)

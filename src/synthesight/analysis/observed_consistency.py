"""Observed consistency: how often a model and a person are both right or both wrong."""

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


def observed_of(agreement: Agreement) -> np.ndarray:
    """Return the observed agreement of pairs of observers."""
    return agreement.observed


@metric(
    title="Observed consistency",
    unit="share",
    direction="higher",
    text="Share of images on which model and person are both right or both wrong.",
    paper=("geirhos2020beyond", "geirhos2021partial"),
    statistic=observed_of,
)
def observed_consistency(
    trials: pl.DataFrame,
    by: Sequence[str] = (),
    *,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the mean share of images on which model and person are both right or both wrong.

    Parameters, returned columns and errors are those of :func:`error_consistency`.
    """

    def table(part: pl.DataFrame) -> pl.DataFrame:
        found = against_people(part, [observed_of], trivial=trivial, population=population)[0]
        return found.table(intervals=resamples > 0, least=0.0)

    return by_group(judged(trials, by), by, table)

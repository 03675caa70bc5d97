"""The model-vs-human benchmark: four metrics and the mean rank (Geirhos et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import (
    IS_HUMAN,
    PARTICIPANT,
    against_people,
    with_people,
)
from synthesight.analysis._stats.averages import Averages
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.ranks import rank_limits
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.analysis.error_consistency import error_consistency
from synthesight.analysis.observed_consistency import observed_consistency
from synthesight.analysis.ood_accuracy import ood_accuracy, ood_averages, ood_limits
from synthesight.analysis.registry import get_metric
from synthesight.analysis.squared_accuracy_difference import squared_accuracy_difference

RANKED = tuple(
    function.__name__
    for function in (squared_accuracy_difference, observed_consistency, error_consistency)
)
OOD = ood_accuracy.__name__
BENCHMARK_METRICS = (OOD, *RANKED)


@any_frame
def benchmark(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the accuracy out of distribution and the likeness to people of each model.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas, with human observers on the same images.
    trivial, population, resamples
        As of :func:`error_consistency`.

    Returns
    -------
    One row a model, best first, then one a participant, and last one for people. For each of
    ood_accuracy, squared_accuracy_difference, observed_consistency and error_consistency, a column
    of that name and ``<name>_low``, ``<name>_high``; ``error_consistency_weak``: whether few errors
    make the interval of κ a weak one; ``mean_rank``: of the model among the models by the last
    three, null for people and participants; ``mean_rank_low`` and ``mean_rank_high``, the means of
    the best and worst ranks that the model may have, which hold the true mean rank in at least 95 %
    of studies (Mogstad et al. 2024); ``population``.

    Raises
    ------
    SynthesightError
        If there are no human observers to compare with.
    """
    trials = with_people(judged(trials))
    overall = ood_averages(trials, ["who", "kind"], trivial=trivial, population=population)
    statistics: Any = [get_metric(name).statistic for name in RANKED]
    # All at once, from the same sums.
    found = against_people(trials, statistics, trivial=trivial, population=population)
    least = {error_consistency.__name__: -1.0}
    tables = {
        OOD: overall.table(ood_limits if resamples else None).rename({"who": "observer"}),
        **{
            name: each.table(
                intervals=resamples > 0, least=least.get(name, 0.0), chance=name in least
            )
            for name, each in zip(RANKED, found, strict=True)
        },
    }
    key = ["observer", "kind"]
    result = tables[OOD].select(key)
    for name, table in tables.items():
        ends = [end for end in ("low", "high", "weak") if end in table.columns]
        figures = table.select(
            *key, pl.col("estimate").alias(name), pl.col(ends).name.prefix(f"{name}_")
        )
        result = result.join(figures, on=key, how="left", nulls_equal=True)
    # Ranks are among the models only, so people's figures are masked.
    is_model = ~IS_HUMAN & (pl.col("kind") != PARTICIPANT).fill_null(True)
    ranks = [
        pl.when(is_model).then(name).rank(descending=get_metric(name).direction == "higher")
        for name in RANKED
    ]
    ranked = result.with_columns(
        mean_rank=pl.sum_horizontal(ranks, ignore_nulls=False) / len(RANKED)
    )
    if resamples:
        places = _mean_ranks([each.mean for each in found], is_model)
        ranked = ranked.join(places, on=key, how="left", nulls_equal=True)
    else:
        nothing = pl.lit(None, pl.Float64)
        ranked = ranked.with_columns(mean_rank_low=nothing, mean_rank_high=nothing)
    ranked = ranked.with_columns(population=pl.lit(population))
    return ranked.sort(IS_HUMAN, "mean_rank", "observer", nulls_last=True)


def _mean_ranks(means: Sequence[Averages], is_model: pl.Expr) -> pl.DataFrame:
    """Return the least and the largest mean rank that each model may have."""
    groups = means[0].groups
    ranked = groups.select(is_model).to_series().to_numpy()
    limits = [
        rank_limits(mean, ranked, higher=get_metric(name).direction == "higher", tests=len(RANKED))
        for name, mean in zip(RANKED, means, strict=True)
    ]
    ends = np.mean(np.array(limits), axis=0)
    return groups.with_columns(
        pl.Series(f"mean_rank_{end}", value).fill_nan(None)
        for end, value in zip(("low", "high"), ends, strict=True)
    )

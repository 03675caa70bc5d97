"""The model-vs-human benchmark: four measures and the mean rank (Geirhos et al. 2021)."""

from __future__ import annotations

from typing import Any

import polars as pl

from synthesight.analysis.accuracy import ood_table
from synthesight.analysis.bootstrap import RESAMPLES
from synthesight.analysis.error_consistency import kappa_of, observed_of, squared_difference_of
from synthesight.analysis.pairs import PEOPLE, against_people
from synthesight.analysis.panels import judged


def benchmark(
    trials: pl.DataFrame,
    *,
    trivial: bool = False,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Accuracy out of distribution and likeness to people, of each model and of people.

    Parameters
    ----------
    trials
        The trial table, with people's trials on the same images.
    trivial, resample_observers, resamples, seed
        As of :func:`~synthesight.analysis.error_consistency.error_consistency`.

    Returns
    -------
    One row for each model, best first, and last one for people. For each of ood_accuracy,
    accuracy_difference, observed_consistency and error_consistency, a column of that name and
    ``<name>_low``, ``<name>_high``; ``mean_rank``: of the model among the models by the last
    three, null for people.

    Raises
    ------
    SynthesightError
        If there are no people to compare with.
    """
    options: dict[str, Any] = {
        "trivial": trivial,
        "resample_observers": resample_observers,
        "resamples": resamples,
        "seed": seed,
    }
    human = (pl.col("kind") == "human").fill_null(False)
    who = pl.when(human).then(pl.lit(PEOPLE)).otherwise("observer").alias("who")
    known = judged(trials).with_columns(who)
    accuracy = ood_table(known, ["who", "kind"], **options)
    measures = {
        "accuracy_difference": squared_difference_of,
        "observed_consistency": observed_of,
        "error_consistency": kappa_of,
    }
    likeness = against_people(known, list(measures.values()), **options)
    tables = {
        "ood_accuracy": accuracy.rename({"who": "observer"}),
        **dict(zip(measures, likeness, strict=True)),
    }
    key = ["observer", "kind"]
    result = tables["ood_accuracy"].select(key)
    for name, table in tables.items():
        figures = table.select(
            *key,
            pl.col("estimate").alias(name),
            pl.col("low").alias(f"{name}_low"),
            pl.col("high").alias(f"{name}_high"),
        )
        result = result.join(figures, on=key, how="left", nulls_equal=True)
    model = ~(pl.col("kind") == "human").fill_null(False)
    # Ranks are among the models only, so people's figures are masked.
    ranks = [
        pl.when(model).then(name).rank(descending=descending)
        for name, descending in (
            ("accuracy_difference", False),
            ("observed_consistency", True),
            ("error_consistency", True),
        )
    ]
    ranked = result.with_columns(mean_rank=pl.sum_horizontal(ranks, ignore_nulls=False) / 3)
    return ranked.sort("mean_rank", "observer", nulls_last=True)

"""How far each model is from people, in any measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import IS_HUMAN, PEOPLE, with_people
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.ratios import MatrixRatios, Ratio, matrix_ratios
from synthesight.analysis._stats.response_matrix import judged, response_matrices
from synthesight.analysis._stats.units import (
    POOL,
    POPULATION,
    Population,
    check_population,
    person_pool,
)
from synthesight.analysis.registry import get_metric
from synthesight.errors import SynthesightError


@any_frame
def difference_from_people(
    trials: pl.DataFrame,
    measure: str = "accuracy",
    by: Sequence[str] = ("dataset",),
    *,
    population: Population = POPULATION,
) -> pl.DataFrame:
    """Return each model's value of a measure minus that of all people together, group by group.

    The two are on the same images, so that the interval of their difference is not that of the one
    and the other: it is put together of both (Newcombe 1998), with their correlation (Zou & Donner
    2008), and has a width even where all were right.

    Parameters
    ----------
    trials
        The trial table, with human observers of the same datasets.
    measure
        Name of a metric that is a share of trials, such as accuracy or shape_bias.
    by
        Column or columns that tell the groups, such as dataset and condition.
    population
        As of :func:`accuracy`. With new people, the difference is from people like these.

    Returns
    -------
    One row a group and model: the columns ``by``, observer, kind, estimate, low, high, ``people``
    (people's own value), n (trials of the model) and population; null where undefined. Groups
    without people have none.

    Raises
    ------
    SynthesightError
        If there are no people, or no such population, or the metric is no share of trials.

    Examples
    --------
    >>> def seen(observer, kind, right):
    ...     return pl.DataFrame({
    ...         "observer": observer, "kind": kind, "stimulus": [f"{n}.png" for n in range(8)],
    ...         "category": "cat", "response": ["cat"] * right + ["dog"] * (8 - right),
    ...     })
    >>> trials = pl.concat([seen("m", "generative", 4), seen("a", "human", 8)])
    >>> difference_from_people(trials)["estimate"].item()
    -0.5
    """  # fmt: skip
    ratio = get_metric(measure).statistic
    if not isinstance(ratio, Ratio):
        raise SynthesightError(
            f"`measure={measure!r}` is no share of trials: choose accuracy, shape_bias, "
            "shape_match or texture_match."
        )
    check_population(population)
    counted = with_people(judged(trials, by)).filter(ratio.counted)
    if counted.filter(IS_HUMAN).is_empty():
        raise SynthesightError(
            "There are no human observers to compare with: add trials of kind 'human' of the same "
            "datasets (load_human_trials)."
        )
    if by:
        counted = counted.filter(IS_HUMAN.any().over(by))
    counted = counted.with_columns(person_pool(counted, pooled="dataset" in by))
    who = ["who", "kind"]
    tables = []
    for matrix in response_matrices(counted, by, [*who, "observer", POOL], ratio.sums):
        of = [
            pl.lit(value, counted.schema[name]).alias(name)
            for name, value in zip(by, matrix.key, strict=True)
        ]
        tables.append(_differences(matrix_ratios(matrix, who, population)).select(*of, pl.all()))
    return pl.concat(tables)


def _differences(ratios: MatrixRatios) -> pl.DataFrame:
    """Return the rows of the models of one group."""
    is_people = (ratios.groups["who"] == PEOPLE).to_numpy()
    people, models = int(np.flatnonzero(is_people)[0]), np.flatnonzero(~is_people)
    low, high = ratios.limits()
    contrast = np.zeros((len(is_people), len(models)))
    contrast[models, np.arange(len(models))] = 1.0
    contrast[people] = -1.0
    spread = ratios.spread()
    own, apart = spread.variance().value, spread.variance(contrast).value
    product = np.sqrt(own[models] * own[people])
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = own[models] + own[people] - apart
        correlation = np.clip(shared / (2 * product), -1, 1)
    # Of one image, variances are infinite, and the correlation is unknown.
    known = (product > 0) & ~np.isinf(product)
    correlation = np.where(known, correlation, 0.0)
    estimate = ratios.estimate
    gap = estimate[models] - estimate[people]

    def far(of_model: np.ndarray, of_people: float) -> np.ndarray:
        square = of_model**2 + of_people**2 - 2 * correlation * of_model * of_people
        return np.asarray(np.sqrt(np.maximum(square, 0)))

    ends: Sequence[np.ndarray] = (
        gap - far((estimate - low)[models], float(high[people] - estimate[people])),
        gap + far((high - estimate)[models], float(estimate[people] - low[people])),
    )
    figures = zip(("estimate", "low", "high"), (gap, *ends), strict=True)
    return ratios.groups[models].select(
        pl.col("who").alias("observer"),
        "kind",
        *(pl.Series(name, value).fill_nan(None) for name, value in figures),
        pl.lit(float(estimate[people])).fill_nan(None).alias("people"),
        pl.Series("n", ratios.n[models]),
        # It is people who are new, even where they are not in the other number.
        pl.Series("population", np.full(len(models), ratios.populations[people]), pl.String),
    )

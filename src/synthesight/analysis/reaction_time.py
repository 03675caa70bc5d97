"""Reaction time: whether a model takes longer where people take longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import IS_HUMAN, PEOPLE, by_group
from synthesight.analysis._stats.bootstrap import RESAMPLES, Bootstrap
from synthesight.analysis._stats.correlations import rank_correlations
from synthesight.analysis._stats.effort import with_effort
from synthesight.analysis._stats.means import Means
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import judged, response_matrices
from synthesight.analysis._stats.trivial import without_trivial
from synthesight.analysis.registry import metric
from synthesight.errors import SynthesightError

_SPLITS = 126  # of people into halves: all that ten people have


@metric(
    title="Reaction time",
    unit="rank correlation",
    direction="higher",
    text="Whether a model takes longer over the images that people take longer over: Spearman's "
    "correlation of its effort (network evaluations until it is sure, or how close the second "
    "class comes) with people's mean response time, within conditions. People are one half of "
    "them with the other. Ceiling: what a perfect prediction of people's expected time reaches.",
    paper=("spearman1904proof", "spearman1910correlation"),
)
def reaction_time(
    trials: pl.DataFrame,
    by: Sequence[str] = (),
    *,
    effort: str = "auto",
    trivial: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the rank correlation of each model's effort with people's response times.

    It is taken over the images of each condition, and averaged over conditions, then datasets, as
    the benchmark's measures are. A person's times are taken in logarithms, less their mean in that
    condition, so that a slow person, or one who missed an image, shifts no image.

    People are measured by split halves: the correlation of the mean times of one half with those of
    the other, averaged over splits (all of them for up to ten people, else 126 random ones). The
    reliability of the mean of all is 2r / (1 + r) of that (Spearman 1910; Brown 1910), and its
    square root is the ceiling of models.

    Parameters
    ----------
    trials
        The trial table, with human observers whose ``rt`` (seconds) is known.
    by
        Column or columns that tell groups of trials, such as a factor.
    effort
        What models' effort is: ``"evaluations"``, ``"margin"`` or ``"entropy"`` of their evidence,
        or the name of a numeric column (with a minus before it where less takes longer, such as
        ``"-confidence"``). ``"auto"`` is evaluations where they vary, else the margin. Of
        participants and others with response times, these are taken.
    trivial
        Whether to count the conditions that the benchmark leaves out.
    resamples
        Resamples of the bootstrap over images; with 0 there are no intervals.
    seed
        Seed of the bootstrap and of random splits.

    Returns
    -------
    One row a model, and one called ``people``: columns observer, kind, estimate, low, high (95 %
    confidence interval for more images like these, with these people), n (images, added up over
    conditions), datasets, conditions, undefined (conditions in which effort or times do not vary)
    and ceiling. A model without any effort has no row.

    Raises
    ------
    SynthesightError
        If no human observer has response times, or ``effort`` is no column of numbers.

    Examples
    --------
    >>> def shown(observer, kind, times, evaluations=None):
    ...     return pl.DataFrame({
    ...         "observer": observer, "kind": kind, "stimulus": [f"{n}.png" for n in range(6)],
    ...         "category": "cat", "response": "cat", "rt": times, "evaluations": evaluations,
    ...     }, schema_overrides={"rt": pl.Float64, "evaluations": pl.Float64})
    >>> trials = pl.concat([
    ...     shown("a", "human", [.5, .6, .7, .8, .9, 1.]),
    ...     shown("b", "human", [.6, .6, .8, .9, .9, 1.]),
    ...     shown("m", "generative", [None] * 6, [20, 20, 40, 80, 60, 90]),
    ... ])
    >>> found = reaction_time(trials, resamples=0)
    >>> found["observer"][0], round(found["estimate"][0], 2)
    ('m', 0.93)
    """  # fmt: skip
    options: dict[str, Any] = {"trivial": trivial, "resamples": resamples, "seed": seed}
    timed = with_effort(judged(trials, by), effort)
    return by_group(timed, by, lambda part: _table(part, **options))


def _table(trials: pl.DataFrame, *, trivial: bool, resamples: int, seed: int) -> pl.DataFrame:
    counted = trials if trivial else without_trivial(trials)
    counted = counted.filter(pl.col("effort").is_not_null())
    if counted.filter(IS_HUMAN & (pl.col("rt") > 0)).is_empty():
        raise SynthesightError(
            "There are no response times of people to compare with: add trials of kind 'human' of "
            "the same datasets, with `rt` in seconds."
        )
    logarithm = pl.when(pl.col("rt") > 0).then(pl.col("rt").log())
    own = logarithm - logarithm.mean().over("observer", "kind", "dataset", "condition")
    counted = counted.with_columns(effort=pl.when(IS_HUMAN).then(own).otherwise("effort"))
    counted = counted.filter(pl.col("effort").is_not_null())
    models = counted.filter(~IS_HUMAN).select("observer", "kind").unique()
    people = pl.DataFrame({"observer": [PEOPLE], "kind": ["human"]})
    means = Means(pl.concat([models.sort("observer", "kind"), people]), resamples)
    bootstrap = Bootstrap(resamples, seed)
    sums = {"effort": pl.col("effort")}
    for matrix in response_matrices(counted, ["dataset", "condition"], ["observer", "kind"], sums):
        effort = divide(matrix.values["effort"], matrix.seen)
        is_person = matrix.columns.select(IS_HUMAN).to_series().to_numpy()
        if not is_person.any():
            continue
        times, others = effort[:, is_person], effort[:, ~is_person]
        first, second = [others], [np.repeat(_mean(times)[:, None], others.shape[1], axis=1)]
        halves = list(_halves(times.shape[1], seed))
        for half in halves:
            first.append(_mean(times[:, half])[:, None])
            second.append(_mean(times[:, ~half])[:, None])
        found, n = rank_correlations(np.hstack(first), np.hstack(second), matrix.images, bootstrap)
        names = matrix.columns.filter(~pl.Series(is_person))
        models_found, splits = np.split(found, [others.shape[1]], axis=1)
        if halves:
            names = pl.concat([names, people])
            models_found = np.hstack([models_found, _mean(splits)[:, None]])
            n = np.append(n[: others.shape[1]], n[others.shape[1] :].max())
        means.add(str(matrix.key[0]), names, models_found[0], models_found[1:], n)
    table = means.table().filter(pl.col("datasets") + pl.col("undefined") > 0)
    of_people = table.filter(observer=PEOPLE)["estimate"].drop_nulls().to_list()
    r = of_people[0] if of_people else 0.0
    ceiling = np.sqrt(2 * r / (1 + r)) if r > 0 else None
    return table.with_columns(ceiling=pl.lit(ceiling, pl.Float64))


def _halves(people: int, seed: int) -> Iterator[np.ndarray]:
    """Yield splits of people: bool, shape (P,), true for one half."""
    size = people // 2
    if size == 0:
        return
    if comb(people, size) // (1 + (people == 2 * size)) <= _SPLITS:
        chosen = [np.array(half) for half in combinations(range(people), size)]
        # Of an even number, each split comes twice: once for either half.
        chosen = chosen[: len(chosen) // 2] if people == 2 * size else chosen
    else:
        rng = np.random.default_rng(seed)
        chosen = [rng.permutation(people)[:size] for _ in range(_SPLITS)]
    for half in chosen:
        mask = np.zeros(people, dtype=bool)
        mask[half] = True
        yield mask


def _mean(columns: np.ndarray) -> np.ndarray:
    """Return the mean of each row's defined values: NaN where there is none."""
    defined = ~np.isnan(columns)
    return divide(np.where(defined, columns, 0.0).sum(axis=1), defined.sum(axis=1))

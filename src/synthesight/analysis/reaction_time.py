"""Reaction time: whether a model takes longer where people take longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import IS_HUMAN, PEOPLE, by_group
from synthesight.analysis._stats.averages import Averages
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.correlations import rank_correlations
from synthesight.analysis._stats.effort import with_effort
from synthesight.analysis._stats.limits import correlation_limits
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import judged, response_matrices
from synthesight.analysis._stats.spread import Influence, People
from synthesight.analysis._stats.trivial import without_trivial
from synthesight.analysis._stats.units import (
    POOL,
    POPULATION,
    Population,
    check_population,
    person_pool,
    persons,
)
from synthesight.analysis.registry import metric
from synthesight.errors import SynthesightError

_SPLITS = 126  # of people into halves: all that ten people have


@metric(
    title="Reaction time",
    unit="rank correlation",
    direction="higher",
    text="Whether a model takes longer over the images that people take longer over. It is "
    "Spearman's correlation of effort with people's mean response time, within conditions. Effort "
    "is network evaluations until the model is sure, or how close its second class comes. The "
    "ceiling is what a perfect prediction of people's expected time reaches.",
    paper=("spearman1904proof", "spearman1910correlation"),
)
def reaction_time(
    trials: pl.DataFrame,
    by: Sequence[str] = (),
    *,
    effort: str = "auto",
    trivial: bool = False,
    population: Population = POPULATION,
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
    population, resamples
        As of :func:`accuracy`. For new people, each person is left out in turn.
    seed
        Seed of random splits.

    Returns
    -------
    One row a model, and one called ``people``: columns observer, kind, estimate, low, high (95 %
    confidence interval), n (images, added up over conditions), datasets, conditions, undefined
    (conditions in which effort or times do not vary), population and ceiling. A model without any
    effort has no row.

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
    check_population(population)
    options: dict[str, Any] = {"trivial": trivial, "resamples": resamples, "seed": seed}
    options["population"] = population
    timed = with_effort(judged(trials, by), effort)
    return by_group(timed, by, lambda part: _table(part, **options))


def _table(
    trials: pl.DataFrame, *, trivial: bool, population: Population, resamples: int, seed: int
) -> pl.DataFrame:
    counted = trials if trivial else without_trivial(trials)
    counted = counted.filter(pl.col("effort").is_not_null())
    if counted.filter(IS_HUMAN & (pl.col("rt") > 0)).is_empty():
        raise SynthesightError(
            "There are no response times of people to compare with: add trials of kind 'human' of "
            "the same datasets, with `rt` in seconds."
        )
    logarithm = pl.when(pl.col("rt") > 0).then(pl.col("rt").log())
    own = logarithm - logarithm.mean().over("observer", "kind", "dataset", "condition")
    counted = counted.with_columns(
        person_pool(counted, pooled=False), effort=pl.when(IS_HUMAN).then(own).otherwise("effort")
    )
    counted = counted.filter(pl.col("effort").is_not_null())
    models = counted.filter(~IS_HUMAN).select("observer", "kind").unique()
    people = pl.DataFrame({"observer": [PEOPLE], "kind": ["human"]})
    means = Averages(pl.concat([models.sort("observer", "kind"), people]), population)
    sums, who = {"effort": pl.col("effort")}, ["observer", "kind", POOL]
    for matrix in response_matrices(counted, ["dataset", "condition"], who, sums):
        effort = divide(matrix.values["effort"], matrix.seen)
        is_person = matrix.columns.select(IS_HUMAN).to_series()
        if not is_person.any():
            continue
        times, others = (effort[:, each.to_numpy()] for each in (is_person, ~is_person))
        halves = _halves(times.shape[1], seed)
        names = matrix.columns.filter(~is_person).select("observer", "kind")
        names = pl.concat([names, people]) if len(halves) else names
        found = _Correlations.of(others, times, halves)
        sampled = None
        if "people" in population:
            known = np.repeat(~np.isnan(found.estimate)[None], times.shape[1], axis=0)
            moved = np.where(known, _left_out(others, times, halves), 0.0)
            sampled = People(*persons(matrix.columns.filter(is_person)), moved, known)
        n = found.shown.sum(axis=0)
        influence = Influence(found.effects, found.shown, found.cells, n, matrix.units, sampled)
        means.add(str(matrix.key[0]), names, found.estimate, influence, n)
    table = means.table(correlation_limits if resamples else None)
    table = table.filter(pl.col("datasets") + pl.col("undefined") > 0)
    of_people = table.filter(observer=PEOPLE)["estimate"].drop_nulls().to_list()
    r = of_people[0] if of_people else 0.0
    ceiling = np.sqrt(2 * r / (1 + r)) if r > 0 else None
    return table.with_columns(ceiling=pl.lit(ceiling, pl.Float64))


@dataclass(frozen=True, eq=False)
class _Correlations:
    """Correlations of models on S images, and last of people: G of them.

    Attributes
    ----------
    estimate
        float64, shape (G,).
    effects, shown
        Shape (S, G): what each image moves them by, and whether it counts.
    cells
        float64, shape (S · P, G): what each time of a person moves them by.
    """

    estimate: np.ndarray
    effects: np.ndarray
    shown: np.ndarray
    cells: np.ndarray

    @classmethod
    def of(cls, others: np.ndarray, times: np.ndarray, halves: np.ndarray) -> _Correlations:
        """Measure models' effort, (S, M), and people's times, (S, P), in halves, (B, P)."""
        models, people = others.shape[1], times.shape[1]
        everyone = np.ones((models, people), dtype=bool)
        first = np.hstack([others, _means(times, halves)])
        found = rank_correlations(first, _means(times, np.vstack([everyone, ~halves])))
        defined = ~np.isnan(found.estimate[models:])

        def joined(each: np.ndarray) -> np.ndarray:
            """Return models' values, and after them the mean over the halves."""
            if not len(halves):
                return each
            splits = each[..., models:][..., defined].sum(axis=-1, keepdims=True)
            return np.concatenate([each[..., :models], splits / max(defined.sum(), 1)], axis=-1)

        effects, estimate = joined(found.effects), joined(found.estimate)
        estimate[models:] = np.where(defined.any(), estimate[models:], np.nan)
        # A time moves its image's mean by what it differs from that, over how many there are.
        apart = np.nan_to_num(times - _means(times, np.ones((1, people), dtype=bool)))
        apart /= np.sqrt(max(1 - 1 / people, 0.5))
        members = np.vstack([np.zeros_like(everyone), halves]), np.vstack([everyone, ~halves])
        first_share, second_share = (
            each / np.maximum(each.sum(axis=1, keepdims=True), 1) for each in members
        )
        cells = [
            effects / people
            + apart[:, [person]]
            * joined(found.slopes[0] * first_share[:, person]
                     + found.slopes[1] * second_share[:, person])
            for person in range(people)
        ]  # fmt: skip
        shown = found.shown[:, :models]
        if len(halves):
            shown = np.hstack([shown, found.shown[:, models:].any(axis=1, keepdims=True)])
        return cls(estimate, effects, shown, np.concatenate(cells))


def _left_out(others: np.ndarray, times: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Return what each person moves the correlations by, (P, G): the jackknife."""
    people = times.shape[1]
    found = np.stack([
        _Correlations.of(others, np.where(is_out, np.nan, times), halves).estimate
        for is_out in np.eye(people, dtype=bool)
    ])  # fmt: skip
    return (found.mean(axis=0) - found) * (1 - 1 / people)


def _halves(people: int, seed: int) -> np.ndarray:
    """Return splits of people: bool, shape (B, P), true for one half."""
    size = people // 2
    if size == 0:
        return np.zeros((0, people), dtype=bool)
    if comb(people, size) // (1 + (people == 2 * size)) <= _SPLITS:
        chosen = [np.array(half) for half in combinations(range(people), size)]
        # Of an even number, each split comes twice: once for either half.
        chosen = chosen[: len(chosen) // 2] if people == 2 * size else chosen
    else:
        rng = np.random.default_rng(seed)
        chosen = [rng.permutation(people)[:size] for _ in range(_SPLITS)]
    mask = np.zeros((len(chosen), people), dtype=bool)
    np.put_along_axis(mask, np.stack(chosen), values=True, axis=1)
    return mask


def _means(times: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return each image's mean time over groups of people, (S, B); NaN where there is none."""
    known = ~np.isnan(times)
    return divide(np.where(known, times, 0.0) @ members.T, (known @ members.T.astype(np.float64)))

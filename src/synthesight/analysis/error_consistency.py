"""Error consistency: whether two observers err on the same images, beyond what accuracy implies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.agreement import against_people, by_group
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.pairs import Agreement
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.analysis.registry import metric


def kappa(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return κ = (c_obs − c_exp) / (1 − c_exp) (Geirhos, Meding & Wichmann 2020).

    Parameters
    ----------
    observed, expected
        float64, any shape: agreement as it is, and of independent observers.

    Returns
    -------
    float64 of that shape, in [−1, 1]; NaN where c_exp = 1: two observers who are always right, or
    always wrong, agree by necessity, and nothing can be said about their errors. (The published
    toolbox says 1 there.)

    Examples
    --------
    >>> kappa(0.8, 0.6).round(3).item()
    0.5
    """
    # c_exp is a sum of products of quotients: "1" may be a few units of rounding away.
    room = np.where(1 - np.asarray(expected) > 1e-12, 1 - np.asarray(expected), 0.0)
    return divide(np.asarray(observed) - expected, room)


def kappa_of(agreement: Agreement) -> np.ndarray:
    """Return κ of pairs of observers, NaN where undefined."""
    return kappa(agreement.observed, agreement.expected)


@metric(
    title="Error consistency",
    unit="κ",
    direction="higher",
    text="Agreement with people on which images are hard, beyond what accuracy implies.",
    paper=("geirhos2020beyond", "klein2025quantifying", "zou2008construction", "mantel1963chi"),
    statistic=kappa_of,
)
def error_consistency(
    trials: pl.DataFrame,
    by: Sequence[str] = (),
    *,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the mean κ of each model with people, and of people with each other.

    Two observers are compared on the stimuli that both saw in a condition; two who share none are
    no pair. No response is an error. A stimulus that an observer saw more than once counts once,
    with the share of its correct responses: agreement is then that of a response drawn from each.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas, with human observers (kind ``human``) on the same
        images.
    by
        Column or columns that tell groups of trials, such as a factor: κ is then of the images of
        each level, with the accuracies of that level. None: of all images.
    trivial
        Whether to count the conditions that the benchmark leaves out.
    population
        What the interval lets vary: see :func:`accuracy`. ``"new-people"`` are other people to be
        compared with; one person in a dataset, or for the row of people two, tell nothing of them.
    resamples
        0 leaves the interval out. It needs no resamples here.

    Returns
    -------
    One row a model, and one called ``people``, of kind human, which averages over all pairs of two
    people: the ceiling. Columns observer, kind, estimate (null where κ is undefined for every
    pair), low, high, n (stimuli that were compared, added up over pairs), datasets, conditions,
    undefined (conditions without any defined pair), population, weak (fewer than ten errors, or
    right responses, of either observer in a condition: the interval holds too seldom, or more
    often than it says) and p (of κ = 0, accuracies given: Mantel 1963); before them the columns
    ``by``.

    Raises
    ------
    SynthesightError
        If there are no human observers to compare with.
    """

    def table(part: pl.DataFrame) -> pl.DataFrame:
        found = against_people(part, [kappa_of], trivial=trivial, population=population)[0]
        return found.table(intervals=resamples > 0, chance=True)

    return by_group(judged(trials, by), by, table)

"""Two observers on the same stimuli: how often each is right, and how often they agree.

The sums behind error consistency, observed consistency and the accuracy difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthesight.analysis.bootstrap import resampled_sums, weights
from synthesight.analysis.conditions import without_trivial
from synthesight.analysis.means import Means
from synthesight.analysis.panels import Panel, judged, panels
from synthesight.analysis.ratios import divide
from synthesight.errors import SynthesightError

PEOPLE = "people"  # how the row of the human-to-human ceiling is called


@dataclass(frozen=True, eq=False)
class Agreement:
    """Of P pairs of observers on the stimuli that both saw; leading axes as they come.

    Attributes
    ----------
    first, second
        float64, shape (..., P): accuracy of either. NaN where the two share no stimulus.
    observed
        float64, shape (..., P): share of stimuli on which both are right or both are wrong,
        whatever they answered.
    """

    first: np.ndarray
    second: np.ndarray
    observed: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """Agreement of two independent observers of these accuracies."""
        return self.first * self.second + (1 - self.first) * (1 - self.second)

    @classmethod
    def of_sums(cls, sums: np.ndarray) -> Agreement:
        """From sums over stimuli, shape (..., 4 P): see :func:`pair_columns`."""
        n, first, second, both = np.split(sums, 4, axis=-1)
        return cls(divide(first, n), divide(second, n), divide(n - first - second + 2 * both, n))


Measure = Callable[[Agreement], np.ndarray]


def pair_columns(panel: Panel, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What adds up to the agreement of pairs of a panel's columns.

    Parameters
    ----------
    panel
        With the value ``correct``. An observer who saw a stimulus more than once counts with the
        share of its correct responses.
    a, b
        int64, shape (P,): the columns of each pair.

    Returns
    -------
    float64, shape (S, 4 P): stimulus seen by both; first right; second right; both right.
    """
    share = np.nan_to_num(divide(panel.values["correct"], panel.seen))
    seen = (panel.seen > 0).astype(np.float64)
    first, second = share[:, a] * seen[:, b], share[:, b] * seen[:, a]
    return np.hstack([seen[:, a] * seen[:, b], first, second, share[:, a] * share[:, b]])


def correctness(trials: pl.DataFrame, *, trivial: bool) -> Iterator[Panel]:
    """Panels of who was right, one a dataset and condition.

    Raises
    ------
    SynthesightError
        If there are no trials, or only of conditions that the benchmark leaves out.
    """
    known = judged(trials)
    counted = known if trivial else without_trivial(known)
    if counted.is_empty():
        raise SynthesightError(
            "There are no trials to compare"
            + (": give some." if known.is_empty() else
               " but of trivial conditions: give others, or count these with trivial=True.")
        )  # fmt: skip
    values = {"correct": pl.col("correct")}
    return panels(counted, ["dataset", "condition"], ["observer", "kind"], values)


def against_people(
    trials: pl.DataFrame,
    measure: Measure,
    *,
    trivial: bool,
    resample_observers: bool,
    resamples: int,
    seed: int,
) -> pl.DataFrame:
    """A measure of each model with each human observer, averaged as the benchmark does.

    Over the human observers of a condition, then over conditions, then over datasets. A pair for
    which the measure is undefined is left out and counted.

    Returns
    -------
    One row a model, and one called ``people``, of kind human, which averages over all pairs of
    two people: the ceiling. Columns observer, kind, estimate, low, high, n (stimuli that were
    compared, added up over pairs), datasets, conditions, and undefined (conditions without any
    defined pair).
    """
    human = pl.col("kind") == "human"
    models = trials.filter(~human.fill_null(False)).select("observer", "kind").unique()
    people = pl.DataFrame({"observer": [PEOPLE], "kind": ["human"]})
    groups = pl.concat([models.sort("observer", "kind"), people])
    means = Means(groups, resamples)
    rng = np.random.default_rng(seed)
    alone = True
    for panel in correctness(trials, trivial=trivial):
        persons = np.flatnonzero(panel.columns.select(human.fill_null(False)).to_series())
        others = np.setdiff1d(np.arange(len(panel.columns)), persons)
        if len(persons) == 0:
            continue
        grid = [grid.ravel() for grid in np.meshgrid(others, persons, indexing="ij")]
        two = np.triu_indices(len(persons), k=1)
        a = np.concatenate([grid[0], persons[two[0]]])
        b = np.concatenate([grid[1], persons[two[1]]])
        if len(a) == 0:
            continue
        alone = False
        columns = pair_columns(panel, a, b)
        n = columns[:, : len(a)].sum(axis=0)
        estimate = measure(Agreement.of_sums(columns.sum(axis=0)))
        replicates = measure(Agreement.of_sums(resampled_sums(columns, resamples, rng)))
        # The group of each pair: one of the models, or last, people.
        group = np.concatenate(
            [np.repeat(np.arange(len(others)), len(persons)), np.full(len(two[0]), len(others))]
        )
        rows = np.zeros((len(a), len(others) + 1))
        rows[np.arange(len(a)), group] = 1.0
        times = np.ones((resamples, len(a)))
        if resample_observers:
            counts = np.ones((resamples, len(panel.columns)))
            counts[:, persons] = weights(len(persons), resamples, rng)
            times = counts[:, a] * counts[:, b]
        used = rows.any(axis=0)
        names = pl.concat([panel.columns[others], people])
        means.add(
            str(panel.key[0]),
            names.filter(pl.Series(used)),
            _mean(estimate[None], np.ones((1, len(a))), rows)[0, used],
            _mean(replicates, times, rows)[:, used],
            (n @ rows)[used].astype(np.int64),
        )
    if alone:
        raise SynthesightError(
            "There is nobody to compare with: add the trials of people who saw the same datasets "
            "(load_human_trials), of kind 'human'."
        )
    table = means.table()
    return table.filter(pl.col("datasets") + pl.col("undefined") > 0)


def _mean(values: np.ndarray, times: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Weighted mean, in each group of pairs, of the values that are defined; shape (B, G)."""
    defined = ~np.isnan(values)
    return divide((np.where(defined, values, 0.0) * times) @ groups, (defined * times) @ groups)

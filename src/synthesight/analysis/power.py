"""How many trials a study of error consistency needs.

Observers are simulated whose joint errors have given accuracies and a given κ, as Klein et al.
(2025) do: κ fixes the agreement; agreement and accuracies fix the table of who is right when. That
is the table of an observer who copies the other's success on some share of the images and is
independent on the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.joint_tables import TOSSED
from synthesight.analysis._stats.limits import student
from synthesight.analysis._stats.pairs import pair_ends
from synthesight.analysis.error_consistency import kappa, kappa_of
from synthesight.errors import SynthesightError

TRIALS = (20, 40, 80, 160, 320, 640, 1280, 2560, 5120)
EXPERIMENTS = 2000


def joint_probabilities(first: float, second: float, consistency: float) -> np.ndarray:
    """Return the probabilities of (right, right), (right, wrong), (wrong, right), (wrong, wrong).

    Parameters
    ----------
    first, second
        Accuracies of two observers.
    consistency
        Their κ.

    Raises
    ------
    SynthesightError
        If an accuracy is not between 0 and 1, or no two observers of these accuracies can have
        that κ.
    """
    for accuracy in (first, second):
        if not 0 < accuracy < 1:
            raise SynthesightError(
                f"An accuracy of {accuracy} leaves κ undefined: give one between 0 and 1."
            )
    expected = first * second + (1 - first) * (1 - second)
    observed = expected + consistency * (1 - expected)
    both = (observed + first + second - 1) / 2
    table = np.array([both, first - both, second - both, 1 - first - second + both])
    if not table.min() >= -1e-12:  # nor where κ is no number
        ends = [(1 - abs(first - second) - expected), (abs(first + second - 1) - expected)]
        high, low = (end / (1 - expected) for end in ends)
        raise SynthesightError(
            f"Observers of accuracies {first} and {second} cannot have κ = {consistency}: it lies "
            f"between {low:.2f} and {high:.2f}."
        )
    return np.maximum(table, 0.0)


def power(
    first: float,
    second: float,
    consistency: float,
    *,
    difference: float | None = None,
    trials: Sequence[int] = TRIALS,
    experiments: int = EXPERIMENTS,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the precision of κ, and the power to tell two κ apart, by the number of trials.

    Parameters
    ----------
    first, second
        Accuracies of the two observers.
    consistency
        Their true κ.
    difference
        For the power: a third observer, with the accuracy of the second, has κ + difference with
        the first, on the same images; the two are else independent.
    trials
        Numbers of trials to simulate.
    experiments
        Simulated studies for each number of trials.
    seed
        Seed of the simulation.

    Returns
    -------
    One row a number of trials: ``trials``; ``low``, ``high``: 95 % of studies find κ between
    these, null where κ is defined in none; ``undefined``: share of studies where it is not, or,
    with ``difference``, where either is not. With ``difference`` also ``power``: the share of all
    studies in which :func:`compare` sees it, at 5 %.
    """
    rng = np.random.default_rng(seed)
    table = joint_probabilities(first, second, consistency)
    cells = (
        table
        if difference is None
        else three_probabilities(table, first, second, consistency + difference)
    )
    rows = []
    for count in trials:
        drawn = rng.multinomial(count, cells / cells.sum(), size=experiments)
        # Cells are (first, second), and in a comparison (first, second, third), right or wrong.
        pairs = [drawn] if difference is None else _two_tables(drawn)
        kappas = [_kappa_of(pair / count) for pair in pairs]
        missing = np.isnan(kappas).any(axis=0)
        defined = kappas[0][~np.isnan(kappas[0])]
        ends = np.quantile(defined, [0.025, 0.975]) if len(defined) else (None, None)
        row: dict[str, float | None] = {"trials": count, "undefined": float(missing.mean())}
        row |= dict(zip(("low", "high"), ends, strict=True))
        if difference is not None:
            # A study in which κ is undefined sees no difference.
            row["power"] = float(told_apart(drawn[~missing]).sum() / experiments)
        rows.append(row)
    order = ["trials", "low", "high", "undefined", *(["power"] if difference is not None else [])]
    return pl.DataFrame(rows).select(order)


def trials_needed(table: pl.DataFrame, wanted: float = 0.8) -> int | None:
    """Return the trials at which power reaches ``wanted``, interpolated; None beyond the table."""
    reached = np.maximum.accumulate(table["power"].to_numpy())
    if reached[-1] < wanted:
        return None
    if reached[0] >= wanted:
        return int(table["trials"][0])
    at = int(np.argmax(reached >= wanted))
    logs = np.log(table["trials"].to_numpy())
    share = (wanted - reached[at - 1]) / (reached[at] - reached[at - 1])
    return int(np.ceil(np.exp(logs[at - 1] + share * (logs[at] - logs[at - 1]))))


def three_probabilities(
    table: np.ndarray, first: float, second: float, consistency: float
) -> np.ndarray:
    """Return joint probabilities of three observers, the last two independent given the first."""
    other = joint_probabilities(first, second, consistency)
    given = np.array([first, 1 - first])[:, None]
    return np.einsum("ij,ik->ijk", table.reshape(2, 2), other.reshape(2, 2) / given).reshape(-1)


def _two_tables(drawn: np.ndarray) -> list[np.ndarray]:
    """Return the tables of the first observer with the second, and with the third: shape (E, 4)."""
    cube = drawn.reshape(-1, 2, 2, 2)
    return [cube.sum(axis=side).reshape(-1, 4) for side in (3, 2)]


def told_apart(drawn: np.ndarray) -> np.ndarray:
    """Return which studies :func:`compare` finds significant: bool, shape (E,).

    Parameters
    ----------
    drawn
        int64, shape (E, 8): images by who of the three was right; κ is defined in both tables.
    """
    if len(drawn) == 0:
        return np.zeros(0, dtype=bool)
    n = drawn.sum(axis=1).astype(np.float64)
    ends = []
    for table in _two_tables(drawn):
        both, one, two, none = table.T / n
        ends.append(pair_ends(kappa_of, (both + one, both + two, both + none), n))
    second, third = ends
    gap = third.centre - second.centre
    # The nearer end of the interval: the upper one of a difference below 0.
    up = np.where(gap > 0, third.below, third.above) * third.effects.of_outcomes
    down = np.where(gap > 0, second.above, second.below) * second.effects.of_outcomes
    squares = [
        (
            weights.T.reshape(2, 2, 2, -1)
            * (up.reshape(2, 1, 2, -1) - down.reshape(2, 2, 1, -1)) ** 2
        )
        for up, down, weights in (
            (up, down, drawn + TOSSED / 8),
            (third.without.of_outcomes, second.without.of_outcomes, drawn),
        )
    ]
    variance = np.max([each.sum(axis=(0, 1, 2)) for each in squares], axis=0)
    return np.asarray(np.abs(gap) > student(n - 1) * np.sqrt(variance * n / np.maximum(n - 1, 1)))


def _kappa_of(cells: np.ndarray) -> np.ndarray:
    """Return κ of tables (right-right, right-wrong, wrong-right, wrong-wrong), shape (…, 4)."""
    both, one, two, none = np.moveaxis(cells, -1, 0)
    first, second = both + one, both + two
    return kappa(both + none, first * second + (1 - first) * (1 - second))

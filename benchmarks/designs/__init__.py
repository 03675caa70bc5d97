"""Simulated studies whose truth is known, to measure what intervals and tests promise.

A design is a function of (n, studies, rng) that simulates so many studies of size n,
computes the measure of each through the public functions of ``synthesight.analysis``, and returns
what they found. To add one, write the function in a module of this folder, declare it with
:func:`design`, and name the module in ``MODULES`` of ``coverage.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

SIZES = (20, 80, 160, 1280)
CATEGORIES = ("cat", "dog", "car", "oven")


@dataclass(frozen=True, eq=False)
class Found:
    """What simulated studies found.

    Attributes
    ----------
    low, high
        float64, shape (studies,): the intervals; NaN where withheld.
    truth
        The true value, or float64 of shape (studies,).
    p
        float64, shape (studies,): p-values of the test of a null hypothesis that is true; None
        where nothing is tested.
    """

    low: np.ndarray
    high: np.ndarray
    truth: float | np.ndarray
    p: np.ndarray | None = None


Simulate = Callable[[int, int, np.random.Generator], Found]


@dataclass(frozen=True, eq=False)
class Design:
    """A design: its name, the population that intervals speak of, and sizes n to run it at."""

    measure: str
    name: str
    population: str
    sizes: Sequence[int]
    simulate: Simulate


DESIGNS: list[Design] = []


def design(
    measure: str, name: str, population: str, sizes: Sequence[int] = SIZES
) -> Callable[[Simulate], Simulate]:
    """Declare a function to be a design; several declarations of one function are several."""

    def declare(simulate: Simulate) -> Simulate:
        DESIGNS.append(Design(measure, name, population, sizes, simulate))
        return simulate

    return declare


def trials_of(
    right: np.ndarray,
    observers: Sequence[str],
    kind: str = "discriminative",
    *,
    image: np.ndarray | None = None,
) -> pl.DataFrame:
    """Return trials of which each study is a dataset, so that one call measures all of them.

    Parameters
    ----------
    right
        bool, shape (studies, observers, images): who was right.
    observers
        Names of the observers.
    image
        str, shape (images,): what the images are called. None: by number.
    """
    studies, _, images = right.shape
    names = [f"{n}.png" for n in range(images)] if image is None else image.tolist()
    study, who, which = (axis.ravel() for axis in np.indices(right.shape))
    return pl.DataFrame(
        {
            "dataset": pl.Series([f"study{n:05}" for n in range(studies)]).gather(study),
            "observer": pl.Series(list(observers)).gather(who),
            "stimulus": pl.Series(names).gather(which),
            "response": np.where(right.ravel(), "cat", "dog"),
        }
    ).with_columns(category=pl.lit("cat"), kind=pl.lit(kind))


def intervals(table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns low and high, NaN where null."""
    low, high = (
        table[end].cast(pl.Float64).fill_null(np.nan).to_numpy() for end in ("low", "high")
    )
    return low, high

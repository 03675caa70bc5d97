"""Keep what is known of images that are not decided yet, so that it is not computed again.

Increments are pure functions of (seed, stimulus id, index), and what a rule makes of them depends
on nothing else. So their nats are all that has to be kept: an image that goes on from them takes
the same decisions, at the same cost, as one that was never interrupted.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from synthesight.stimuli.stimulus import Stimulus

KEPT = np.dtype([("draw", "<u4"), ("unit", "<u4"), ("nats", "<f8")])
"""One network evaluation: index of the draw or first part, unit (a class, or a label), nats."""


@runtime_checkable
class Keeper(Protocol):
    """Stimuli that keep the nats of those among them that are not decided yet."""

    def begin(self, stimulus: Stimulus) -> tuple[int, np.ndarray | None]:
        """Say that an image starts.

        Returns
        -------
        A number that stands for it in :meth:`keep`, and what is known of it from an earlier
        attempt, of dtype ``KEPT``, in any order.
        """
        ...

    def keep(
        self, number: np.ndarray, draw: np.ndarray, unit: np.ndarray, nats: np.ndarray
    ) -> None:
        """Keep network evaluations, each of an image that has started; arrays of shape (B,)."""
        ...


def as_table(kept: np.ndarray, draws: int, units: int) -> np.ndarray:
    """Return what is kept as a table of draws and units: float64, (D, U), NaN where nothing is.

    What lies beyond the most draws or units that there can be is left out.
    """
    kept = kept[(kept["draw"] < draws) & (kept["unit"] < units) & np.isfinite(kept["nats"])]
    table = np.full((int(kept["draw"].max(initial=0)) + 1, units), np.nan)
    table[kept["draw"], kept["unit"]] = kept["nats"]
    return table

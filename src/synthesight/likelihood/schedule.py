"""Noise schedules: how much of the image and how much noise is in z_t.

All of them say z_t = α_t x + σ_t ε with t from 0 (image) to 1 (noise) and answer on a grid of
cells, one for each timestep that the network was trained on, or, where time is continuous,
``CELLS`` equal ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

CELLS = 1000


@dataclass(frozen=True, eq=False)
class Schedule:
    """α and σ at the times of a grid.

    Attributes
    ----------
    times
        float64, shape (T,), increasing, in (0, 1]: the time of each cell.
    alpha, sigma
        float64, shape (T,): z_t = alpha x + sigma ε.
    flow
        True where the path is the straight line of rectified flow, α = 1 − t, σ = t.
    """

    times: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    flow: bool = False

    @classmethod
    def diffusion(cls, alphas_cumprod: np.ndarray) -> Schedule:
        """The variance-preserving schedule of a discrete diffusion model.

        Parameters
        ----------
        alphas_cumprod
            shape (T,): ᾱ of Ho et al. (2020), from the least noise to the most. Index i is
            time (i + 1) / T; α = √ᾱ, σ = √(1 − ᾱ).
        """
        bar = np.asarray(alphas_cumprod, dtype=np.float64)
        times = np.arange(1, len(bar) + 1) / len(bar)
        return cls(times, np.sqrt(bar), np.sqrt(1.0 - bar))

    @classmethod
    def rectified_flow(cls) -> Schedule:
        """Straight paths (Liu et al. 2023; Lipman et al. 2023): z_t = (1 − t) x + t ε.

        Time is continuous; the cells' mid-points stand for it.
        """
        times = (np.arange(CELLS) + 0.5) / CELLS
        return cls(times, 1.0 - times, times, flow=True)

    @cached_property
    def snr(self) -> np.ndarray:
        """Signal-to-noise ratio α² / σ², shape (T,)."""
        return (self.alpha / self.sigma) ** 2

    def __len__(self) -> int:
        return len(self.times)

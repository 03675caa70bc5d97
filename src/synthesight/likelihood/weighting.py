"""Weightings: how much the error at each time counts, and where the draws are spent.

Evidence for a class is −E[w_t ‖x − x̂‖²] with t uniform on the schedule's times. To spend draws
where they tell classes apart, times may be drawn from a proposal p instead; each error is then
weighted by w_t / p_t, which leaves the expectation as it is (importance sampling).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.likelihood.schedule import Schedule


def jaini(schedule: Schedule) -> np.ndarray:
    """w_t = exp(−7 t) on x̂ (Clark & Jaini 2023; Jaini, Clark & Geirhos 2024)."""
    return np.exp(-7.0 * schedule.times)


def epsilon(schedule: Schedule) -> np.ndarray:
    """Uniform on the noise error ‖ε − ε̂‖², which is w_t = SNR_t on x̂ (Li et al. 2023)."""
    return schedule.snr


def elbo(schedule: Schedule) -> np.ndarray:
    """The variational bound: evidence is then log p(x given class), in nats, up to a constant.

    Discrete time: w_i = T/2 · (SNR_{i−1} − SNR_i), Kingma et al. (2021), equation 14, for i ≥ 1;
    the reconstruction term i = 0 is no denoising error and counts nothing. Continuous time: the
    limit of the same, w_t = −½ dSNR/dt, which is (1 − t) / t³ where time is continuous.
    """
    if schedule.continuous:
        return (1.0 - schedule.times) / schedule.times**3 / schedule.noise_scale**2
    weight = np.zeros(len(schedule))
    weight[1:] = -0.5 * len(schedule) * np.diff(schedule.snr)
    return weight


def uniform(schedule: Schedule) -> np.ndarray:
    """w_t = 1 on x̂."""
    return np.ones(len(schedule))


WEIGHTINGS: dict[str, Callable[[Schedule], np.ndarray]] = {
    "jaini": jaini,
    "epsilon": epsilon,
    "elbo": elbo,
    "uniform": uniform,
}


def weights(weighting: str | Sequence[float], schedule: Schedule) -> np.ndarray:
    """The weight of each of the schedule's times, float64, shape (T,).

    Parameters
    ----------
    weighting
        A name among :data:`WEIGHTINGS`, or a table of non-negative weights at equally spaced times
        from 0 to 1, interpolated linearly.

    Raises
    ------
    SynthesightError
        If the name is unknown, or the table is not a list of finite weights ≥ 0, not all 0.
    """
    if isinstance(weighting, str):
        if weighting not in WEIGHTINGS:
            raise SynthesightError(
                f"There is no weighting {weighting!r}: choose one of {', '.join(WEIGHTINGS)}."
            )
        return WEIGHTINGS[weighting](schedule)
    table = np.asarray(weighting, dtype=np.float64)
    if table.ndim != 1 or len(table) < 2 or not np.isfinite(table).all() or (table < 0).any():
        raise SynthesightError(
            "The table of weights cannot be: give two or more finite numbers of 0 or more, for "
            "equally spaced times from 0 to 1."
        )
    if not table.any():
        raise SynthesightError("The table of weights has none above 0: give at least one.")
    return np.interp(schedule.times, np.linspace(0.0, 1.0, len(table)), table)


@dataclass(frozen=True, eq=False)
class TimeSampler:
    """Turns uniform numbers into timesteps, and errors into weighted errors.

    Attributes
    ----------
    cumulative
        float64, shape (T,): cumulative probability of the timesteps under the proposal.
    factor
        float64, shape (T,): w_t / (T p_t), by which a squared error is multiplied.
    """

    cumulative: np.ndarray
    factor: np.ndarray

    @classmethod
    def create(
        cls,
        schedule: Schedule,
        weighting: str | Sequence[float],
        proposal: Sequence[float] | None = None,
    ) -> TimeSampler:
        """Combine a weighting with a proposal.

        Parameters
        ----------
        proposal
            Density of draws over time, a table like that of :func:`weights`; None draws times
            uniformly, but for ``elbo``, whose weights span many orders of magnitude: there, times
            are uniform in log SNR, where the bound's integrand is the error in ε.
        """
        weight = weights(weighting, schedule)
        if proposal is not None:
            density = weights(proposal, schedule)
        elif isinstance(weighting, str) and weighting == "elbo":
            density = np.abs(np.gradient(np.log(np.maximum(schedule.snr, 1e-12))))
        else:
            density = np.ones(len(schedule))
        if 0 < density.max() < 1e-200:  # a thousandth of it would be 0
            density = density / density.max()
        # Times of no weight are never drawn; times of some weight always can be, whatever the
        # proposal, or the evidence would be biased.
        density = np.where(weight > 0, np.maximum(density, 1e-3 * density.max()), 0.0)
        if not (np.isfinite(density).all() and density.sum() > 0):
            raise SynthesightError(
                "The weighting gives no time of the model's schedule a weight: choose another "
                "`weighting`, or get the model anew."
            )
        probability = density / density.sum()
        factor = np.divide(
            weight, len(schedule) * probability, out=np.zeros_like(weight), where=probability > 0
        )
        return cls(np.cumsum(probability), factor)

    def steps(self, uniform: np.ndarray) -> np.ndarray:
        """Timestep of each uniform number in [0, 1): int64, the shape of ``uniform``."""
        found = np.searchsorted(self.cumulative, uniform * self.cumulative[-1], side="right")
        return np.minimum(found, len(self.cumulative) - 1).astype(np.int64)

"""Noise schedules: how much of the image and how much noise is in z_t, and what the network says.

All of them say z_t = α_t x + σ_t ε with t from 0 (image) to 1 (noise) and answer on a grid of
cells, one for each timestep that the network was trained on, or, where time is continuous,
``CELLS`` equal ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor, as_tensor

from synthesight.errors import SynthesightError

CELLS = 1000

Prediction = Literal["epsilon", "v_prediction", "sample", "flow_prediction", "reversed_flow", "edm"]
PREDICTIONS: tuple[str, ...] = get_args(Prediction)


@dataclass(frozen=True, eq=False)
class Schedule:
    """α and σ at the times of a grid.

    Attributes
    ----------
    times
        float64, shape (T,), increasing, in (0, 1]: the time of each cell.
    alpha, sigma
        float64, shape (T,): z_t = alpha x + sigma ε.
    timesteps
        float64, shape (T,): how the scheduler numbers these times for the network.
    continuous
        Whether time is continuous: the signal-to-noise ratio is then ((1 − t) / t)².
    data_scale
        Standard deviation of the data that the network was trained for: x is divided by it.
    noise_scale
        Standard deviation of ε, which is 1 but for a few models of pixels.
    """

    times: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    timesteps: np.ndarray
    continuous: bool = False
    data_scale: float = 1.0
    noise_scale: float = 1.0

    @classmethod
    def diffusion(cls, alphas_cumprod: np.ndarray) -> Schedule:
        """Return the variance-preserving schedule of a discrete diffusion model.

        Parameters
        ----------
        alphas_cumprod
            shape (T,): ᾱ of Ho et al. (2020), from the least noise to the most. Index i is
            time (i + 1) / T; α = √ᾱ, σ = √(1 − ᾱ).
        """
        bar = np.asarray(alphas_cumprod, dtype=np.float64)
        index = np.arange(len(bar), dtype=np.float64)
        return cls((index + 1) / len(bar), np.sqrt(bar), np.sqrt(1.0 - bar), index)

    @classmethod
    def rectified_flow(cls, train_timesteps: float = 1000.0) -> Schedule:
        """Return straight paths (Liu et al. 2023; Lipman et al. 2023): z_t = (1 − t) x + t ε.

        Time is continuous; the cells' mid-points stand for it.

        Parameters
        ----------
        train_timesteps
            What the network is told at t = 1.
        """
        times = (np.arange(CELLS) + 0.5) / CELLS
        return cls(times, 1.0 - times, times, train_timesteps * times, continuous=True)

    @classmethod
    def edm(cls, sigma_min: float, sigma_max: float, sigma_data: float) -> Schedule:
        """Return the noise levels of a preconditioned network (Karras et al. 2022).

        They add noise of standard deviation s to data of standard deviation ``sigma_data`` and
        divide by √(s² + sigma_data²), which is z_t = α x + σ ε with α² + σ² = 1 and x of unit
        variance. A level has the time of the straight path with the same signal-to-noise ratio,
        t = s / (s + sigma_data); the network is told ¼ ln s.
        """
        times = (np.arange(CELLS) + 0.5) / CELLS
        level = sigma_data * times / (1.0 - times)
        known = (level >= sigma_min) & (level <= sigma_max)
        times, level = times[known], level[known]
        ratio = level / sigma_data
        alpha = 1.0 / np.sqrt(1.0 + ratio**2)
        return cls(times, alpha, ratio * alpha, 0.25 * np.log(level), True, sigma_data)

    def told(self, timesteps: np.ndarray, sigmas: np.ndarray) -> Schedule:
        """Return the schedule of a pipeline that numbers times in a way of its own.

        Parameters
        ----------
        timesteps, sigmas
            float64, shape (N,): some of its timesteps and the noise σ that goes with each.
        """
        order = np.argsort(sigmas)
        return replace(self, timesteps=np.interp(self.sigma, sigmas[order], timesteps[order]))

    @cached_property
    def snr(self) -> np.ndarray:
        """Signal-to-noise ratio α² / σ², shape (T,)."""
        return (self.alpha / (self.noise_scale * self.sigma)) ** 2

    def __len__(self) -> int:
        return len(self.times)


def clean_estimate(
    prediction: Prediction, output: Tensor, z: Tensor, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """Return x̂, given what the network says about z = α x + σ ε: float32, the shape of z.

    What it predicts: ``"epsilon"`` is ε (Ho et al. 2020); ``"v_prediction"`` is α ε − σ x (Salimans
    & Ho 2022); ``"sample"`` is x; ``"flow_prediction"`` is ε − x (Liu et al. 2023; Lipman et al.
    2023) and ``"reversed_flow"`` x − ε; ``"edm"`` is F of Karras et al. (2022), equation 7, with z
    and x in units in which α² + σ² = 1.
    """
    if prediction == "epsilon":
        return (z - sigma * output) / alpha
    if prediction == "v_prediction":
        return (alpha * z - sigma * output) / (alpha**2 + sigma**2)
    if prediction == "flow_prediction":
        return (z - sigma * output) / (alpha + sigma)
    if prediction == "reversed_flow":
        return (z + sigma * output) / (alpha + sigma)
    if prediction == "edm":
        return alpha * z + sigma * output
    return output


def read_schedule(scheduler: Any, name: str) -> tuple[Schedule, Prediction]:
    """Return the schedule that a network was trained on and what it predicts.

    How a scheduler of diffusers would sample does not matter.
    """
    kind = type(scheduler).__name__
    config = scheduler.config
    flow = kind.startswith("FlowMatch")
    prediction = config.get("prediction_type", "flow_prediction" if flow else "epsilon")
    if prediction not in PREDICTIONS[:4]:
        raise SynthesightError(
            f"{name} has the prediction_type {prediction!r}, which is not supported: choose a "
            f"model that predicts one of {', '.join(PREDICTIONS[:4])}."
        )
    if kind.startswith("EDM"):
        # Their v has the opposite sign of F, and is v of a variance-preserving schedule.
        levels = Schedule.edm(config["sigma_min"], config["sigma_max"], config["sigma_data"])
        return levels, "v_prediction" if prediction == "v_prediction" else "edm"
    if flow or prediction == "flow_prediction":
        schedule = Schedule.rectified_flow(config.get("num_train_timesteps", 1000))
        if config.get("invert_sigmas"):  # time runs from noise to the image
            backwards = schedule.timesteps[::-1].copy()
            return replace(schedule, timesteps=backwards), "reversed_flow"
        return schedule, "flow_prediction"
    bar = getattr(scheduler, "alphas_cumprod", None)
    if bar is None:
        raise SynthesightError(
            f"{name} has a scheduler of class {kind}, which has neither alphas_cumprod nor "
            "straight paths: choose a DDPM-like, a FlowMatch or an EDM scheduler."
        )
    schedule = Schedule.diffusion(as_tensor(bar).cpu().double().numpy())
    if prediction == "epsilon" and not schedule.alpha.all():
        raise SynthesightError(
            f"{name} predicts ε under a schedule that ends in pure noise, from which x̂ cannot be "
            "had: set rescale_betas_zero_snr to false or prediction_type to v_prediction in its "
            "scheduler_config.json, as it was trained."
        )
    return schedule, prediction

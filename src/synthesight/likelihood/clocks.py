"""The clock and the noise of a pipeline, where they are not its scheduler's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from synthesight.likelihood.plumbing import FirstCall
from synthesight.likelihood.schedule import Schedule

SEED = 0  # of what a pipeline draws besides the noise that is handed out


def as_told(schedule: Schedule, first: FirstCall) -> Schedule:
    """The schedule with the timesteps and the noise that the pipeline itself has."""
    schedule = replace(schedule, noise_scale=_noise_scale(first.sample))
    timesteps, sigmas = (None if values is None else values.cpu().double().numpy()
                         for values in first.clock)  # fmt: skip
    if not schedule.continuous or sigmas is None or timesteps is None or schedule.data_scale != 1:
        return schedule
    sigmas = np.asarray(sigmas)[: len(timesteps)]
    if schedule.timesteps[0] > schedule.timesteps[-1]:  # time runs backwards, and so do these
        return schedule
    expected = np.interp(sigmas, schedule.sigma, schedule.timesteps)
    # A step apart is how schedulers round; a pipeline's own clock is far from that.
    if np.abs(timesteps - expected).max() <= 1.5 * schedule.timesteps.max() / len(schedule):
        return schedule
    return schedule.told(np.asarray(timesteps), sigmas)


def _noise_scale(sample: Tensor) -> float:
    """The standard deviation of the noise that a pipeline starts from: 1 unless it is another."""
    drawn = torch.randn(sample.shape, generator=torch.Generator().manual_seed(SEED))
    ratio = float(sample.float().std().cpu() / drawn.std())
    # Of the same draws it is exact; a pipeline that drew other numbers before is near it.
    chance = 4 / (2 * sample.numel()) ** 0.5
    return 1.0 if abs(ratio - 1) < max(chance, 1e-3) else round(ratio, 4)


def timesteps_at(schedule: Schedule, *times: float) -> Tensor:
    """Timesteps about these times; whole numbers where the scheduler has no others."""
    index = [min(int(time * len(schedule)), len(schedule) - 1) for time in times]
    values = torch.as_tensor(schedule.timesteps[index])
    return values.float() if schedule.continuous else values.long()

"""Deterministic sampling from any denoiser: from pure noise, or from an image behind some of it.

One step of DDIM (Song, Meng & Ermon 2021), which on the straight paths of a flow is Euler's: the
estimate x̂ and the noise ε̂ that goes with it say where the path is at the next time. There is no
guidance: what is sampled is the model that classifies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthesight.errors import SynthesightError
from synthesight.likelihood.protocol import Estimator

STEPS = 50


@torch.no_grad()
def sample(
    denoiser: Estimator, noise: Tensor, conditioning: Any, rows: Tensor, *, steps: int = STEPS
) -> Tensor:
    """Generate x of prompts from noise.

    Parameters
    ----------
    denoiser
        A model that shows its estimates.
    noise
        float32, shape (B, ...): standard normal, the shape of encoded images.
    conditioning
        What ``denoiser.prepare`` returned.
    rows
        int64, shape (B,): which of the prepared prompts each is given.
    steps
        Network evaluations of each, at most one a time of its schedule.

    Returns
    -------
    Tensor of float32, the shape of ``noise``; ``denoiser.decode`` makes images of it, if it has it.
    """
    last = len(denoiser.schedule) - 1
    return denoise_from(
        denoiser, torch.zeros_like(noise), noise, last, conditioning, rows, steps=steps
    )


@torch.no_grad()
def denoise_from(
    denoiser: Estimator,
    x: Tensor,
    noise: Tensor,
    start: int,
    conditioning: Any,
    rows: Tensor,
    *,
    steps: int = STEPS,
) -> Tensor:
    """Add noise to x, float32 (B, ...), up to a time of the schedule, and sample from there.

    ``start`` is the index of the time; all else is as in :func:`sample`. One step gives x̂ itself.
    """
    if steps < 1:
        raise SynthesightError(f"`steps={steps}` cannot be: give 1 or more.")
    schedule, device = denoiser.schedule, denoiser.device
    path = np.unique(np.linspace(start, 0, steps).round().astype(int))[::-1]
    path = path if steps > 1 else np.array([start])
    x, noise, rows = x.to(device), noise.to(device), rows.to(device)
    for step in path.tolist():
        # What the estimator is given, x and noise, makes z; what it returns, the next x and noise.
        alpha, sigma = float(schedule.alpha[step]), float(schedule.sigma[step])
        sigma *= schedule.noise_scale
        z = alpha * x + sigma * noise
        at = torch.full((len(x),), step, dtype=torch.int64, device=device)
        x = denoiser.estimate(x, noise, at, conditioning, rows)
        noise = (z - alpha * x) / sigma
    return x

"""Where in time a model tells classes apart: the proposal that its draws are taken from.

The paired difference of two classes is estimated with least variance when times are drawn in
proportion to w_t √E[d_t²], d_t being the difference of the two squared errors at time t (the usual
optimum of importance sampling). Measured once, on training images, and kept beside the weights in
``synthesight.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from synthesight.inference.draws import normal_noise, stimulus_key
from synthesight.observers.generative.protocol import LikelihoodModel
from synthesight.observers.generative.weighting import weights
from synthesight.observers.loading import SETTINGS

RIVALS = 3  # the nearest classes are what draws are needed for


def measure_proposal(
    model: LikelihoodModel,
    prompts: list[str],
    images: torch.Tensor,
    *,
    weighting: str = "jaini",
    bins: int = 20,
    repeats: int = 2,
) -> list[float]:
    """Density over time, at ``bins + 1`` equally spaced times, that tells classes apart best.

    Parameters
    ----------
    model
        The model.
    prompts
        One for each class.
    images
        float32, shape (N, 3, R, R), in [-1, 1].
    weighting
        The weighting that the proposal is for.
    bins, repeats
        Resolution in time; draws at each time of each image.
    """
    conditioning = model.prepare(prompts)
    count, classes = len(images), len(prompts)
    with torch.inference_mode():
        x = model.encode(images)
    at = np.linspace(0, len(model.schedule) - 1, bins + 1).round().astype(np.int64)
    weight = weights(weighting, model.schedule)[at]
    errors = np.empty((count, bins + 1, repeats, classes))
    rows = torch.arange(classes).repeat(count)
    for place, step in enumerate(at):
        for repeat in range(repeats):
            keys = np.stack([stimulus_key(repeat, f"proposal {i}") for i in range(count)])
            noise = torch.from_numpy(normal_noise(keys, np.full(count, place), x.shape[1:]))
            with torch.inference_mode():
                found = model.errors(
                    x.repeat_interleave(classes, 0),
                    noise.to(x.device).repeat_interleave(classes, 0),
                    torch.full((count * classes,), int(step), device=x.device),
                    conditioning,
                    rows.to(x.device),
                )
            errors[:, place, repeat] = found.cpu().numpy().reshape(count, classes) * weight[place]
    order = errors.mean(axis=(1, 2)).argsort(axis=1)
    image = np.arange(count)
    best = errors[image, :, :, order[:, 0]]
    profile = np.zeros(bins + 1)
    for rival in range(1, min(RIVALS, classes - 1) + 1):
        difference = errors[image, :, :, order[:, rival]] - best
        profile += np.square(difference).mean(axis=(0, 2))
    density = np.sqrt(profile)
    return [round(float(value), 4) for value in density / density.max()]


def write_settings(folder: Path, weighting: str, proposal: list[float]) -> None:
    """Keep a model's own weighting and proposal beside its weights."""
    settings = {"weighting": weighting, "proposal": proposal}
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

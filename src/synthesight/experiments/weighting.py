"""A model's own time weighting and proposal, measured on labelled images.

How much an error counts at each time decides what is recognised, and a small model knows other
times best than a large one. The weighting fitted here is the one under which evidence predicts the
labels best: multinomial logistic regression of the label on the errors at equally spaced times,
with weights that are not negative and vary smoothly (Clark & Jaini 2023 learnt one for Imagen, and
put exp(−7 t) in its place because it was much the same). Evidence under it is in nats.

The paired difference of two classes is then estimated with least variance when times are drawn in
proportion to w_t √E[d_t²], d_t being the difference of the two squared errors at time t (the usual
optimum of importance sampling): that is the proposal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from synthesight import files
from synthesight.draws.fitting import regress
from synthesight.experiments.images import LabelledImages
from synthesight.likelihood.loading import load_model
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.protocol import Denoiser
from synthesight.likelihood.weighting import WEIGHTINGS, weights
from synthesight.observers.given import SETTINGS
from synthesight.observers.prompts import DEFAULT_PROMPT
from synthesight.scoring import score
from synthesight.stimuli.categories import words
from synthesight.stimuli.stimulus import Stimulus

BINS, REPEATS = 20, 1  # resolution in time; draws at each time of each image
RIVALS = 3  # the nearest classes are what draws are needed for
SMOOTHNESS = 0.001  # nats an image


@dataclass(frozen=True, eq=False)
class Recording:
    """Errors of a model on labelled images.

    Attributes
    ----------
    steps
        int64, shape (T,): indices into the schedule's times, equally spaced.
    errors
        float64, shape (N, T, R, K): of each image, time, draw and class.
    labels
        int64, shape (N,): the right class.
    """

    steps: np.ndarray
    errors: np.ndarray
    labels: np.ndarray

    def accuracy(self, weight: np.ndarray) -> float:
        """Share of the images that a weighting, float64, shape (T,), gets right."""
        evidence = -np.einsum("t,ntrk->nk", weight, self.errors)
        return float((evidence.argmax(axis=1) == self.labels).mean())

    def __getitem__(self, part: slice) -> Recording:
        """Some of the images."""
        return Recording(self.steps, self.errors[part], self.labels[part])


def record(
    model: Denoiser,
    prompts: list[str],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    bins: int = BINS,
    repeats: int = REPEATS,
    report: Callable[[int], None] = lambda done: None,
) -> Recording:
    """Measure the errors of all classes at ``bins + 1`` equally spaced times.

    Parameters
    ----------
    model
        The model.
    prompts
        One for each class.
    images
        uint8, shape (N, H, W, 3).
    labels
        int64, shape (N,): for each image, the index of its prompt.
    bins, repeats
        Resolution in time; draws at each time of each image.
    report
        Called with the number of evaluations done.
    """
    steps = np.linspace(0, len(model.schedule) - 1, bins + 1).round().astype(np.int64)
    shown = [Stimulus(f"recording {i}", Image.fromarray(image)) for i, image in enumerate(images)]
    found = score(
        model,
        shown,
        prompts,
        draws=repeats * (bins + 1),
        times=model.schedule.times[steps],
        report=report,
    )
    errors = found["error"].to_numpy().reshape(len(images), repeats, bins + 1, len(prompts))
    return Recording(steps, errors.swapaxes(1, 2), np.asarray(labels))


def fit_weighting(recording: Recording) -> np.ndarray:
    """The weighting under which evidence predicts the labels best.

    Returns
    -------
    float64, shape (T,): a table for
    :class:`~synthesight.likelihood.weighting.TimeSampler`; 0 at the first time, where
    the image is as good as free of noise and every prompt explains it.
    """
    times = len(recording.steps)
    error = recording.errors.mean(axis=2)
    error = error - error.mean(axis=2, keepdims=True)
    scale = np.maximum(error.std(axis=(0, 2)), 1e-12)
    share = regress(error[:, 1:] / scale[1:, None], recording.labels, smoothness=SMOOTHNESS)
    # Evidence is the mean over times, not the sum.
    return np.concatenate([[0.0], share / scale[1:] * (times - 1)])


def proposal_of(recording: Recording, weight: np.ndarray) -> np.ndarray:
    """Density over time, float64, shape (T,), that tells the nearest classes apart best."""
    errors = recording.errors * weight[:, None, None]
    order = errors.mean(axis=(1, 2)).argsort(axis=1)
    image = np.arange(len(errors))
    best = errors[image, :, :, order[:, 0]]
    rivals = range(1, min(RIVALS, errors.shape[3] - 1) + 1)
    square = [np.square(errors[image, :, :, order[:, rival]] - best) for rival in rivals]
    density = np.sqrt(np.mean(square, axis=(0, 1, 3)))
    return density / density.max()


def measure(
    images: LabelledImages,
    folder: Path,
    *,
    device: torch.device,
    count: int = 400,
    report: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """Fit the weighting and proposal of a trained model, and write them beside its weights.

    Parameters
    ----------
    images
        Its training images, of which the first ``count`` of a shuffled order are used.
    folder
        Of the model.
    report
        Called with the number of network evaluations done, of ``evaluations(images, count)``.

    Returns
    -------
    For the fitted weighting and each named one, the share of the second half of these images that
    it gets right, the fitted one being fitted to the first half. What is written is fitted to all.
    """
    model = load_model(folder, device=device)
    assert isinstance(model, PipelineDenoiser)
    chosen = np.random.default_rng(0).permutation(len(images.labels))[:count]
    recording = record(
        model,
        [DEFAULT_PROMPT.replace("{class}", words(name)) for name in images.names],
        images.pixels[torch.from_numpy(chosen)].permute(0, 2, 3, 1).cpu().numpy(),
        images.labels.numpy()[chosen],
        report=report,
    )
    half = len(chosen) // 2
    tried = {"own": fit_weighting(recording[:half])}
    for name in WEIGHTINGS:
        # At the first time the image is as good as free of noise, and elbo infinite or nearly so.
        tried[name] = weights(name, model.schedule)[recording.steps]
        tried[name][0] = 0.0
    weight = fit_weighting(recording)
    write_settings(folder, images.names, weight, proposal_of(recording, weight))
    return {name: recording[half:].accuracy(values) for name, values in tried.items()}


def evaluations(images: LabelledImages, count: int = 400) -> int:
    """Network evaluations of :func:`measure`."""
    return min(count, len(images.labels)) * (BINS + 1) * REPEATS * len(images.names)


def write_settings(
    folder: Path, classes: list[str], weighting: np.ndarray, proposal: np.ndarray
) -> None:
    """Keep a model's own classes, weighting and proposal beside its weights."""
    settings = {
        "classes": classes,
        "weighting": [float(f"{value:.4g}") for value in weighting],
        "proposal": [float(f"{value:.4g}") for value in proposal],
    }
    files.write(folder / SETTINGS, json.dumps(settings, indent=2) + "\n")

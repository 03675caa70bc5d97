"""Fit a weighting of times to draws: that under which evidence predicts the class best.

Multinomial logistic regression of the class on the errors in bins of time, with weights that are
not negative and vary smoothly (Clark & Jaini 2023 learnt one for Imagen). The class is a label, or
the prompt from which the model made the image itself, which needs no labels.
"""

from __future__ import annotations

import numpy as np

from synthesight.draws.recording import Recording
from synthesight.errors import SynthesightError

BINS = 20  # resolution in time
SMOOTHNESS = 50.0  # nats: the fewer images, the more neighbouring weights are alike
FIT_STEPS = 300


def fit_weighting(recording: Recording, *, bins: int = BINS) -> np.ndarray:
    """Return the weighting that predicts the classes of a recording's images best.

    Parameters
    ----------
    recording
        Draws of images whose class is known.
    bins
        Resolution in time.

    Returns
    -------
    float64, shape (bins + 1,): a table that :func:`~synthesight.likelihood.weighting.weights`
    takes, for equally spaced times from 0 to 1. Evidence under it is in nats.

    Raises
    ------
    SynthesightError
        If classes have several labels.
    """
    if len(recording.groups) > len(recording.classes):
        raise SynthesightError(
            "A weighting is fitted only where a class is one label: give a run of such a model."
        )
    error, known = binned(recording, bins)
    scale = np.maximum(error.std(axis=(0, 2)), 1e-12)
    share = regress(
        error / scale[:, None], recording.labels, smoothness=SMOOTHNESS / len(recording.labels)
    )
    # Evidence is the mean over all times; each bin is the mean over its own, of 1/bins of them.
    table = np.where(known, share / scale * bins, 0.0)
    edges = np.linspace(0, 1, bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    # In logarithms, between which weights that span orders of magnitude are straight.
    logs = np.log(np.maximum(table, 1e-300))
    fitted = np.exp(np.interp(edges[1:], centres, logs))
    # At time 0 there is no noise, every prompt explains the image, and errors tell nothing.
    return np.concatenate([[0.0], fitted])


def binned(recording: Recording, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean errors in bins of time less their mean over units, and which bins have draws.

    Returns
    -------
    float64, shape (N, bins, U), 0 where an image has no draw in a bin; bool, shape (bins,).
    """
    time = recording.schedule.times[recording.steps]
    place = np.minimum((time * bins).astype(np.int64), bins - 1)
    errors = recording.errors - recording.errors.mean(axis=2, keepdims=True)
    there = ~np.isnan(errors[:, :, 0])
    # Draws of a bin are weighted by 1 / density, as if times were drawn evenly.
    inverse = np.where(there, 1 / np.maximum(recording.density[recording.steps], 1e-12), 0.0)
    member = (place[:, :, None] == np.arange(bins)) * inverse[:, :, None]
    total = np.einsum("ndb,ndu->nbu", member, np.nan_to_num(errors))
    mass = member.sum(axis=1)
    mean = np.divide(total, mass[:, :, None], out=np.zeros_like(total), where=mass[:, :, None] > 0)
    return mean, (mass > 0).any(axis=0)


def regress(error: np.ndarray, labels: np.ndarray, *, smoothness: float) -> np.ndarray:
    """Return weights ≥ 0, float64 (T,), under which −Σ_t w_t e_t predicts the labels best.

    Parameters
    ----------
    error
        float64, shape (N, T, K): of each class, scaled alike at all times.
    labels
        int64, shape (N,).
    smoothness
        Penalty of the squared differences of neighbouring log weights, in nats an image.
    """
    import torch

    errors, target = torch.from_numpy(error), torch.from_numpy(labels)
    times = error.shape[1]
    log_share = torch.full((times,), -float(np.log(times)), dtype=torch.float64)
    log_share.requires_grad_(True)
    optimizer = torch.optim.Adam([log_share], lr=0.05)
    for _ in range(FIT_STEPS):
        evidence = -torch.einsum("t,ntk->nk", log_share.exp(), errors)
        loss = torch.nn.functional.cross_entropy(evidence, target)
        loss = loss + smoothness * log_share.diff().square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return log_share.detach().exp().numpy()

"""Eidolons: images whose parts at each scale are locally displaced (Koenderink et al. 2017)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

FINEST = 2**-0.5  # standard deviation, in pixels, of the finest scale
STEP = 2**0.5  # from one scale to the next


def partially_coherent_disarray(
    grey: np.ndarray, reach: float, coherence: float, grain: float, rng: np.random.Generator
) -> np.ndarray:
    """Split an image into scales, displace each by a smooth random field, and add them up.

    With coherence, this is not what the published images of eidolonI and eidolonII were made by,
    so people's figures on those are no scale for images made here: in the Eidolon toolbox, the
    field that a scale shares with others is a sum over the coarser scales of noise that is blurred
    at their size, and knows no grain. Here it is one field of that grain, which bends edges more
    at the same reach. Beyond the edge, the toolbox mirrors the image, and here its last pixels go
    on. Without coherence (eidolonIII) the fields are the toolbox's.

    Parameters
    ----------
    grey
        float64, shape (H, W), in [0, 1].
    reach
        Standard deviation of the displacements, in pixels; 0 gives back the image.
    coherence
        1: all scales are displaced alike, and edges stay whole but bend. 0: each scale has a field
        of its own, and edges come apart. Between: the mixture of the two.
    grain
        Standard deviation, in pixels, of the Gaussian that smooths the fields.
    rng
        Random generator of the fields.

    Returns
    -------
    float64, shape (H, W).
    """
    layers = scale_layers(grey)
    common = _field(grey.shape, grain, rng)
    rows, columns = np.indices(grey.shape)
    result = np.zeros(grey.shape)
    for layer in layers:
        field = coherence * common + (1 - coherence) * _field(grey.shape, grain, rng)
        field *= reach / np.sqrt(coherence**2 + (1 - coherence) ** 2)
        at = np.stack([rows + field[0], columns + field[1]])
        result += map_coordinates(layer, at, order=1, mode="nearest")
    return result


def scale_layers(grey: np.ndarray) -> list[np.ndarray]:
    """Return differences of Gaussians from fine to coarse, and the rest, which sum to the image."""
    deviations = [FINEST]
    while deviations[-1] * STEP <= min(grey.shape) / 4:
        deviations.append(deviations[-1] * STEP)
    blurred = [grey, *(gaussian_filter(grey, s, mode="nearest") for s in deviations)]
    return [
        *(fine - coarse for fine, coarse in pairwise(blurred)),
        blurred[-1],
    ]


def _field(shape: tuple[int, ...], grain: float, rng: np.random.Generator) -> np.ndarray:
    """Return two smooth random fields of mean 0 and deviation 1: float64, shape (2, H, W)."""
    noise = rng.standard_normal((2, *shape))
    smooth = np.stack([gaussian_filter(plane, grain, mode="wrap") for plane in noise])
    smooth -= smooth.mean(axis=(1, 2), keepdims=True)
    return smooth / smooth.std(axis=(1, 2), keepdims=True)

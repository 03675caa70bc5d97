"""The 19 corruptions of ImageNet-C (Hendrycks & Dietterich 2019), each of five severities.

They are made by the package ``imagecorruptions-imaug`` (extra ``corruptions``). It goes on with
that of Michaelis et al. (2019), which no longer works with NumPy 2. Its numbers are those of
ImageNet-C, for images of 224 pixels a side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from synthesight.errors import SynthesightError

PREFIX = "imagenet-c:"
SEVERITIES = ("1", "2", "3", "4", "5")
SEEDED = ("glass_blur", "impulse_noise")  # those that do not draw from numpy's global generator
LEAST = 32  # pixels of a side, below which the package fails
NAMES = (
    "gaussian_noise", "shot_noise", "impulse_noise",
    "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
    "snow", "frost", "fog", "brightness",
    "contrast", "elastic_transform", "pixelate", "jpeg_compression",
    # Those of ImageNet-C's validation set.
    "speckle_noise", "gaussian_blur", "spatter", "saturate",
)  # fmt: skip

Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def corruptions() -> dict[str, Corruption]:
    """Return the corruptions by name, such as ``"imagenet-c:fog"``."""
    return {PREFIX + name.replace("_", "-"): partial(_corrupted, name) for name in NAMES}


def severity(condition: str) -> float:
    """Return the severity that a condition stands for; ValueError if it is none."""
    if condition not in SEVERITIES:
        raise ValueError(condition)
    return float(condition)


def _corrupted(name: str, image: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Return an image with a corruption: float64, shape (H, W, 3), in [0, 1]."""
    try:
        from imagecorruptions import corrupt
    except ImportError:
        raise SynthesightError(
            f"`manipulation='{PREFIX}{name.replace('_', '-')}'` needs the package "
            "imagecorruptions-imaug: pip install 'synthesight[corruptions]'."
        ) from None
    if min(image.shape[:2]) < LEAST:
        raise SynthesightError(
            f"ImageNet-C's corruptions need images of {LEAST} pixels a side or more: give larger "
            "ones."
        )
    seed = int(rng.integers(2**32))
    own = {"seed": seed} if name in SEEDED else {}
    # It draws from the generator that all of numpy shares, which is put back as it was.
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(seed)  # noqa: NPY002
        pixels = np.rint(255.0 * image).astype(np.uint8)
        return corrupt(pixels, severity=int(level), corruption_name=name, **own) / 255.0
    finally:
        np.random.set_state(state)  # noqa: NPY002

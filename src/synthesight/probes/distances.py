"""How far a reconstruction is from its image."""

from __future__ import annotations

import numpy as np


def rmse(first: np.ndarray, second: np.ndarray) -> float:
    """Return the root mean square difference of two uint8 images, black being 0 and white 1."""
    return float(np.sqrt(np.mean(np.square((first.astype(float) - second) / 255))))


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Return the structural similarity of two uint8 images' luminances (Wang et al. 2004).

    Gaussian windows of σ = 1.5 pixels, K = (0.01, 0.03), as published; mean over the image.
    """
    from scipy.ndimage import gaussian_filter

    def local(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, 1.5, truncate=3.5)

    x, y = (image @ np.array([0.299, 0.587, 0.114]) for image in (first, second))
    mean_x, mean_y = local(x), local(y)
    spread = local(x * x) - mean_x**2 + local(y * y) - mean_y**2
    common = local(x * y) - mean_x * mean_y
    low, high = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    nearness = (2 * mean_x * mean_y + low) / (mean_x**2 + mean_y**2 + low)
    return float(np.mean(nearness * (2 * common + high) / (spread + high)))

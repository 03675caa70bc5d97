"""Images between two images: hybrids, cross-fades, morphed outlines; and views of them."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.fft import dctn, idctn
from scipy.ndimage import distance_transform_edt

from synthesight.errors import SynthesightError
from synthesight.stimuli.make.shapes import silhouette

WHOLE = "whole"  # the view in which nothing is shrunk or blurred


def low_pass(image: np.ndarray, cutoff: float) -> np.ndarray:
    """Return the low spatial frequencies of an image, by a Gaussian filter.

    Parameters
    ----------
    image
        float64, shape (H, W, 3).
    cutoff
        Frequency of which half of the amplitude passes, in cycles an image (of its shorter side).

    Returns
    -------
    float64, shape (H, W, 3). The image is continued by its mirror image beyond the edges, so that
    opposite edges do not mix.

    Examples
    --------
    >>> bars = np.cos(np.pi * 8 * (np.arange(32) + 0.5) / 32)  # 4 cycles
    >>> image = np.tile(bars[None, :, None], (32, 1, 3))
    >>> np.allclose(low_pass(image, 4.0), image / 2)
    True
    """
    height, width = image.shape[:2]
    # The n-th cosine has n / 2 cycles in its side; in shorter sides, where one is longer.
    short = min(height, width)
    down, right = (np.arange(side) / 2 * (short / side) for side in (height, width))
    power = (down[:, None] ** 2 + right**2) / cutoff**2
    spectrum = dctn(image, axes=(0, 1), norm="ortho") * np.exp(-np.log(2) * power)[:, :, None]
    return idctn(spectrum, axes=(0, 1), norm="ortho")


def hybrid(low: np.ndarray, high: np.ndarray, cutoff: float) -> np.ndarray:
    """Return an image of one image's low frequencies and another's high ones.

    The two filters add up to 1: a hybrid of an image with itself is the image. Values beyond black
    and white are clipped, as little as they are.

    Parameters
    ----------
    low, high
        uint8, shape (H, W, 3), of one shape.
    cutoff
        Of the Gaussian filters, in cycles an image: half of the amplitude is from either image.

    Returns
    -------
    uint8, shape (H, W, 3).

    References
    ----------
    Oliva, Torralba & Schyns (2006), Hybrid images, ACM Transactions on Graphics 25.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    >>> np.array_equal(hybrid(image, image, 3.0), image)
    True
    """
    own, other = low.astype(np.float64), high.astype(np.float64)
    return as_bytes(low_pass(own, cutoff) + other - low_pass(other, cutoff))


def cross_fade(image: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Return a mixture of two images (uint8, of one shape): ``share`` is that of the first."""
    return as_bytes(share * image.astype(np.float64) + (1 - share) * other.astype(np.float64))


def morphed_outline(category: str, other: str, share: float, size: int) -> Image.Image:
    """Draw a silhouette between those of two categories: black on white.

    The distance to the outline, negative inside, is mixed: unlike a cross-fade, each step is one
    whole figure with a sharp outline.

    Parameters
    ----------
    category, other
        Among :data:`~synthesight.stimuli.make.shapes.SHAPES`.
    share
        Share of the first category's distances, from 0 to 1.
    size
        Side in pixels.
    """
    fine = 4 * size
    first, second = (_distance(silhouette(name, fine)) for name in (category, other))
    outside = share * first + (1 - share) * second
    # Half a pixel to either side of the outline is grey: antialiased at the fine size already.
    grey = np.clip(outside + 0.5, 0, 1) * 255
    fitted = Image.fromarray(np.rint(grey).astype(np.uint8)).resize((size, size))
    return fitted.convert("RGB")


def seen(image: np.ndarray, view: str) -> np.ndarray:
    """Return an image as another view shows it, as from further away.

    Parameters
    ----------
    image
        uint8, shape (H, W, 3).
    view
        ``"whole"``; ``"blur-4"``, which halves the amplitude of 4 cycles an image; or
        ``"shrink-2"``, which gives the image half of its sides. (A model enlarges a small image to
        its own size, and with it what is left.)

    Raises
    ------
    SynthesightError
        If there is no such view, or nothing is left of the image.

    Examples
    --------
    >>> seen(np.zeros((32, 32, 3), dtype=np.uint8), "shrink-4").shape
    (8, 8, 3)
    """
    kind, amount = read_view(view)
    if kind == "blur":
        return as_bytes(low_pass(image.astype(np.float64), amount))
    if kind == "shrink":
        height, width = (round(side / amount) for side in image.shape[:2])
        if min(height, width) < 2:
            raise SynthesightError(
                f"The view {view} leaves nothing of an image of {min(image.shape[:2])} pixels: "
                "shrink it less."
            )
        small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(small)
    return image


def read_view(view: str) -> tuple[str, float]:
    """Return the kind of a view and its amount; see :func:`seen`."""
    kind, _, text = view.partition("-")
    if view == WHOLE:
        return WHOLE, 1.0
    try:
        amount = float(text)
        if kind not in ("blur", "shrink") or not 0 < amount < 1e4 or amount < (kind == "shrink"):
            raise ValueError(view)
    except ValueError:
        raise SynthesightError(
            f"There is no view {view!r}: write whole, blur-4 (cycles an image) or shrink-2."
        ) from None
    return kind, amount


def _distance(mask: Image.Image) -> np.ndarray:
    """Return the distance to a figure's outline in pixels, negative inside; float64, (H, W)."""
    inside = np.asarray(mask) > 127
    return distance_transform_edt(~inside) - distance_transform_edt(inside)


def as_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0.0, 255.0)).astype(np.uint8)

"""Show networks the pixels, and ask CLIP the questions, of the published benchmark.

The model-vs-human toolbox (Geirhos et al. 2021) shows every network 224 pixels, normalised by
ImageNet's mean. Its wrappers for ViTs, CLIP and EfficientNet-L2 undo that, turn floats back into
bytes, which cuts off instead of rounding, and prepare the bytes in their own way. What a network's
protocol is stands in its entry of the zoo, as ``toolbox``:

=================  ==============================================================================
``resolution``     side of what the network sees, where it is not the entry's
``mean``, ``std``  for pixels in [0, 1], where they are not the entry's
``truncated``      whether bytes pass through floats and back
``scaled``         side to which images are scaled, before the middle is cut out
``interpolation``  ``"bilinear"``, where it is not bicubic
``imagenet``       for CLIP: answer by ImageNet's 1000 classes in 80 templates each
=================  ==============================================================================
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image

SIDE = 224  # of the published stimuli
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def show_as_published(
    images: np.ndarray,
    resolution: int,
    *,
    scaled: int | None = None,
    truncated: bool = False,
    interpolation: str = "bicubic",
) -> np.ndarray:
    """Return the pixels, uint8 (B, R, R, 3), that the toolbox shows a network of stimuli.

    ``scaled``, ``truncated`` and ``interpolation`` are as in the table above.

    Examples
    --------
    >>> show_as_published(np.zeros((2, 224, 224, 3), np.uint8), 475, scaled=507).shape
    (2, 475, 475, 3)
    """
    if truncated:
        images = _bytes_again()[images, np.arange(3)]
    side = scaled or resolution
    if side != SIDE:
        how = Image.Resampling[interpolation.upper()]
        images = np.stack(
            [np.asarray(Image.fromarray(each).resize((side, side), how)) for each in images]
        )
    start = round((side - resolution) / 2)
    return images[:, start : start + resolution, start : start + resolution]


@cache
def _bytes_again() -> np.ndarray:
    """Bytes after the toolbox's way through floats, by channel: uint8, shape (256, 3)."""
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    floats = torch.arange(256, dtype=torch.float32)[:, None] / 255
    undone = ((floats - mean) / std) * std + mean
    return undone.mul(255).byte().numpy()

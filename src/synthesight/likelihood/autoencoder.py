"""The space where noise is added: pixels, or an autoencoder's latents (Rombach et al. 2022)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from synthesight.errors import SynthesightError

PIXELS_AT_ONCE = 2**22  # sixteen images of 512 × 512: the encoder's activations are large


class Pixels:
    """Noise is added to the pixels themselves."""

    def encode(self, images: Tensor) -> Tensor:
        """Return images as they are."""
        return images

    def decode(self, x: Tensor) -> Tensor:
        """Return images as they are."""
        return x


class Autoencoder:
    """Noise is added to latents: x = (mean − shift) / scale.

    The posterior's *mean* stands for an image, so that encoding is deterministic. It always runs in
    the precision that the autoencoder was opened in, float32: it is called once an image, and that
    of SDXL overflows in float16.

    ``scale`` and ``shift``, float32 of a latent's ``shape`` or numbers, are what the pipeline does
    to x before it decodes it.
    """

    def __init__(
        self, vae: Any, scale: Tensor | float, shift: Tensor | float, shape: tuple[int, ...]
    ) -> None:
        self.vae = vae
        self.shape = shape
        self._scale, self._shift = (
            value.view(1, *shape) if isinstance(value, Tensor) else value
            for value in (scale, shift)
        )

    def encode(self, images: Tensor) -> Tensor:
        """Return latents of images in [−1, 1], float32 (B, 3, H, W)."""
        means = self._means(images)
        if means.shape[1:] != self.shape:
            raise SynthesightError(
                f"The autoencoder gives latents of shape {tuple(means.shape[1:])}, and the "
                f"pipeline takes {self.shape}: open the model with another `resolution`."
            )
        return (means.float() - self._shift) / self._scale

    def factor(self) -> int:
        """Return how many pixels of an image there are to one of the latent, along a side."""
        with torch.no_grad():
            return 64 // self._means(torch.zeros(1, 3, 64, 64)).shape[-1]

    def decode(self, x: Tensor) -> Tensor:
        """Return images, float32 (B, 3, H, W), of latents x."""
        latents = (x * self._scale + self._shift).to(self._like())
        parts = latents.split(max(1, PIXELS_AT_ONCE // (64 * latents[0, 0].numel())))
        images = torch.cat([self.vae.decode(part).sample for part in parts]).float()
        return images[:, :, 0] if images.ndim == 5 else images

    def _means(self, images: Tensor) -> Tensor:
        images = images.to(self._like())
        if len(self.shape) == 4:  # an autoencoder of videos
            images = images[:, :, None]
        parts = images.split(max(1, PIXELS_AT_ONCE // images[0, 0].numel()))
        return torch.cat([_mean(self.vae.encode(part)) for part in parts])

    def _like(self) -> Tensor:
        return next(self.vae.parameters())


def _mean(encoded: Any) -> Tensor:
    """Return the one latent that stands for an image, whatever the autoencoder is."""
    if hasattr(encoded, "latent_dist"):
        return encoded.latent_dist.mode()
    return encoded.latent if hasattr(encoded, "latent") else encoded.latents

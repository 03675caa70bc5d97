"""The space where latent diffusion adds its noise (Rombach et al. 2022)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

PIXELS_AT_ONCE = 2**22  # sixteen images of 512 × 512: the encoder's activations are large


class Autoencoder:
    """The variational autoencoder of a latent model, as a map to and from scaled latents.

    The posterior's *mean* stands for an image, so that encoding is deterministic. It always runs
    in float32: it is called once an image, and that of SDXL overflows in float16.

    Parameters
    ----------
    vae
        diffusers' ``AutoencoderKL``, opened in float32.
    device
        Where to run it.

    Attributes
    ----------
    channels
        Channels of a latent.
    factor
        Pixels of the image to one of the latent, along a side.
    """

    def __init__(self, vae: Any, device: torch.device | str = "cpu") -> None:
        self.vae = vae.eval().requires_grad_(False).to(device)
        config = vae.config
        self.channels: int = config.latent_channels
        self.factor: int = 2 ** (len(config.block_out_channels) - 1)
        mean, std = config.get("latents_mean"), config.get("latents_std")
        shape = (1, -1, 1, 1)
        # Latents are either shifted by a number (SD3, FLUX) or standardised channel by channel.
        self._shift = torch.tensor(
            mean if mean is not None else [config.get("shift_factor") or 0.0], device=device
        ).view(shape)
        self._scale = config.scaling_factor / torch.tensor(
            std if std is not None else [1.0], device=device
        ).view(shape)

    def encode(self, images: Tensor) -> Tensor:
        """Images in [−1, 1], float32 (B, 3, H, W), to (mean − shift) · scale."""
        parts = images.split(max(1, PIXELS_AT_ONCE // images[0, 0].numel()))
        means = torch.cat([self.vae.encode(part).latent_dist.mode() for part in parts])
        return (means - self._shift) * self._scale

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents back to images, float32 (B, 3, H, W)."""
        latents = latents / self._scale + self._shift
        parts = latents.split(max(1, PIXELS_AT_ONCE // (latents[0, 0].numel() * self.factor**2)))
        return torch.cat([self.vae.decode(part).sample for part in parts])

"""FLUX.1, dev and schnell (Black Forest Labs 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from synthesight.likelihood.denoiser import (
    FLOW_TIME_SCALE,
    Conditioning,
    DenoiserModel,
)

PATCH = 2
LATENT_SIDE = 128  # the network names no size; the published ones are trained around 1024 pixels
T5_TOKENS_DEV, T5_TOKENS_SCHNELL = 512, 256

GUIDANCE = 1.0
"""What a guidance-distilled network (dev) is told.

It was trained to imitate classifier-free guidance of a given scale. A scale of 1 is none: the
conditional prediction itself, which is what a likelihood needs.
"""


class Flux(DenoiserModel):
    """A flow transformer on 2 × 2 patches of latents, reading T5 and CLIP's pooled vector."""

    text_encoders: ClassVar[int] = 2

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:  # noqa: ARG003
        return network == "FluxTransformer2DModel"

    def _network_channels(self) -> tuple[int, int]:
        inputs, outputs = super()._network_channels()
        return inputs // PATCH**2, outputs // PATCH**2

    def _native_resolution(self) -> int:
        return LATENT_SIDE * (1 if self.autoencoder is None else self.autoencoder.factor)

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        clip, t5 = self.texts
        assert clip is not None
        assert t5 is not None
        where: dict[str, Any] = {"device": self.device, "dtype": self.dtype}
        # Padding is not masked anywhere, so that its amount matters: it is the training's.
        tokens = T5_TOKENS_DEV if self.config.guidance_embeds else T5_TOKENS_SCHNELL
        pooled = clip(prompts, **where).pooled
        assert pooled is not None
        return {
            "encoder_hidden_states": t5(prompts, length=tokens, **where).hidden,
            "pooled_projections": pooled,
        }

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        patches = pixel_unshuffle(z, PATCH)
        rows, columns = patches.shape[2:]
        guidance = (
            torch.full((len(z),), GUIDANCE, device=self.device)
            if self.config.guidance_embeds
            else None
        )
        output: Tensor = self.network(
            hidden_states=patches.flatten(2).transpose(1, 2),
            timestep=timesteps / FLOW_TIME_SCALE,
            guidance=guidance,
            img_ids=self._positions(rows, columns),
            txt_ids=torch.zeros(
                conditioning["encoder_hidden_states"].shape[1],
                3,
                device=self.device,
                dtype=self.dtype,
            ),
            **conditioning,
            return_dict=False,
        )[0]
        return pixel_shuffle(output.transpose(1, 2).unflatten(2, (rows, columns)), PATCH)

    def _positions(self, rows: int, columns: int) -> Tensor:
        """(0, row, column) of each patch, shape (rows · columns, 3)."""
        options: dict[str, Any] = {"device": self.device, "dtype": self.dtype}
        return torch.cartesian_prod(
            torch.zeros(1, **options),
            torch.arange(rows, **options),
            torch.arange(columns, **options),
        )

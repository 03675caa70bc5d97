"""Stable Diffusion XL (Podell et al. 2023), the base model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from synthesight.errors import SynthesightError
from synthesight.likelihood.denoiser import Conditioning, DenoiserModel


class StableDiffusionXL(DenoiserModel):
    """A latent U-Net conditioned on two CLIP encoders and on the size of its training image.

    It is told that the image is an uncropped one of its native size.
    """

    text_encoders: ClassVar[int] = 2

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:
        return (
            network == "UNet2DConditionModel"
            and config.get("addition_embed_type") == "text_time"
            and config.get("time_cond_proj_dim") is None
        )

    def _check(self) -> None:
        super()._check()
        second = self.texts[1]
        assert second is not None
        told = 6 * self.config.addition_time_embed_dim + second.pooled_width
        if told != self.config.projection_class_embeddings_input_dim:
            raise SynthesightError(
                f"{self.name} is not a base model of SDXL: it wants other added conditions than "
                "the six sizes (a refiner does); choose the base model."
            )

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        first, second = (
            encoder(prompts, device=self.device, dtype=self.dtype, penultimate=True)
            for encoder in self.texts
            if encoder is not None
        )
        assert second.pooled is not None
        return {
            "encoder_hidden_states": torch.cat([first.hidden, second.hidden], dim=-1),
            "text_embeds": second.pooled,
        }

    def time_ids(self, count: int) -> Tensor:
        """Original size, crop and target size, float32, shape (count, 6), in pixels."""
        side = self.resolution
        return torch.tensor([[side, side, 0.0, 0.0, side, side]], device=self.device).expand(
            count, -1
        )

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.network(
            z,
            timesteps,
            encoder_hidden_states=conditioning["encoder_hidden_states"],
            added_cond_kwargs={
                "text_embeds": conditioning["text_embeds"],
                "time_ids": self.time_ids(len(z)),
            },
            return_dict=False,
        )[0]

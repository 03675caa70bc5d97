"""Stable Diffusion 1.x and 2.x (Rombach et al. 2022), predicting ε or v."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from synthesight.likelihood.denoiser import Conditioning, DenoiserModel


class StableDiffusion(DenoiserModel):
    """A latent U-Net conditioned on the last hidden states of CLIP."""

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:
        return (
            network == "UNet2DConditionModel"
            and config.get("addition_embed_type") is None
            and config.get("class_embed_type") is None
            # A U-Net told the guidance scale is a distilled sampler (LCM), not a denoiser.
            and config.get("time_cond_proj_dim") is None
        )

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        encoder = self.texts[0]
        assert encoder is not None
        config: Any = encoder.model.config
        masked = bool(getattr(config, "use_attention_mask", False))
        return {"encoder_hidden_states": self._text(prompts, masked=masked).hidden}

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.network(z, timesteps, **conditioning, return_dict=False)[0]

"""Stable Diffusion 3 and 3.5 (Esser et al. 2024): rectified flow in a transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from synthesight.likelihood.denoiser import Conditioning, DenoiserModel

CLIP_TOKENS = 77
T5_TOKENS = 256


class StableDiffusion3(DenoiserModel):
    """A latent transformer that reads two CLIP encoders and T5.

    Each encoder was left out at times in training, and zeros put in its place, so that a folder
    without one of them (most often T5-XXL, for its size) is still a model.
    """

    text_encoders: ClassVar[int] = 3
    text_optional: ClassVar[bool] = True

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:  # noqa: ARG003
        return network == "SD3Transformer2DModel"

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        first, second = self._clip(prompts)
        hidden = torch.cat([first[0], second[0]], dim=-1)
        width: int = self.config.joint_attention_dim
        hidden = pad(hidden, (0, width - hidden.shape[-1]))
        return {
            "encoder_hidden_states": torch.cat([hidden, self._t5(prompts, width)], dim=1),
            "pooled_projections": torch.cat([first[1], second[1]], dim=-1),
        }

    def _clip(self, prompts: list[str]) -> list[tuple[Tensor, Tensor]]:
        """Hidden states (K, 77, D) and pooled vectors (K, P) of both CLIP encoders."""
        encoders = self.texts[:2]
        # What a missing encoder leaves of the pooled vector; its hidden states are as wide.
        missing = self.config.pooled_projection_dim - sum(e.pooled_width for e in encoders if e)
        absent = [0 if e else missing for e in encoders]
        if encoders == (None, None):
            absent = [missing, 0]
        results = []
        for encoder, width in zip(encoders, absent, strict=True):
            if encoder is None:
                results.append(
                    (
                        self._zeros(len(prompts), CLIP_TOKENS, width),
                        self._zeros(len(prompts), width),
                    )
                )
                continue
            text = encoder(
                prompts, length=CLIP_TOKENS, device=self.device, dtype=self.dtype, penultimate=True
            )
            assert text.pooled is not None
            results.append((text.hidden, text.pooled))
        return results

    def _t5(self, prompts: list[str], width: int) -> Tensor:
        encoder = self.texts[2]
        if encoder is None:
            return self._zeros(len(prompts), T5_TOKENS, width)
        # Neither T5 nor the transformer is shown which tokens are padding.
        return encoder(prompts, length=T5_TOKENS, device=self.device, dtype=self.dtype).hidden

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self.device, dtype=self.dtype)

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.network(z, timestep=timesteps, **conditioning, return_dict=False)[0]

"""PixArt-α and PixArt-Σ (Chen et al. 2023, 2024), and models of their make without a VAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from synthesight.likelihood.denoiser import Conditioning, DenoiserModel, Parts

ALPHA_TOKENS, SIGMA_TOKENS = 120, 300


class PixArt(DenoiserModel):
    """A transformer that attends to T5.

    The padding of prompts is masked in T5 and in the transformer, so that prompts are padded only
    as far as the longest needs: the same result from fewer keys.
    """

    def __init__(self, parts: Parts, **options: Any) -> None:
        super().__init__(parts, **options)
        alpha = parts.index.get("_class_name") == "PixArtAlphaPipeline"
        self._tokens = ALPHA_TOKENS if alpha else SIGMA_TOKENS
        network: Any = parts.network
        self._told_size = bool(network.use_additional_conditions)

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:  # noqa: ARG003
        return network == "PixArtTransformer2DModel"

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        prompts = [prompt.lower().strip() for prompt in prompts]
        text = self._text(prompts, length=self._tokens, masked=True, trim=True)
        return {"encoder_hidden_states": text.hidden, "encoder_attention_mask": text.mask}

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        size: dict[str, Tensor | None] = {"resolution": None, "aspect_ratio": None}
        if self._told_size:
            size = {
                "resolution": torch.full(
                    (len(z), 2), float(self.resolution), device=self.device, dtype=self.dtype
                ),
                "aspect_ratio": torch.ones(len(z), 1, device=self.device, dtype=self.dtype),
            }
        return self.network(
            z, timestep=timesteps, added_cond_kwargs=size, **conditioning, return_dict=False
        )[0]

"""DeepFloyd IF, stage I (Shonenkov et al. 2023): the open kin of Imagen (Saharia et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from synthesight.likelihood.denoiser import Conditioning, DenoiserModel

TOKENS = 77  # what the model was trained with, though T5 reads more


class DeepFloydIF(DenoiserModel):
    """A U-Net on 64 × 64 pixels conditioned on T5.

    The padding is masked in T5 but, as in training, not in the U-Net: it attends to all 77 states.

    x̂ is cut off at the range of pixels (static thresholding, Saharia et al. 2022). Without that,
    ε's error is magnified σ/α times, some 20,000 in the last of its timesteps: under ``jaini``,
    that single one would outweigh all others together. Where the published model draws, it
    thresholds dynamically instead (the same paper; 95th percentile, at most 1.5).

    Every weighting is of x̂ as cut off: ``epsilon`` is not the error of the network's own ε̂, and
    ``elbo`` is the bound of the model whose estimate is cut off.
    """

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:
        return (
            network == "UNet2DConditionModel"
            and config.get("addition_embed_type") == "text"
            and config.get("class_embed_type") is None
        )

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        prompts = [prompt.lower().strip() for prompt in prompts]
        return {"encoder_hidden_states": self._text(prompts, length=TOKENS, masked=True).hidden}

    def denoise(self, z: Tensor, steps: Tensor, conditioning: Conditioning, rows: Tensor) -> Tensor:
        return super().denoise(z, steps, conditioning, rows).clamp(-1.0, 1.0)

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.network(z, timesteps, **conditioning, return_dict=False)[0]

"""The families of diffusion and flow models: one file each, in the layout of diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.likelihood.denoiser import DenoiserModel
from synthesight.likelihood.families.deepfloyd import DeepFloydIF
from synthesight.likelihood.families.dit import DiT
from synthesight.likelihood.families.flux import Flux
from synthesight.likelihood.families.pixart import PixArt
from synthesight.likelihood.families.sdxl import StableDiffusionXL
from synthesight.likelihood.families.stable_diffusion import StableDiffusion
from synthesight.likelihood.families.stable_diffusion_3 import StableDiffusion3

FAMILIES: tuple[type[DenoiserModel], ...] = (
    StableDiffusion,
    StableDiffusionXL,
    DeepFloydIF,
    StableDiffusion3,
    Flux,
    PixArt,
    DiT,
)

NETWORKS = (
    "UNet2DConditionModel",
    "SD3Transformer2DModel",
    "FluxTransformer2DModel",
    "PixArtTransformer2DModel",
    "DiTTransformer2DModel",
)


def choose_family(network: str, config: Mapping[str, Any], name: str) -> type[DenoiserModel]:
    """The family that calls networks of this diffusers class and configuration.

    Raises
    ------
    SynthesightError
        Where no family does.
    """
    for family in FAMILIES:
        if family.claims(network, config):
            return family
    if network in NETWORKS:
        raise SynthesightError(
            f"{name} has a {network} of a kind that cannot be scored (an upscaler, a distilled "
            "sampler or one conditioned on images): choose a text-to-image base model."
        )
    raise SynthesightError(
        f"{name} has a network of class {network}, which is not supported: choose a model with "
        f"one of {', '.join(NETWORKS)}."
    )


__all__ = [
    "FAMILIES",
    "NETWORKS",
    "DeepFloydIF",
    "DiT",
    "Flux",
    "PixArt",
    "StableDiffusion",
    "StableDiffusion3",
    "StableDiffusionXL",
    "choose_family",
]

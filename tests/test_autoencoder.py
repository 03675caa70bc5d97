"""The space where noise is added: pixels, or an autoencoder's latents."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.autoencoder import Autoencoder, Pixels
from synthesight.likelihood.pipeline import PipelineDenoiser
from tiny_models import SIDE, vae
from tiny_pipelines import PIPELINES

IMAGES = torch.rand(3, 3, 2 * SIDE, 2 * SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    "key",
    [
        "StableDiffusionPipeline",
        "StableDiffusionXLPipeline",
        "StableDiffusion3Pipeline",  # which shifts its latents
        "FluxPipeline",  # which packs them as well
        "PixArtSigmaPipeline",
        "DiTPipeline",
    ],
)
def test_latents_are_scaled_posterior_means(key: str) -> None:
    pipeline = PIPELINES[key].build()
    resolution = 2 * SIDE if key == "FluxPipeline" else None
    model = PipelineDenoiser(pipeline, name=key, resolution=resolution)
    assert model.resolution == 2 * SIDE
    config = pipeline.vae.config
    with torch.no_grad():
        mean = pipeline.vae.encode(IMAGES).latent_dist.mean
        decoded = pipeline.vae.decode(mean).sample
    expected = (mean - (config.shift_factor or 0)) * config.scaling_factor
    torch.testing.assert_close(model.encode(IMAGES), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.decode(expected), decoded, rtol=1e-4, atol=1e-5)


def test_pixels_are_left_as_they_are() -> None:
    model = PipelineDenoiser(PIPELINES["IFPipeline"].build(), name="pixels")
    assert isinstance(model.space, Pixels)
    images = IMAGES[..., :SIDE, :SIDE]
    assert torch.equal(model.encode(images), images)
    assert torch.equal(model.decode(images), images)


def test_images_are_encoded_in_parts_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    network = vae().eval().requires_grad_(False)
    space = Autoencoder(network, 2.0, 0.25, (4, SIDE, SIDE))
    assert space.factor() == 2
    latents = space.encode(IMAGES)
    images = space.decode(latents)
    sizes: list[int] = []
    for name in ("encode", "decode"):
        own = getattr(network, name)

        def counted(given: torch.Tensor, own: Any = own) -> Any:
            sizes.append(len(given))
            return own(given)

        monkeypatch.setattr(network, name, counted)
    monkeypatch.setattr("synthesight.likelihood.autoencoder.PIXELS_AT_ONCE", 1)
    torch.testing.assert_close(space.encode(IMAGES), latents, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(space.decode(latents), images, rtol=1e-4, atol=1e-5)
    assert sizes == [1] * 6


def test_images_of_another_size_are_refused() -> None:
    space = Autoencoder(vae().requires_grad_(False), 1.0, 0.0, (4, SIDE, SIDE))
    with pytest.raises(SynthesightError, match=r"\(4, 4, 4\).*\(4, 8, 8\).*`resolution`"):
        space.encode(IMAGES[..., :SIDE, :SIDE])

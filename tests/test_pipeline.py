"""Any diffusers pipeline as a denoiser: the captured call against the pipeline's own."""

from __future__ import annotations

import warnings
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline_table import disagreement
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.likelihood.doors import CapturedCall
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.rearrangement import LinearMap, NotCaptured, probes
from tiny_pipelines import PIPELINES, REFUSED

# Whose networks cannot be called directly.
OWN_CALL = {"PRXPixelPipeline", "LattePipeline"}

# Which the door refuses, and why.
CLOSED = {
    "QwenImage21Pipeline": "4 channels",
    "Cosmos2TextToImagePipeline": "scales noise in a way of its own",
    "CosmosTextToWorldPipeline": "scales noise in a way of its own",
    "DreamLitePipeline": "guidance cannot be switched off",
    "Ideogram4Pipeline": "guidance cannot be switched off",
    "AllegroPipeline": "one image",
    "CogVideoXPipeline": "one image",
}
REASONS = {
    "inpainting": "fills in a part",
    "editing": "changes an image",
    "super-resolution": "upscales an image",
    "distilled": "distilled",
    "two stages": "two likelihoods",
    "masked": "masked tokens",
}
OPEN = [key for key in PIPELINES if key not in CLOSED]


def opened(key: str, **options: Any) -> PipelineDenoiser:
    tiny = PIPELINES[key]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthesightWarning)
        return PipelineDenoiser(tiny.build(), name=key, resolution=tiny.resolution, **options)


@pytest.mark.parametrize("key", OPEN)
def test_captured_call_says_what_the_pipeline_says(key: str) -> None:
    model = opened(key)
    # A model that did not listen would agree with anything.
    noise = torch.randn(2, *model.reference.layout.shape, generator=torch.manual_seed(0))
    steps = torch.full((3,), len(model.schedule) // 2)
    prompts = model.prepare([str(prompt) for prompt in PIPELINES[key].prompts[:2]])
    first, other, of_other_noise = model.denoise(
        noise[[0, 0, 1]], steps, prompts, torch.tensor([0, 1, 0])
    )
    assert (first - other).abs().max() > 1e-3 * first.abs().max()
    assert (first - of_other_noise).abs().max() > 0.1 * first.abs().max()
    if key.split(":")[0] in OWN_CALL:
        assert model.door is model.reference
        return
    assert isinstance(model.door, CapturedCall)
    assert disagreement(model, PIPELINES[key]) <= 1e-5


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_no_likelihood_is_refused_with_its_reason(key: str) -> None:
    build, reason = REFUSED[key]
    with pytest.raises(SynthesightError, match=f"cannot be scored: .*{REASONS[reason]}"):
        PipelineDenoiser(build(), name="it")


@pytest.mark.parametrize("key", CLOSED)
def test_what_the_door_cannot_open_is_refused_with_its_reason(key: str) -> None:
    with pytest.raises(SynthesightError, match=rf"cannot be scored.*: .*{CLOSED[key]}"):
        opened(key)


def test_at_least_38_classes_are_reached_directly() -> None:
    classes = {key.split(":")[0] for key in OPEN} - OWN_CALL
    assert len(classes) >= 38


@pytest.mark.parametrize("key", ["StableDiffusionPipeline", "FluxPipeline", "SanaPipeline"])
def test_images_need_not_be_square(key: str) -> None:
    side = PIPELINES[key].resolution
    assert isinstance(side, int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = PipelineDenoiser(PIPELINES[key].build(), name=key, resolution=(side, 2 * side))
    assert model.resolution == (side, 2 * side)
    assert disagreement(model, PIPELINES[key]) <= 5e-5
    images = torch.rand(2, 3, side, 2 * side) * 2 - 1
    assert model.decode(model.encode(images)).shape == images.shape


def test_a_size_that_the_pipeline_does_not_make_is_refused_with_the_nearest() -> None:
    with pytest.raises(SynthesightError, match=r"makes no images of 17 × 17 .* 16 × 16"):
        PipelineDenoiser(PIPELINES["FluxPipeline"].build(), name="flux", resolution=17)


def test_the_pipeline_is_left_as_it_was() -> None:
    pipeline = PIPELINES["StableDiffusionPipeline"].build()
    scheduler, forward = pipeline.scheduler, pipeline.unet.forward
    model = PipelineDenoiser(pipeline, name="sd")
    model.prepare(["a cat"])
    assert pipeline.scheduler is scheduler
    assert pipeline.unet.forward == forward
    assert "decode" not in vars(pipeline.vae)
    image = pipeline("a cat", num_inference_steps=2, output_type="np").images
    assert np.isfinite(image).all()


def test_the_last_step_of_the_scheduler_is_the_clean_estimate() -> None:
    """Against the scheduler's own arithmetic: from σ straight to 0."""
    model = opened("StableDiffusion3Pipeline")
    z, steps, rows = draws(model)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    prepared = model.prepare(["a cat", "a dog"])
    found = model.denoise(z, steps, prepared, rows)
    for row, step in enumerate(steps.tolist()):
        sigma = float(model.schedule.sigma[step])
        scheduler.set_timesteps(sigmas=[sigma])
        alone = slice(row, row + 1)
        velocity = model.door.predict(
            z[alone], torch.tensor([1000 * sigma]).double(), prepared, rows[alone]
        )
        expected = scheduler.step(velocity, scheduler.timesteps[0], z[alone]).prev_sample
        torch.testing.assert_close(found[alone], expected, rtol=1e-4, atol=1e-5)


def draws(model: PipelineDenoiser, count: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    z = torch.randn(count, *model.reference.layout.shape, generator=generator)
    steps = torch.randint(50, len(model.schedule) - 50, (count,), generator=generator)
    return z, steps, torch.arange(count) % 2


def test_preconditioned_networks_follow_karras() -> None:
    """x̂ against the precondition_outputs of the scheduler, in its own units."""
    model = opened("StableDiffusionXLPipeline:edm")
    z, steps, rows = draws(model)
    prepared = model.prepare(["a cat", "a dog"])
    found = model.denoise(z, steps, prepared, rows)
    scheduler = model.pipeline.scheduler
    data = scheduler.config.sigma_data
    level = torch.as_tensor(model.schedule.sigma / model.schedule.alpha * data)[steps].float()
    assert level.min() >= scheduler.config.sigma_min
    level = level.view(-1, 1, 1, 1)
    raw = z * (level**2 + data**2).sqrt()  # so that c_in · raw is z
    output = model.door.predict(z, torch.as_tensor(model.schedule.timesteps)[steps], prepared, rows)
    expected = scheduler.precondition_outputs(raw, output, level) / data
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    told = torch.as_tensor(model.schedule.timesteps)[steps].float()
    torch.testing.assert_close(told, scheduler.precondition_noise(level.flatten()).float())


def test_the_clock_is_the_pipelines_own() -> None:
    """CogView4 moves the noise of its steps, and tells the network the steps before the move."""
    model = opened("CogView4Pipeline")
    pipeline = model.pipeline
    seen: list[tuple[float, float]] = []
    step = pipeline.scheduler.step

    def watched(output: Tensor, timestep: Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append((float(timestep), float(pipeline.scheduler.sigmas[len(seen)])))
        return step(output, timestep, *args, **kwargs)

    pipeline.scheduler.step = watched
    side = PIPELINES["CogView4Pipeline"].resolution
    pipeline("a cat", height=side, width=side, num_inference_steps=7, output_type="latent")
    told = np.interp([sigma for _, sigma in seen], model.schedule.sigma, model.schedule.timesteps)
    np.testing.assert_allclose(told, [timestep for timestep, _ in seen], atol=2.0)


def test_company_does_not_change_a_prompt() -> None:
    for key in (
        "CogView4Pipeline",
        "QwenImagePipeline",
        "PixArtSigmaPipeline",
        "Kandinsky3Pipeline",
    ):
        model = opened(key)
        z, steps, _ = draws(model)
        rows = torch.zeros(4, dtype=torch.int64)
        short, long = PIPELINES[key].prompts[0], max(PIPELINES[key].prompts, key=len)
        alone = model.denoise(z, steps, model.prepare([short]), rows)
        together = model.denoise(z, steps, model.prepare([short, long]), rows)
        torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4, msg=key)


def test_what_a_pipeline_does_to_latents_that_is_no_rearrangement_is_seen() -> None:
    given = probes((3, 4, 4))
    permutation = torch.randperm(48, generator=torch.Generator().manual_seed(1))
    packed = given.flatten(1)[:, permutation] * -0.5 + 0.25
    learnt = LinearMap.learn(packed, given)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(learnt(x), x.flatten(1)[:, permutation] * -0.5 + 0.25)
    back = learnt.order((3, 4, 4))
    torch.testing.assert_close(back(x.flatten(1)[:, permutation]), x)
    for twisted in (given.square(), given.cumsum(-1), torch.zeros_like(given)):
        with pytest.raises(NotCaptured):
            LinearMap.learn(twisted, given)


def test_a_pipeline_whose_network_cannot_be_called_directly_says_so() -> None:
    tiny = PIPELINES["PRXPixelPipeline"]
    with pytest.warns(SynthesightWarning, match="cannot be called directly"):
        model = PipelineDenoiser(tiny.build(), name="prx", resolution=tiny.resolution)
    z, steps, rows = draws(model)
    prepared = model.prepare(["a cat", "a dog"])
    estimate = model.denoise(z, steps, prepared, rows)
    one_by_one = [
        model.denoise(z[n : n + 1], steps[n : n + 1], prepared, rows[n : n + 1]) for n in range(4)
    ]
    torch.testing.assert_close(estimate, torch.cat(one_by_one), rtol=1e-4, atol=1e-5)


def test_models_that_start_from_other_noise_are_shown_that_noise() -> None:
    """PRXPixel adds noise of twice the usual size, which its scheduler does not tell."""
    model = opened("PRXPixelPipeline")
    assert model.schedule.noise_scale == pytest.approx(2.0, rel=1e-3)
    assert opened("StableDiffusion3Pipeline").schedule.noise_scale == 1.0


def test_a_time_that_runs_from_noise_to_the_image_is_turned_round() -> None:
    """Mochi's: against the scheduler's own step, from a level to the clean end."""
    model = opened("MochiPipeline")
    assert model.prediction == "reversed_flow"
    z, steps, rows = draws(model)
    prepared = model.prepare(["a cat", "a dog"])
    found = model.denoise(z, steps, prepared, rows)
    scheduler = model.pipeline.scheduler
    for row, step in enumerate(steps.tolist()):
        sigma = float(model.schedule.sigma[step])
        scheduler.set_timesteps(sigmas=[sigma], device="cpu")
        alone = slice(row, row + 1)
        velocity = model.door.predict(z[alone], scheduler.timesteps.double(), prepared, rows[alone])
        expected = scheduler.step(velocity, scheduler.timesteps[0], z[alone]).prev_sample
        torch.testing.assert_close(found[alone], expected, rtol=1e-3, atol=1e-4)
        told = model.schedule.timesteps[step]
        assert float(scheduler.timesteps[0]) == pytest.approx(told, rel=1e-5)


@pytest.mark.parametrize("key", ["BriaPipeline", "Kandinsky5T2IPipeline", "WanPipeline"])
def test_half_precision_goes_through_the_same_door(key: str) -> None:
    """Clocks are then rounded, and some weights stay in float32, as their classes ask for."""
    model = opened(key, dtype=torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert isinstance(model.door, CapturedCall)
    assert disagreement(model, PIPELINES[key]) <= 1e-2
    kept = getattr(model.network, "_keep_in_fp32_modules", None) or []
    for name, weight in model.network.named_parameters():
        whole = not set(kept).isdisjoint(name.split("."))
        assert weight.dtype == (torch.float32 if whole else torch.bfloat16), name

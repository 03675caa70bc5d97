"""Each family against the diffusers pipeline that it stands for."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from synthesight.likelihood.families import FAMILIES, PixArt
from torch import Tensor, nn

from synthesight.errors import SynthesightError
from synthesight.likelihood.denoiser import DenoiserModel
from synthesight.likelihood.loading import load_model
from synthesight.likelihood.protocol import LikelihoodModel
from tiny_models import BUILDERS, PROMPTS, SIDE, stable_diffusion

CLASSES = ["1", "goldfish", "7"]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model, built when it is first asked for."""
    root = tmp_path_factory.mktemp("models")
    return lambda key: root / key if (root / key).is_dir() else BUILDERS[key](root / key)


@pytest.fixture(params=BUILDERS)
def key(request: pytest.FixtureRequest) -> str:
    """The name of a tiny model."""
    return request.param


@pytest.fixture
def model(key: str, folder_of: Callable[[str], Path]) -> DenoiserModel:
    """The likelihood model of a tiny folder, at a size that is quick to run."""
    return opened(folder_of(key))


def opened(folder: Path, **options: Any) -> DenoiserModel:
    model = load_model(folder, **options)
    if folder.name.startswith(("flux", "pixart-alpha")):  # always around 1024 pixels
        model.resolution = 2 * SIDE
    return model


def prompts_of(key: str) -> list[str]:
    return CLASSES if key == "dit" else PROMPTS


def triples(model: DenoiserModel, count: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, noise, steps and rows of as many random triples."""
    generator = torch.Generator().manual_seed(3)
    side = model.resolution
    images = torch.rand(count, 3, side, side, generator=generator) * 2 - 1
    x = model.encode(images)
    noise = torch.randn(x.shape, generator=generator)
    steps = torch.randint(20, 900, (count,), generator=generator)
    return x, noise, steps, torch.arange(count) % 3


class _Recorded(Exception):
    """Ends a pipeline's run once its network has been called."""


@contextmanager
def recording(network: nn.Module, calls: list[dict[str, Any]]) -> Iterator[None]:
    """Keep the arguments of the network's first call, by name, and stop there."""
    signature = inspect.signature(network.forward)

    def record(*args: Any, **kwargs: Any) -> None:
        calls.append(dict(signature.bind(*args, **kwargs).arguments))
        raise _Recorded

    original, network.forward = network.forward, record
    try:
        yield
    except _Recorded:
        pass
    finally:
        network.forward = original


def flat(call: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a call, those of nested arguments too."""
    nested = [value for value in call.values() if isinstance(value, dict)]
    return {
        name: value
        for arguments in (call, *nested)
        for name, value in arguments.items()
        if isinstance(value, Tensor)
    }


def test_models_meet_the_protocol(model: DenoiserModel, key: str) -> None:
    assert isinstance(model, LikelihoodModel)
    x, noise, steps, rows = triples(model)
    errors = model.errors(x, noise, steps, model.prepare(prompts_of(key)), rows)
    assert errors.shape == (6,)
    assert errors.dtype == torch.float64
    assert x.dtype == torch.float32
    assert (errors > 0).all()


def test_network_sees_what_the_pipeline_shows_it(
    key: str, folder_of: Callable[[str], Path]
) -> None:
    folder = folder_of(key)
    model = opened(folder)
    index = json.loads((folder / "model_index.json").read_text())
    absent = {role: None for role, entry in index.items() if entry == [None, None]}
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, **absent)
    prompts = prompts_of(key)
    options: dict[str, Any] = {"guidance_scale": 1.0, "output_type": "latent"}
    if key == "dit":
        options["class_labels"] = [1, 1, 7]
    else:
        options["prompt"] = prompts
    if model.schedule.flow:  # a time that is on the grid
        options["sigmas"] = [0.7505]
    else:
        options["num_inference_steps"] = 3
    if key not in ("dit", "deepfloyd"):
        options |= {"height": model.resolution, "width": model.resolution}
    if key == "flux-schnell":
        options["max_sequence_length"] = 256
    if key == "pixel-flow":
        options["latents"] = torch.randn(3, 3, SIDE, SIDE)
        # The pipeline was written for schedulers that rescale what the network sees.
        pipeline.scheduler.init_noise_sigma = 1.0
        pipeline.scheduler.scale_model_input = lambda z, _: z
    if key.startswith(("pixart", "pixel")):
        options["use_resolution_binning"] = False
    if key == "deepfloyd":
        options["output_type"] = "pt"
    network = getattr(pipeline, "transformer", None) or pipeline.unet
    calls: list[dict[str, Any]] = []
    with recording(network, calls):
        pipeline(**options)
    expected = flat(calls[0])

    z = expected.get("hidden_states", expected.get("sample"))
    assert z is not None
    if key.startswith("flux"):
        z = pipeline._unpack_latents(z, model.resolution, model.resolution, 2)
    time = expected["timestep"].flatten()[0].item() * (1000 if key.startswith("flux") else 1)
    step = int(time)  # the middle of a flow's cell, or a diffusion's timestep itself
    conditioning = model.prepare(prompts)
    with recording(model.network, calls):
        model.denoise(z, torch.full((3,), step), conditioning, torch.arange(3))
    seen = flat(calls[1])

    assert seen.keys() == expected.keys()
    if "encoder_attention_mask" in seen:  # ours is shorter by padding that is masked
        mask, all_mask = seen["encoder_attention_mask"], expected["encoder_attention_mask"]
        length = mask.shape[1]
        assert length < all_mask.shape[1]
        assert not all_mask[:, length:].any()
        expected["encoder_attention_mask"] = all_mask[:, :length]
        states = expected["encoder_hidden_states"][:, :length]
        expected["encoder_hidden_states"] = states * mask[..., None]
        seen["encoder_hidden_states"] = seen["encoder_hidden_states"] * mask[..., None]
    for name, value in expected.items():
        if name == "timestep":
            value = value.expand(3)
        torch.testing.assert_close(
            seen[name], value, check_dtype=False, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: n + m
        )


@pytest.mark.parametrize("key", [key for key in BUILDERS if key not in ("pixel-flow", "deepfloyd")])
def test_latents_are_scaled_posterior_means(key: str, folder_of: Callable[[str], Path]) -> None:
    model = opened(folder_of(key))
    vae = diffusers.AutoencoderKL.from_pretrained(folder_of(key) / "vae")
    images = torch.rand(2, 3, model.resolution, model.resolution) * 2 - 1
    with torch.no_grad():
        mean = vae.encode(images).latent_dist.mean
        expected = (mean - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
        decoded = vae.decode(mean).sample
    torch.testing.assert_close(model.encode(images), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.decode(expected), decoded, rtol=1e-4, atol=1e-5)


def test_pixels_are_left_as_they_are(folder_of: Callable[[str], Path]) -> None:
    model = opened(folder_of("pixel-flow"))
    images = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    assert torch.equal(model.encode(images), images)
    assert torch.equal(model.decode(images), images)


def test_company_of_other_prompts_changes_nothing(model: DenoiserModel, key: str) -> None:
    prompts = prompts_of(key)
    x, noise, steps, _ = triples(model)
    together = model.prepare(prompts)
    for row, prompt in enumerate(prompts):
        torch.testing.assert_close(
            model.errors(
                x, noise, steps, model.prepare([prompt]), torch.zeros(6, dtype=torch.int64)
            ),
            model.errors(x, noise, steps, together, torch.full((6,), row)),
            rtol=1e-5,
            atol=1e-6,
        )


def test_prompts_differ(model: DenoiserModel, key: str) -> None:
    x, noise, steps, _ = triples(model)
    conditioning = model.prepare([*prompts_of(key)[1:], "3" if key == "dit" else "knife"])
    errors = torch.stack(
        [model.errors(x, noise, steps, conditioning, torch.full((6,), row)) for row in range(3)]
    )
    assert (errors.std(0) > 1e-7 * errors.mean(0)).all()


def test_batches_change_nothing(model: DenoiserModel, key: str) -> None:
    conditioning = model.prepare(prompts_of(key))
    x, noise, steps, rows = triples(model)
    errors = model.errors(x, noise, steps, conditioning, rows)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    alone = [
        model.errors(
            x[i : i + 1], noise[i : i + 1], steps[i : i + 1], conditioning, rows[i : i + 1]
        )
        for i in range(6)
    ]
    torch.testing.assert_close(torch.cat(alone), errors, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        model.errors(x[order], noise[order], steps[order], conditioning, rows[order]),
        errors[order],
        rtol=1e-5,
        atol=1e-6,
    )


def test_bfloat16_is_close_to_float32(
    model: DenoiserModel, key: str, folder_of: Callable[[str], Path]
) -> None:
    half = opened(folder_of(key), dtype=torch.bfloat16)
    assert next(half.network.parameters()).dtype == torch.bfloat16
    x, noise, steps, rows = triples(model)
    prompts = prompts_of(key)
    errors = half.errors(x, noise, steps, half.prepare(prompts), rows)
    assert errors.dtype == torch.float64
    torch.testing.assert_close(
        errors, model.errors(x, noise, steps, model.prepare(prompts), rows), rtol=0.05, atol=0.05
    )


def test_network_can_be_replaced(folder_of: Callable[[str], Path]) -> None:
    model = opened(folder_of("sd1"))
    conditioning = model.prepare(PROMPTS)
    x, noise, steps, rows = triples(model)
    before = model.errors(x, noise, steps, conditioning, rows)
    model.network = torch.compile(
        model.network.to(memory_format=torch.channels_last), backend="eager"
    )
    after = model.errors(x, noise, steps, conditioning, rows)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_masked_padding_may_be_left_out(
    folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(folder_of("pixart-sigma"))
    assert isinstance(model, PixArt)
    short = model.prepare(PROMPTS)
    encode = model._text
    monkeypatch.setattr(model, "_text", lambda *a, **k: encode(*a, **k | {"trim": False}))
    full = model.prepare(PROMPTS)
    assert short["encoder_hidden_states"].shape[1] < full["encoder_hidden_states"].shape[1] == 300
    x, noise, steps, rows = triples(model)
    torch.testing.assert_close(
        model.errors(x, noise, steps, short, rows),
        model.errors(x, noise, steps, full, rows),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("key", ["dit", "deepfloyd", "pixart-sigma"])
def test_predicted_variance_is_dropped(key: str, folder_of: Callable[[str], Path]) -> None:
    model = opened(folder_of(key))
    x, noise, steps, rows = triples(model)
    conditioning = model.prepare(prompts_of(key))
    outputs: list[Tensor] = []
    model.network.register_forward_hook(lambda _m, _i, output: outputs.append(output[0]))
    errors = model.errors(x, noise, steps, conditioning, rows)
    channels = x.shape[1]
    assert outputs[0].shape[1] == 2 * channels
    snr = torch.as_tensor(model.schedule.snr)[steps].view(-1, 1, 1, 1)
    estimate = x - (outputs[0][:, :channels] - noise).double() / snr.sqrt()
    if key == "deepfloyd":  # whose x̂ is cut off at the range of pixels
        estimate = estimate.clamp(-1, 1)
    expected = (x - estimate).square().sum((1, 2, 3))
    torch.testing.assert_close(errors, expected, rtol=1e-4, atol=1e-6)


def test_sd3_without_an_encoder_sees_zeros(folder_of: Callable[[str], Path]) -> None:
    model = opened(folder_of("sd3"))
    whole = model.prepare(PROMPTS)
    width = whole["pooled_projections"].shape[1] // 2
    texts = model.texts
    model.texts = (None, *texts[1:])
    part = model.prepare(PROMPTS)
    assert not part["pooled_projections"][:, :width].any()
    assert not part["encoder_hidden_states"][:, :77, :width].any()
    assert torch.equal(
        part["pooled_projections"][:, width:], whole["pooled_projections"][:, width:]
    )
    model.texts = (None, None, texts[2])
    part = model.prepare(PROMPTS)
    assert part["pooled_projections"].shape == whole["pooled_projections"].shape
    assert not part["pooled_projections"].any()
    assert torch.equal(
        part["encoder_hidden_states"][:, 77:], whole["encoder_hidden_states"][:, 77:]
    )


def test_dit_finds_classes_by_index_and_name(folder_of: Callable[[str], Path]) -> None:
    model = opened(folder_of("dit"))
    found = model.prepare(["9", "Goldfish", "tinca tinca", "tench, Tinca tinca"])
    assert found["class_labels"].tolist() == [9, 1, 0, 0]
    with pytest.raises(SynthesightError, match="2, 3"):
        model.prepare(["crane"])
    with pytest.raises(SynthesightError, match="from 0 to 9"):
        model.prepare(["A bad photo of a cat"])
    with pytest.raises(SynthesightError, match="from 0 to 9"):
        model.prepare(["10"])


def test_long_prompts_are_announced(folder_of: Callable[[str], Path]) -> None:
    with pytest.warns(UserWarning, match="reads only 77"):
        opened(folder_of("sd1")).prepare(["cat " * 200])


def test_inpainting_networks_are_refused(tmp_path: Path) -> None:
    folder = stable_diffusion(tmp_path / "inpainting", in_channels=9)
    with pytest.raises(SynthesightError, match="inpainting"):
        load_model(folder)


def test_every_family_is_tried() -> None:
    built = {"sd1", "sdxl", "deepfloyd", "sd3", "flux-dev", "pixart-alpha", "dit"}
    assert len(FAMILIES) == len(built)
    assert built <= BUILDERS.keys()


def test_the_last_timestep_of_deepfloyd_does_not_outweigh_all_others(folder_of):
    """Its ε is magnified 20,000 times there; no pixel of x̂ may leave the range of an image."""
    model = opened(folder_of("deepfloyd"))
    x, noise, _, rows = triples(model)
    steps = torch.full((len(x),), len(model.schedule) - 1)
    errors = model.errors(x, noise, steps, model.prepare(PROMPTS), rows)
    assert (errors <= (1 + x.abs()).square().flatten(1).sum(1) + 1e-3).all()

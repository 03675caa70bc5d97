"""The one internal form x̂ = D(z_t, t, prompt), whatever the network predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import synthesight
from synthesight.errors import SynthesightError
from synthesight.likelihood.autoencoder import Pixels
from synthesight.likelihood.denoiser import DenoiserModel, NonFiniteOutput
from synthesight.likelihood.protocol import Denoiser
from synthesight.likelihood.schedule import PREDICTIONS, Schedule, clean_estimate

SIDE = 4
SHAPE = (5, 3, SIDE, SIDE)

Output = Callable[[Tensor, Tensor, Tensor], Tensor]


def cosine() -> Schedule:
    scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    return Schedule.diffusion(scheduler.alphas_cumprod.double().numpy())


SCHEDULES = {
    "vp": cosine(),
    "flow": Schedule.rectified_flow(),
    "edm": Schedule.edm(0.002, 80.0, 0.5),
    "large noise": replace(Schedule.rectified_flow(), noise_scale=3.0),
}


class Network(nn.Module):
    """Says ``output(z, timesteps, scale)``."""

    def __init__(self, output: Output, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.output = output
        self.weight = nn.Parameter(torch.zeros(1, dtype=dtype))

    def forward(self, z: Tensor, timesteps: Tensor, scale: Tensor) -> Tensor:
        return self.output(z, timesteps, scale)


class TinyDoor:
    """Calls a network; the prompt's length scales x̂."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def prepare(self, prompts: list[str]) -> Tensor:
        return torch.tensor([float(len(prompt)) for prompt in prompts])

    def predict(self, z: Tensor, timesteps: Tensor, prepared: Tensor, rows: Tensor) -> Tensor:
        return self.network(z, timesteps, prepared[rows])


def model_of(
    output: Output,
    schedule: Schedule,
    prediction: Any,
    *,
    dtype: torch.dtype = torch.float32,
    **options: Any,
) -> DenoiserModel:
    settings = {"name": "tiny", "resolution": SIDE} | options
    return DenoiserModel(
        TinyDoor(Network(output, dtype)), Pixels(), schedule, prediction, **settings
    )


def guess(z: Tensor, scale: Tensor) -> Tensor:
    """The clean image that all of the networks below believe in."""
    return torch.tanh(z) * scale.view(-1, 1, 1, 1) / 3


def model_predicting(prediction: str, schedule: Schedule, **options: Any) -> DenoiserModel:
    """A model whose network knows ``guess`` and says it in one of the ways."""
    alphas, sigmas, told = (
        torch.as_tensor(values.copy(), dtype=torch.float64)
        for values in (schedule.alpha, schedule.sigma, schedule.timesteps)
    )

    def output(z: Tensor, timesteps: Tensor, scale: Tensor) -> Tensor:
        steps = (timesteps[:, None] - told).abs().argmin(1)
        alpha, sigma = (values[steps].view(-1, 1, 1, 1) for values in (alphas, sigmas))
        x = guess(z.double(), scale)
        noise = (z.double() - alpha * x) / sigma
        said = {
            "epsilon": noise,
            "v_prediction": alpha * noise - sigma * x,
            "sample": x,
            "flow_prediction": noise - x,
            "reversed_flow": x - noise,
            "edm": (x - alpha * z.double()) / sigma,
        }
        return said[prediction].to(z.dtype)

    return model_of(output, schedule, prediction, **options)


def signal(schedule: Schedule, steps: Tensor) -> tuple[Tensor, Tensor]:
    """α and σ at some steps, to be multiplied with images."""
    alpha, sigma = (
        torch.as_tensor(values)[steps].view(-1, 1, 1, 1)
        for values in (schedule.alpha, schedule.sigma)
    )
    return alpha, sigma


@pytest.fixture
def draws() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(2, *SHAPE, generator=generator)
    return x, noise, torch.tensor([0, 200, 500, 800, 980]), torch.tensor([0, 1, 0, 1, 0])


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_all_predictions_give_the_same_errors(
    prediction: str, schedule: Schedule, draws: tuple[Tensor, ...]
) -> None:
    x, noise, steps, rows = draws
    model = model_predicting(prediction, schedule)
    errors = model.errors(x, noise, steps, model.prepare(["four", "fifteen"]), rows)
    assert errors.dtype == torch.float64
    alpha, sigma = signal(schedule, steps)
    scale = torch.tensor([4.0, 7.0])[rows]
    z = alpha * x + sigma * schedule.noise_scale * noise
    expected = (x - guess(z, scale)).square().sum((1, 2, 3))
    torch.testing.assert_close(errors, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@settings(deadline=None, max_examples=50)
@given(step=st.integers(0, 999), seed=st.integers(0, 2**31))
def test_estimate_is_that_of_diffusers(prediction: Any, step: int, seed: int) -> None:
    scheduler = diffusers.DDIMScheduler(
        beta_schedule="scaled_linear", prediction_type=prediction, clip_sample=False
    )
    scheduler.set_timesteps(1000)
    output, z = torch.randn(2, 1, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    expected = scheduler.step(output, step, z).pred_original_sample
    bar = scheduler.alphas_cumprod[step]
    found = clean_estimate(prediction, output, z, bar.sqrt(), (1 - bar).sqrt())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prediction", ["flow_prediction", "reversed_flow"])
@settings(deadline=None, max_examples=50)
@given(index=st.integers(0, 998), seed=st.integers(0, 2**31))
def test_flow_estimate_is_that_of_diffusers(prediction: Any, index: int, seed: int) -> None:
    sigma = (index + 1) / 1000
    backwards = prediction == "reversed_flow"
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=backwards)
    # One step, to no noise at all; backwards, σ is the share of the image.
    scheduler.set_timesteps(sigmas=[sigma])
    output, z = torch.randn(2, 1, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    expected = scheduler.step(output, scheduler.timesteps[0], z).prev_sample
    found = clean_estimate(prediction, output, z, torch.tensor(1 - sigma), torch.tensor(sigma))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_error_of_a_perfect_network_is_nil(draws: tuple[Tensor, ...]) -> None:
    x, noise, steps, rows = draws
    model = model_of(lambda *_: noise - x, Schedule.rectified_flow(), "flow_prediction")
    errors = model.errors(x, noise, steps, model.prepare(["a", "b"]), rows)
    torch.testing.assert_close(errors, torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule.rectified_flow(), lambda steps: steps + 0.5),
        (Schedule.rectified_flow(1.0), lambda steps: (steps + 0.5) / 1000),
        (cosine(), lambda steps: steps),
    ],
    ids=["a thousand sigma", "sigma", "index"],
)
def test_the_network_is_told_the_schedulers_timesteps(
    schedule: Schedule, expected: Callable[[Tensor], Tensor], draws: tuple[Tensor, ...]
) -> None:
    x, noise, steps, rows = draws
    told: list[Tensor] = []

    def output(z: Tensor, timesteps: Tensor, _scale: Tensor) -> Tensor:
        told.append(timesteps)
        return z

    model = model_of(output, schedule, "sample")
    model.errors(x, noise, steps, model.prepare(["a", "b"]), rows)
    torch.testing.assert_close(told[0], expected(steps.double()), rtol=1e-12, atol=0)


def test_errors_are_summed_in_float64() -> None:
    model = model_of(lambda z, *_: torch.zeros_like(z), cosine(), "sample", resolution=512)
    x = torch.full((1, 3, 512, 512), 0.1)
    x[0, 0, 0, 0] = 4096.0  # beside its square, the others vanish in float32
    zero = torch.zeros(1, dtype=torch.int64)
    errors = model.errors(x, torch.zeros_like(x), zero, model.prepare(["a"]), zero)
    small = x[0, 0, 0, 1].square().double()
    torch.testing.assert_close(
        errors, (4096.0**2 + small * (3 * 512**2 - 1)).view(1), rtol=1e-12, atol=0
    )


def test_errors_are_the_squared_distance_of_the_estimate() -> None:
    model = synthesight.load("natural-32", device="cpu").model
    generator = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(3, 3, 32, 32, generator=generator) for _ in range(2))
    given = (
        torch.tensor([50, 500, 900]),
        model.prepare(["a cat", "a dog"]),
        torch.tensor([0, 1, 0]),
    )
    estimate = model.estimate(x, noise, *given)
    assert estimate.shape == x.shape
    expected = (x - estimate).double().square().flatten(1).sum(1)
    torch.testing.assert_close(model.errors(x, noise, *given), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        (torch.float16, "`dtype=bfloat16` or `dtype=float32`"),
        (torch.bfloat16, "try `dtype=float32`"),
        (torch.float32, "check that its weights"),
    ],
)
def test_non_finite_output_says_where(
    value: float, dtype: torch.dtype, remedy: str, draws: tuple[Tensor, ...]
) -> None:
    x, noise, steps, rows = draws

    def output(z: Tensor, timesteps: Tensor, _scale: Tensor) -> Tensor:
        return z.masked_fill((timesteps == 500).view(-1, 1, 1, 1), value)

    model = model_of(output, cosine(), "epsilon", name="broken", dtype=dtype)
    kind = str(dtype).removeprefix("torch.")
    with pytest.raises(NonFiniteOutput, match=rf"broken .* {kind} at timestep 500: .*{remedy}"):
        model.errors(x, noise, steps, model.prepare(["a", "b"]), rows)


def test_images_of_another_size_are_refused() -> None:
    model = model_predicting("sample", cosine())
    assert model.encode(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, 3, SIDE, SIDE)
    for shape in ((2, 3, SIDE, 2 * SIDE), (2, 1, SIDE, SIDE), (3, SIDE, SIDE)):
        with pytest.raises(SynthesightError, match=r"\(B, 3, 4, 4\)"):
            model.encode(torch.zeros(shape))
    with pytest.raises(SynthesightError, match="no prompts"):
        model.prepare([])


def test_images_need_not_be_square() -> None:
    model = model_predicting("sample", cosine(), resolution=(SIDE, 2 * SIDE))
    assert (model.resolution, model.size) == ((SIDE, 2 * SIDE), (SIDE, 2 * SIDE))
    assert model.encode(torch.zeros(2, 3, SIDE, 2 * SIDE)).shape == (2, 3, SIDE, 2 * SIDE)
    with pytest.raises(SynthesightError, match=r"\(B, 3, 4, 8\)"):
        model.encode(torch.zeros(2, 3, 2 * SIDE, SIDE))
    assert model_predicting("sample", cosine()).size == (SIDE, SIDE)


def test_x_has_the_scale_that_the_network_was_trained_for() -> None:
    images = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    plain = model_predicting("sample", cosine())
    assert torch.equal(plain.encode(images), images)
    model = model_predicting("edm", SCHEDULES["edm"])
    torch.testing.assert_close(model.encode(images), images / 0.5)
    torch.testing.assert_close(model.decode(model.encode(images)), images)


def test_a_clamped_estimate_stays_in_the_range_of_pixels(draws: tuple[Tensor, ...]) -> None:
    _, z, steps, rows = draws
    open_, clamped = (
        model_predicting("epsilon", cosine(), clamped=clamped) for clamped in (False, True)
    )
    prepared = clamped.prepare(["four", "fifteen"])
    estimate = open_.denoise(z, steps, prepared, rows)
    assert estimate.abs().max() > 1
    assert torch.equal(clamped.denoise(z, steps, prepared, rows), estimate.clamp(-1, 1))


def test_the_network_can_be_replaced(draws: tuple[Tensor, ...]) -> None:
    x, noise, steps, rows = draws
    model = model_predicting("flow_prediction", Schedule.rectified_flow())
    assert isinstance(model, Denoiser)
    prepared = model.prepare(["four", "fifteen"])
    assert float(model.errors(x, noise, steps, prepared, rows).min()) > 1
    model.network = Network(lambda *_: noise - x)
    assert float(model.errors(x, noise, steps, prepared, rows).max()) < 1e-9
    model.network = Network(lambda *_: noise - x, torch.bfloat16)
    assert model.dtype == torch.bfloat16
    assert "bfloat16" in repr(model)
    np.testing.assert_array_less(model.errors(x, noise, steps, prepared, rows), 1e-9)

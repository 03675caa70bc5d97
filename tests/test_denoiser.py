"""The one internal form x̂ = D(z_t, t, prompt), whatever the network predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from synthesight.errors import SynthesightError
from synthesight.likelihood.denoiser import (
    PREDICTIONS,
    Conditioning,
    DenoiserModel,
    NonFiniteOutput,
    Parts,
    clean_estimate,
)
from synthesight.likelihood.schedule import Schedule

SIDE = 4
SHAPE = (5, 3, SIDE, SIDE)


def cosine() -> Schedule:
    scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    return Schedule.diffusion(scheduler.alphas_cumprod.double().numpy())


class OnePrompt(DenoiserModel):
    """The base class with the least that a family must say: the prompt's length scales x̂."""

    text_encoders = 0

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:
        return False

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        return {"scale": torch.tensor([float(len(prompt)) for prompt in prompts])}

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.network(z, timesteps, conditioning["scale"])


class Network(nn.Module):
    """Says ``output(z, timesteps, scale)``."""

    def __init__(self, output: Callable[[Tensor, Tensor, Tensor], Tensor], channels: int = 3):
        super().__init__()
        self.config = SimpleNamespace(in_channels=channels, out_channels=None, sample_size=SIDE)
        self.output = output

    def forward(self, z: Tensor, timesteps: Tensor, scale: Tensor) -> Tensor:
        return self.output(z, timesteps, scale)


def guess(z: Tensor, scale: Tensor) -> Tensor:
    """The clean image that all of the networks below believe in."""
    return torch.tanh(z) * scale.view(-1, 1, 1, 1) / 3


def model_predicting(prediction: Any, schedule: Schedule, **options: Any) -> OnePrompt:
    """A model whose network knows ``guess`` and says it as ε, v, x or a velocity."""
    alphas, sigmas = (
        torch.as_tensor(values, dtype=torch.float64) for values in (schedule.alpha, schedule.sigma)
    )

    def output(z: Tensor, timesteps: Tensor, scale: Tensor) -> Tensor:
        steps = timesteps.long()  # 1000 σ of a flow's cell rounds down to its index
        alpha, sigma = (values[steps].view(-1, 1, 1, 1) for values in (alphas, sigmas))
        x = guess(z.double(), scale)
        noise = (z.double() - alpha * x) / sigma
        said = {
            "epsilon": noise,
            "v_prediction": alpha * noise - sigma * x,
            "sample": x,
            "flow_prediction": noise - x,
        }
        return said[prediction].to(z.dtype)

    parts = Parts(network=Network(output), schedule=schedule, prediction=prediction)
    return OnePrompt(parts, name="tiny", **options)


@pytest.fixture
def draws() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, noise = torch.randn(2, *SHAPE, generator=generator)
    return x, noise, torch.tensor([0, 200, 500, 800, 990]), torch.tensor([0, 1, 0, 1, 0])


@pytest.mark.parametrize("schedule", [cosine(), Schedule.rectified_flow()], ids=["vp", "flow"])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_all_predictions_give_the_same_errors(
    prediction: str, schedule: Schedule, draws: tuple[Tensor, ...]
) -> None:
    x, noise, steps, rows = draws
    model = model_predicting(prediction, schedule)
    errors = model.errors(x, noise, steps, model.prepare(["four", "fifteen"]), rows)
    alpha, sigma = (
        torch.as_tensor(values)[steps].view(-1, 1, 1, 1)
        for values in (schedule.alpha, schedule.sigma)
    )
    scale = torch.tensor([4.0, 7.0])[rows]
    expected = (x - guess(alpha * x + sigma * noise, scale)).square().sum((1, 2, 3))
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


@settings(deadline=None, max_examples=50)
@given(index=st.integers(0, 998), seed=st.integers(0, 2**31))
def test_flow_estimate_is_that_of_diffusers(index: int, seed: int) -> None:
    sigma = (index + 1) / 1000
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[sigma])  # one step, to no noise at all
    output, z = torch.randn(2, 1, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    expected = scheduler.step(output, scheduler.timesteps[0], z).prev_sample
    found = clean_estimate(
        "flow_prediction", output, z, torch.tensor(1 - sigma), torch.tensor(sigma)
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_error_of_a_perfect_network_is_nil(draws: tuple[Tensor, ...]) -> None:
    x, noise, steps, rows = draws
    parts = Parts(Network(lambda *_: noise - x), Schedule.rectified_flow(), "flow_prediction")
    model = OnePrompt(parts, name="perfect")
    errors = model.errors(x, noise, steps, model.prepare(["a", "b"]), rows)
    torch.testing.assert_close(errors, torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-9)


def test_flow_network_is_told_a_thousand_sigma(draws: tuple[Tensor, ...]) -> None:
    x, noise, steps, rows = draws
    told: list[Tensor] = []

    def output(z: Tensor, timesteps: Tensor, _scale: Tensor) -> Tensor:
        told.append(timesteps)
        return z

    for schedule in (Schedule.rectified_flow(), cosine()):
        model = OnePrompt(Parts(Network(output), schedule, "sample"), name="told")
        model.errors(x, noise, steps, model.prepare(["a", "b"]), rows)
    torch.testing.assert_close(told[0], steps + 0.5)
    assert torch.equal(told[1], steps)


def test_errors_are_summed_in_float64() -> None:
    parts = Parts(Network(lambda z, *_: torch.zeros_like(z)), cosine(), "sample")
    model = OnePrompt(parts, name="large")
    x = torch.full((1, 3, 512, 512), 0.1)
    x[0, 0, 0, 0] = 4096.0  # beside its square, the others vanish in float32
    zero = torch.zeros(1, dtype=torch.int64)
    errors = model.errors(x, torch.zeros_like(x), zero, model.prepare(["a"]), zero)
    small = x[0, 0, 0, 1].square().double()
    torch.testing.assert_close(
        errors, (4096.0**2 + small * (3 * 512**2 - 1)).view(1), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [(torch.float16, "bfloat16"), (torch.bfloat16, "float32"), (torch.float32, "weights")],
)
def test_non_finite_output_says_where(
    value: float, dtype: torch.dtype, remedy: str, draws: tuple[Tensor, ...]
) -> None:
    x, noise, steps, rows = draws

    def output(z: Tensor, timesteps: Tensor, _scale: Tensor) -> Tensor:
        return z.masked_fill((timesteps == 500).view(-1, 1, 1, 1), value)

    model = OnePrompt(Parts(Network(output), cosine(), "epsilon"), name="broken", dtype=dtype)
    with pytest.raises(NonFiniteOutput, match=rf"broken .* timestep 500: .*{remedy}"):
        model.errors(x, noise, steps, model.prepare(["a", "b"]), rows)


def test_images_of_another_size_are_refused() -> None:
    model = model_predicting("sample", cosine())
    assert model.encode(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, 3, SIDE, SIDE)
    with pytest.raises(SynthesightError, match=r"\(B, 3, 4, 4\)"):
        model.encode(torch.zeros(2, 3, SIDE, 2 * SIDE))
    with pytest.raises(SynthesightError, match="no prompts"):
        model.prepare([])


def test_epsilon_needs_some_signal() -> None:
    scheduler = diffusers.DDIMScheduler(rescale_betas_zero_snr=True)
    schedule = Schedule.diffusion(scheduler.alphas_cumprod.double().numpy())
    model_predicting("v_prediction", schedule)
    with pytest.raises(SynthesightError, match="pure noise"):
        model_predicting("epsilon", schedule)


def test_network_that_does_not_fit_is_refused() -> None:
    parts = Parts(Network(lambda z, *_: z, channels=6), cosine(), "epsilon")
    with pytest.raises(SynthesightError, match="maps 6 channels to 6"):
        OnePrompt(parts, name="upscaler")

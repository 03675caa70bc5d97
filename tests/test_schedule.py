"""Noise schedules, read from the schedulers of diffusers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.schedule import CELLS, Schedule, clean_estimate, read_schedule
from synthesight.likelihood.weighting import elbo

EDM = ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"]


@pytest.mark.parametrize(
    "kind",
    [
        "PNDMScheduler",
        "DDIMScheduler",
        "DDPMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
        "UniPCMultistepScheduler",
        "HeunDiscreteScheduler",
        "LCMScheduler",
    ],
)
def test_schedule_is_that_of_training(kind: str) -> None:
    options = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    schedule, prediction = read_schedule(getattr(diffusers, kind)(**options), "m")
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    bar = np.cumprod(1 - betas)
    np.testing.assert_allclose(schedule.alpha**2, bar, rtol=1e-4)
    np.testing.assert_allclose(schedule.sigma**2, 1 - bar, rtol=1e-3)
    np.testing.assert_array_equal(schedule.timesteps, np.arange(1000))
    assert prediction == "epsilon"
    assert not schedule.continuous


def test_zero_terminal_snr_is_read() -> None:
    scheduler = diffusers.DDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction")
    schedule, prediction = read_schedule(scheduler, "m")
    assert schedule.alpha[-1] == 0
    assert prediction == "v_prediction"


def test_epsilon_needs_some_signal() -> None:
    with pytest.raises(SynthesightError, match=r"m predicts ε under .* pure noise"):
        read_schedule(diffusers.DDIMScheduler(rescale_betas_zero_snr=True), "m")


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flows_ignore_how_they_are_sampled(shift: float) -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    schedule, prediction = read_schedule(scheduler, "m")
    assert schedule.continuous
    assert prediction == "flow_prediction"
    np.testing.assert_allclose(schedule.alpha + schedule.sigma, 1)
    np.testing.assert_allclose(schedule.sigma, (np.arange(CELLS) + 0.5) / CELLS)
    np.testing.assert_allclose(schedule.timesteps, 1000 * schedule.sigma)


def test_flow_in_a_diffusion_scheduler() -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True
    )
    schedule, prediction = read_schedule(scheduler, "m")
    assert schedule.continuous
    assert prediction == "flow_prediction"
    np.testing.assert_allclose(schedule.alpha + schedule.sigma, 1)


def test_a_flow_whose_time_runs_backwards() -> None:
    """Its network is told 1000 (1 − σ), which is what its scheduler gives out."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True)
    schedule, prediction = read_schedule(scheduler, "m")
    assert prediction == "reversed_flow"
    np.testing.assert_allclose(schedule.timesteps, 1000 * (1 - schedule.sigma))
    scheduler.set_timesteps(10)
    image_share = scheduler.sigmas[:-1].double().numpy()
    expected = np.interp(1 - image_share, schedule.sigma, schedule.timesteps)
    np.testing.assert_allclose(scheduler.timesteps, expected, atol=0.5)


@pytest.mark.parametrize("kind", EDM)
@pytest.mark.parametrize(
    ("predicts", "prediction"), [("epsilon", "edm"), ("v_prediction", "v_prediction")]
)
def test_preconditioned_networks_follow_diffusers(
    kind: str, predicts: str, prediction: str
) -> None:
    """c_in, c_noise and the estimate, at each noise level of a scheduler of Karras et al."""
    scheduler = getattr(diffusers, kind)(prediction_type=predicts, sigma_data=0.7)
    schedule, found = read_schedule(scheduler, "m")
    assert found == prediction
    assert (schedule.data_scale, schedule.continuous) == (0.7, True)
    level = torch.as_tensor(schedule.sigma / schedule.alpha * 0.7)
    assert scheduler.config.sigma_min <= float(level.min())
    assert float(level.max()) <= scheduler.config.sigma_max
    generator = torch.Generator().manual_seed(0)
    x, noise, output = torch.randn(3, len(schedule), dtype=torch.float64, generator=generator)
    alpha, sigma = map(torch.as_tensor, (schedule.alpha, schedule.sigma))
    raw = 0.7 * x + level * noise  # z in the scheduler's own units
    z = alpha * x + sigma * noise
    torch.testing.assert_close(scheduler.precondition_inputs(raw, level), z)
    told = torch.stack([scheduler.precondition_noise(one) for one in level])
    torch.testing.assert_close(torch.as_tensor(schedule.timesteps), told)
    estimate = clean_estimate(found, output, z, alpha, sigma)
    expected = scheduler.precondition_outputs(raw, output, level) / 0.7
    torch.testing.assert_close(estimate, expected, rtol=1e-6, atol=1e-6)


def test_a_level_has_the_time_of_the_flow_with_its_signal_to_noise_ratio() -> None:
    schedule = Schedule.edm(0.002, 80.0, 0.5)
    np.testing.assert_allclose(schedule.alpha**2 + schedule.sigma**2, 1)
    np.testing.assert_allclose(schedule.snr, ((1 - schedule.times) / schedule.times) ** 2)
    assert 0 < len(schedule) < CELLS  # levels that the network never saw are left out


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.DDIMScheduler(prediction_type="score"),
        diffusers.ScoreSdeVeScheduler(),
        diffusers.CMStochasticIterativeScheduler(),  # a sigma_data and a clock of its own
    ],
    ids=lambda scheduler: type(scheduler).__name__,
)
def test_other_schedules_are_refused(scheduler: Any) -> None:
    with pytest.raises(SynthesightError, match=r"^m (has|predicts) .*: choose a") as caught:
        read_schedule(scheduler, "m")
    words = ("prediction_type 'score'", type(scheduler).__name__)
    assert any(word in str(caught.value) for word in words)


def test_a_pipelines_own_clock_is_told() -> None:
    """Known at some noise levels, in any order, and interpolated between them."""
    flow = Schedule.rectified_flow()
    sigmas = np.linspace(0.0, 1.0, 400)
    shuffled = np.random.default_rng(0).permutation(sigmas)
    moved = flow.told(1000 * shuffled**2, shuffled)
    np.testing.assert_allclose(moved.timesteps, 1000 * flow.sigma**2, atol=0.01)
    for name in ("times", "alpha", "sigma"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(flow, name))


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule.rectified_flow(),
        replace(Schedule.rectified_flow(), noise_scale=2.0),
        Schedule.edm(0.002, 80.0, 0.5),
        replace(Schedule.edm(0.01, 50.0, 0.7), noise_scale=0.5),
    ],
    ids=["flow", "flow with large noise", "edm", "edm with small noise"],
)
def test_elbo_is_minus_half_the_slope_of_the_signal_to_noise_ratio(schedule: Schedule) -> None:
    """Kingma et al. (2021), equation 18, in the time of the grid."""
    log_slope = np.gradient(np.log(schedule.snr), schedule.times, edge_order=2)
    expected = -0.5 * schedule.snr * log_slope
    inner = slice(50, -50)  # where cells are small beside the distance to 0 and 1
    np.testing.assert_allclose(elbo(schedule)[inner], expected[inner], rtol=1e-3)


def test_elbo_of_discrete_times_adds_up_to_the_signal_to_noise_ratio_lost() -> None:
    schedule, _ = read_schedule(diffusers.DDPMScheduler(), "m")
    total = elbo(schedule).sum() / len(schedule)
    np.testing.assert_allclose(total, 0.5 * (schedule.snr[0] - schedule.snr[-1]))

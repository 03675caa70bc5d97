"""Sampling from a denoiser, against diffusers' own sampler and against known distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from synthesight.errors import SynthesightError
from synthesight.likelihood import Schedule
from synthesight.likelihood.sampling import denoise_from, sample


class Gaussian:
    """x is normal about a mean of each prompt, so x̂ is known in closed form."""

    name, resolution, device = "gaussian", 4, torch.device("cpu")
    spread = 0.3

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def prepare(self, prompts):
        return torch.tensor([float(prompt) for prompt in prompts])

    def encode(self, images):
        return images

    def errors(self, x, *how):
        return (x - self.estimate(x, *how)).double().square().flatten(1).sum(1)

    def estimate(self, x, noise, steps, conditioning, rows):
        alpha, sigma = (
            torch.from_numpy(part[steps.numpy()]).float()[:, None, None, None]
            for part in (self.schedule.alpha, self.schedule.sigma)
        )
        mean, variance = conditioning[rows][:, None, None, None], self.spread**2
        z = alpha * x + sigma * noise
        return mean + alpha * variance / (alpha**2 * variance + sigma**2) * (z - alpha * mean)


DDIM = DDIMScheduler(clip_sample=False, set_alpha_to_one=False)


@pytest.mark.parametrize(
    "schedule",
    [Schedule.rectified_flow(), Schedule.diffusion(DDIM.alphas_cumprod.numpy())],
    ids=["flow", "diffusion"],
)
def test_samples_follow_the_distribution_of_their_prompt(schedule):
    model = Gaussian(schedule)
    noise = torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(64) % 2
    found = sample(model, noise, model.prepare(["-0.5", "0.5"]), rows, steps=200)
    for row, mean in enumerate((-0.5, 0.5)):
        own = found[rows == row]
        assert float(own.mean()) == pytest.approx(mean, abs=0.03)
        assert float(own.std()) == pytest.approx(model.spread, rel=0.05)


def test_it_takes_the_steps_of_diffusers_ddim():
    model = Gaussian(Schedule.diffusion(DDIM.alphas_cumprod.numpy()))
    conditioning, rows = model.prepare(["0.2"]), torch.zeros(2, dtype=torch.int64)
    generator = torch.Generator().manual_seed(1)
    x, noise = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2))
    found = denoise_from(model, x, noise, 600, conditioning, rows, steps=7)

    z = DDIM.add_noise(x, noise, torch.tensor([600, 600]))
    for step in (600, 500, 400, 300, 200, 100, 0):
        alpha, sigma = model.schedule.alpha[step], model.schedule.sigma[step]
        at = torch.full((2,), step)
        estimate = model.estimate(z / alpha, torch.zeros_like(z), at, conditioning, rows)
        DDIM.set_timesteps(10)  # a hundred apart
        z = DDIM.step((z - alpha * estimate) / sigma, step, z).prev_sample
    torch.testing.assert_close(found, estimate.float(), atol=1e-4, rtol=1e-4)


def test_one_step_is_the_estimate_itself():
    model = Gaussian(Schedule.rectified_flow())
    conditioning, rows = model.prepare(["0.2"]), torch.zeros(1, dtype=torch.int64)
    x, noise = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    found = denoise_from(model, x, noise, 400, conditioning, rows, steps=1)
    estimate = model.estimate(x, noise, torch.tensor([400]), conditioning, rows)
    np.testing.assert_array_equal(found, estimate)


def test_it_refuses_no_steps():
    model = Gaussian(Schedule.rectified_flow())
    x = torch.zeros(1, 3, 4, 4)
    with pytest.raises(SynthesightError, match=r"`steps=0` cannot be"):
        denoise_from(model, x, x, 10, model.prepare(["0"]), torch.zeros(1, dtype=int), steps=0)

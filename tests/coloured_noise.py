"""Tiny denoisers of images: classes that are colours with Gaussian noise, and one that is blind."""

from __future__ import annotations

import torch

from synthesight.likelihood import Schedule

CLASSES = ["red", "green", "blue", "grey"]
COLOURS = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [0, 0, 0]])


class Colours:
    """Each class is a colour with Gaussian noise; latents are blocks of 2 × 2 pixels if wanted."""

    name, device = "colours", torch.device("cpu")
    schedule = Schedule.rectified_flow()

    def __init__(self, resolution: int = 8, block: int = 1) -> None:
        self.resolution, self.block = resolution, block

    def prepare(self, prompts):
        index = [next(n for n, name in enumerate(CLASSES) if name in each) for each in prompts]
        tone = torch.tensor([0.6 if "dark" in each else 1.0 for each in prompts])
        return (COLOURS[index] * tone[:, None])[:, :, None, None]

    def encode(self, images):
        return torch.nn.functional.avg_pool2d(images, self.block)

    def errors(self, x, *how):
        return (x - self.estimate(x, *how)).double().square().flatten(1).sum(1)

    def estimate(self, x, noise, steps, conditioning, rows):
        alpha, sigma = (
            torch.from_numpy(part[steps.numpy()]).float()[:, None, None, None]
            for part in (self.schedule.alpha, self.schedule.sigma)
        )
        mean, variance = conditioning[rows], 0.25
        z = alpha * x + sigma * noise
        return mean + alpha * variance / (alpha**2 * variance + sigma**2) * (z - alpha * mean)


class Blind:
    """Tells errors, and no estimate."""

    name, resolution, device = "blind", 8, torch.device("cpu")
    schedule = Schedule.rectified_flow()

    def prepare(self, prompts):
        return torch.arange(len(prompts))

    def encode(self, images):
        return images

    def errors(self, x, noise, steps, conditioning, rows):
        return x.double().square().flatten(1).sum(1) + rows

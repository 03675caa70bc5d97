"""A denoiser of one's own: any object with these four attributes and four methods.

Of a model of another kind than diffusion and flow, see own_exact_model.py.

This one believes that each class is a colour with Gaussian noise, so its optimal denoiser is known
in closed form: x̂ = μ + c (z − α μ), c = α s² / (α² s² + σ²).
"""

import numpy as np
import torch
from PIL import ImageColor

from synthesight.likelihood import Schedule
from synthesight.observers import GenerativeClassifier


class Colours:
    name, resolution, device = "colours", 8, torch.device("cpu")
    schedule = Schedule.rectified_flow()

    def prepare(self, prompts):
        rgb = [ImageColor.getrgb(prompt.split()[-1]) for prompt in prompts]
        return torch.tensor(rgb).float()[:, :, None, None] / 127.5 - 1

    def encode(self, images):
        return images

    def errors(self, x, noise, steps, conditioning, rows):
        found = self.estimate(x, noise, steps, conditioning, rows)
        return (x - found).double().square().sum(dim=(1, 2, 3))

    def estimate(self, x, noise, steps, conditioning, rows):
        step = steps.numpy()
        alpha, sigma = (
            torch.from_numpy(part[step]).float()[:, None, None, None]
            for part in (self.schedule.alpha, self.schedule.sigma)
        )
        mean, variance = conditioning[rows], 0.25
        z = alpha * x + sigma * noise
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        return mean + gain * (z - alpha * mean)


if __name__ == "__main__":
    observer = GenerativeClassifier(Colours(), classes=["red", "green", "navy"])
    image = np.full((8, 8, 3), (200, 30, 40), dtype=np.uint8)
    print(observer.classify(image).frame())

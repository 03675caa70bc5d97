"""A model whose likelihood is known: each class is a mixture of isotropic Gaussians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.special import logsumexp

from synthesight.likelihood.schedule import Schedule


@dataclass
class GaussianMixtures:
    """The optimal denoiser of each class, E[x | z_t], in closed form.

    ``means`` has shape (K, M, D): M components a class; all have standard deviation ``spread``.
    Images are read as vectors of D = 3 · resolution² numbers. The prompt of class k is "k".
    """

    means: np.ndarray
    spread: float = 0.5
    schedule: Schedule = field(default_factory=Schedule.rectified_flow)
    name: str = "mixtures"
    resolution: int = 2
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    batches: list[int] = field(default_factory=list)

    def prepare(self, prompts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([int(prompt.split()[-1]) for prompt in prompts])

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images

    def denoise(self, z: torch.Tensor, steps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """E[x | z_t, class], float64, shape (B, D), of z (B, D)."""
        alpha = torch.from_numpy(self.schedule.alpha)[steps][:, None]
        sigma = torch.from_numpy(self.schedule.sigma)[steps][:, None]
        means = torch.from_numpy(self.means)[classes]
        variance = alpha**2 * self.spread**2 + sigma**2
        distance = (z[:, None, :] - alpha[:, :, None] * means).square().sum(-1)
        responsibility = torch.softmax(-0.5 * distance / variance, dim=1)[:, :, None]
        gain = (alpha * self.spread**2 / variance)[:, :, None]
        found = means + gain * (z[:, None, :] - alpha[:, :, None] * means)
        return (responsibility * found).sum(1)

    def errors(
        self,
        x: torch.Tensor,
        noise: torch.Tensor,
        steps: torch.Tensor,
        conditioning: torch.Tensor,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        self.batches.append(len(x))
        x, noise = x.double().flatten(1), noise.double().flatten(1)
        alpha = torch.from_numpy(self.schedule.alpha)[steps][:, None]
        sigma = torch.from_numpy(self.schedule.sigma)[steps][:, None]
        found = self.denoise(alpha * x + sigma * noise, steps, conditioning[rows])
        return (x - found).square().sum(-1)

    def plain_errors(self, x: np.ndarray, noise: np.ndarray, step: int) -> np.ndarray:
        """‖x − x̂‖² of each class, shape (K,), of one image and draw."""
        count = len(self.means)
        image, noise = (torch.from_numpy(v).double().expand(count, -1) for v in (x, noise))
        steps, rows = torch.full((count,), step), torch.arange(count)
        return self.errors(image, noise, steps, rows, rows).numpy()

    def log_likelihood(self, x: np.ndarray) -> np.ndarray:
        """Exact log p(x | class), shape (B, K), up to a constant, of x (B, D)."""
        distance = np.square(x[:, None, None, :] - self.means).sum(-1)
        return logsumexp(-0.5 * distance / self.spread**2, axis=2)

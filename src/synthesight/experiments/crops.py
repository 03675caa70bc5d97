"""Random crops and colours of training images, a batch at a time on any device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Crops:
    """What random crops look like.

    Attributes
    ----------
    area
        Least share of the image that a crop shows; the most is ``most``.
    most
        Greatest share; above 1, a crop shows the border mirrored.
    stretch
        Largest ratio of the sides.
    colour
        Strength of changed brightness, contrast, saturation and, a quarter of it, hue.
    grey
        Share of the crops without colours.
    """

    area: float
    most: float = 1.0
    stretch: float = 4 / 3
    colour: float = 0.0
    grey: float = 0.0

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return one crop of each image (B, 3, R, R) in [-1, 1], mirrored at random."""
        count, device = len(images), images.device

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            chance = torch.rand(count, *shape, generator=generator, device=device)
            return low + (high - low) * chance

        side = uniform(self.area, self.most).sqrt()
        ratio = torch.exp(uniform(-1.0, 1.0) * torch.tensor(self.stretch).log() / 2)
        size = torch.stack([side * ratio, side / ratio], dim=1)
        if self.most <= 1:
            size = size.clamp(max=1.0)
        place = uniform(-1.0, 1.0, 2) * (1 - size).abs()
        mirrored = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
        theta = torch.zeros(count, 2, 3, device=device)
        theta[:, 0, 0], theta[:, 1, 1] = size[:, 0] * mirrored, size[:, 1]
        theta[:, :, 2] = place
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        shown = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        return self._coloured(shown, uniform) if self.colour or self.grey else shown

    def _coloured(self, images: Tensor, uniform: object) -> Tensor:
        """Change brightness, contrast, saturation and hue of four in five."""
        strength = self.colour
        grey = images.new_tensor(GREY)[:, None, None]
        chance: Tensor = uniform(0, 1, 1, 1, 1)  # type: ignore[operator]
        light, contrast, saturation = (
            uniform(1 - strength, 1 + strength, 1, 1, 1)  # type: ignore[operator]
            for _ in range(3)
        )
        changed = (images + 1) * light - 1
        mean = (changed * grey).sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
        changed = mean + (changed - mean) * contrast
        own = (changed * grey).sum(dim=1, keepdim=True)
        # Colours, as offsets from grey, are stretched and turned about the grey axis.
        turn: Tensor = uniform(-1, 1) * strength / 4 * 3.14159  # type: ignore[operator]
        offset = torch.einsum("bij,bjhw->bihw", _turned(turn), changed - own) * saturation
        changed = torch.where(chance < 0.8, own + offset, images)
        colourless = (changed * grey).sum(dim=1, keepdim=True).expand_as(changed)
        pick: Tensor = uniform(0, 1, 1, 1, 1)  # type: ignore[operator]
        return torch.where(pick < self.grey, colourless, changed).clamp(-1, 1)


STRONG = Crops(area=0.2, colour=0.4, grey=0.2)
MILD = Crops(area=0.7, most=1.15, stretch=1.1, colour=0.1)


def _turned(angle: Tensor) -> Tensor:
    """Rotations about the grey axis (Rodrigues' formula): (B, 3, 3)."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    axis = 3**-0.5
    cross = axis * angle.new_tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    outer = angle.new_full((3, 3), 1 / 3)
    return cosine * torch.eye(3, device=angle.device) + sine * cross + (1 - cosine) * outer

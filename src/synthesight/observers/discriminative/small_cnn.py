"""Build the architecture of ``natural-32-cnn``: a residual network for small images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Apply two 3 × 3 convolutions with batch normalisation, and a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, outputs, H / stride, W / stride) of features (B, inputs, H, W)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class SmallCNN(nn.Module):
    """Classify small images by a residual network on 2 × 2 pixel patches.

    ``widths`` are channels of the stages, each of so many residual ``blocks``; each stage after the
    first halves the resolution.
    """

    def __init__(
        self, classes: int, widths: Sequence[int] = (64, 128, 256), blocks: int = 1
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = [
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        before = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(ResidualBlock(before, width, stride))
                before = width
        self.features = nn.Sequential(*stages)
        self.head = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes) of images (B, 3, R, R) in [-1, 1].

        Out of training, the mean over each image and its mirror image: the network was trained on
        both alike, so neither should be preferred.
        """
        if self.training:
            return self._logits(x)
        return 0.5 * (self._logits(x) + self._logits(x.flip(-1)))

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).amax(dim=(2, 3)))

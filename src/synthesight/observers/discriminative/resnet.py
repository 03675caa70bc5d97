"""Build ResNet-50 of any width, and BagNets, for the published weights of many papers.

The names of the layers are those of torchvision's ResNet, which the weights were saved with.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

BLOCKS = (3, 4, 6, 3)  # of the four stages
EXPANSION = 4
# BagNets by the side of the patches that they see, in pixels: how many blocks, at the start of each
# stage, look at their neighbours.
BAGNETS = {9: (1, 1, 0, 0), 17: (1, 1, 1, 0), 33: (1, 1, 1, 1)}


class Bottleneck(nn.Module):
    """Apply 1 × 1, k × k and 1 × 1 convolutions with batch normalisation, and a shortcut.

    The stride is that of the second convolution (He et al. 2016, as torchvision has it). Without
    padding, the shortcut is cut to the size of the output (Brendel & Bethge 2019).
    """

    def __init__(self, inputs: int, planes: int, *, stride: int, kernel: int, padding: int) -> None:
        super().__init__()
        outputs = EXPANSION * planes
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel, stride=stride, padding=padding, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, 4 · planes, H', W') of features (B, inputs, H, W)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(y + shortcut[..., : y.shape[-2], : y.shape[-1]])


class _Stages(nn.Module):
    """Apply four stages of bottlenecks, a mean over places, and a linear readout."""

    def __init__(
        self,
        width: int,
        strides: Sequence[int],
        looking: Sequence[int],
        *,
        padded: bool,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        channels = 64 * width
        for stage, (blocks, stride) in enumerate(zip(BLOCKS, strides, strict=True)):
            planes = 64 * width * 2**stage
            bottlenecks = []
            for block in range(blocks):
                kernel = 3 if block < looking[stage] else 1
                bottlenecks.append(
                    Bottleneck(
                        channels,
                        planes,
                        stride=stride if block == 0 else 1,
                        kernel=kernel,
                        padding=kernel // 2 if padded else 0,
                    )
                )
                channels = EXPANSION * planes
            self.add_module(f"layer{stage + 1}", nn.Sequential(*bottlenecks))
        self.fc = nn.Linear(channels, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last stage's features of the stem's output (B, C, H, W)."""
        for stage in range(len(BLOCKS)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return x


class ResNet50(_Stages):
    """Classify images by a ResNet-50 (He et al. 2016).

    ``width`` is a factor on the number of channels of every layer (Chen et al. 2020).
    """

    def __init__(self, width: int = 1, classes: int = 1000) -> None:
        super().__init__(width, (1, 2, 2, 2), BLOCKS, padded=True, classes=classes)
        self.conv1 = nn.Conv2d(3, 64 * width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64 * width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, classes) of normalised images (B, 3, H, W)."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.features(x).mean(dim=(2, 3)))


class BagNet(_Stages):
    """Classify images as bags of small patches, by a ResNet-50 (Brendel & Bethge 2019).

    Parameters
    ----------
    patch
        Side of the patches: 9, 17 or 33 pixels.
    """

    def __init__(self, patch: int) -> None:
        super().__init__(1, (2, 2, 2, 1), BAGNETS[patch], padded=False)
        self.conv1 = nn.Conv2d(3, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 64, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)

    def patches(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of each patch of normalised images, shape (B, 2048, H', W')."""
        return self.features(torch.relu(self.bn1(self.conv2(self.conv1(x)))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 1000) of normalised images (B, 3, H, W)."""
        return self.fc(self.patches(x).mean(dim=(2, 3)))

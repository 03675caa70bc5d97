"""Change images as some trainings do: diffusion noise, Gaussian noise of one σ, blur.

Each is a function of a batch of images in [0, 1] and a random generator, on the images' device. A
network that was trained on changed images can be shown changed images too (:class:`WithNoise`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch.nn import functional

from synthesight.errors import SynthesightError, suggestion
from synthesight.observers.discriminative.network import Network

NONE = "none"


@dataclass(frozen=True)
class DiffusionNoise:
    """Mix each image with Gaussian noise, in a random share (Jaini et al. 2024).

    x ↦ √α x + √(1 − α) ε with ε ~ N(0, 1) for each value, and α ~ U(0, 1) for each image. Images
    are in [0, 1] and not normalised, as in the public re-implementation (Gavrikov & Keuper 2024).

    Examples
    --------
    >>> images = torch.full((2, 3, 8, 8), 0.5)
    >>> DiffusionNoise()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __call__(
        self, images: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return noisy images, float32 (B, 3, H, W), of images in [0, 1]."""
        alpha = torch.rand((len(images), 1, 1, 1), generator=generator, device=images.device)
        return alpha.sqrt() * images + (1 - alpha).sqrt() * _normal(images, generator)


@dataclass(frozen=True)
class GaussianNoise:
    """Add Gaussian noise of one standard deviation (Rusak et al. 2020).

    Parameters
    ----------
    sigma
        Standard deviation, where images are in [0, 1]. Rusak et al. found 0.5 best on ImageNet.
    """

    sigma: float = 0.5

    def __call__(
        self, images: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return noisy images, float32 (B, 3, H, W), of images in [0, 1]."""
        return images + self.sigma * _normal(images, generator)


@dataclass(frozen=True)
class Blur:
    """Blur images by a Gaussian, reflected at the border.

    Parameters
    ----------
    sigma
        Standard deviation, in pixels.
    """

    sigma: float = 1.0

    def __call__(
        self,
        images: torch.Tensor,
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> torch.Tensor:
        """Return blurred images, float32 (B, 3, H, W)."""
        radius = min(math.ceil(4 * self.sigma), min(images.shape[-2:]) - 1)
        at = torch.arange(-radius, radius + 1, device=images.device, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (at / self.sigma) ** 2)
        kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
        padded = functional.pad(images, (radius,) * 4, mode="reflect")
        rows = functional.conv2d(padded, kernel, groups=images.shape[1])
        return functional.conv2d(rows, kernel.transpose(2, 3), groups=images.shape[1])


Augmentation = DiffusionNoise | GaussianNoise | Blur
AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "diffusion-noise": DiffusionNoise,
    "gaussian-noise": GaussianNoise,
    "blur": Blur,
}


def read_augmentation(text: str) -> Augmentation | None:
    """Return what a text such as ``"gaussian-noise:0.5"`` stands for; None for ``"none"``.

    Raises
    ------
    SynthesightError
        If there is no augmentation of that name, or its number is none.

    Examples
    --------
    >>> read_augmentation("blur:2")
    Blur(sigma=2.0)
    """
    name, colon, number = text.partition(":")
    if text == NONE:
        return None
    if name not in AUGMENTATIONS:
        known = [NONE, *AUGMENTATIONS]
        raise SynthesightError(f"There is no augmentation {name!r}: {suggestion(name, known)}.")
    kind = AUGMENTATIONS[name]
    if not colon:
        return kind()
    try:
        sigma = float(number)
    except ValueError:
        sigma = math.nan
    if not fields(kind) or not 0 < sigma < 1e3:
        takes = "a standard deviation above 0, as in blur:1" if fields(kind) else "no number"
        raise SynthesightError(f"The augmentation {text!r} cannot be: {name} takes {takes}.")
    return kind(sigma)  # type: ignore[call-arg]


def name_of(augmentation: Augmentation | None) -> str:
    """Return the text that :func:`read_augmentation` reads.

    Examples
    --------
    >>> name_of(GaussianNoise(0.25)), name_of(DiffusionNoise())
    ('gaussian-noise:0.25', 'diffusion-noise')
    """
    if augmentation is None:
        return NONE
    name = next(name for name, kind in AUGMENTATIONS.items() if kind is type(augmentation))
    return name + "".join(f":{getattr(augmentation, each.name):g}" for each in fields(augmentation))


class WithNoise(Network):
    """Show a network each image changed, such as with diffusion noise.

    The noise of an image depends on ``seed`` and the image's own pixels alone: not on the device,
    nor on what else is shown.

    Parameters
    ----------
    observer
        The network.
    noise
        What is done to its images.
    seed
        Seed of the noise.

    Examples
    --------
    >>> import synthesight
    >>> network = synthesight.load("natural-32-cnn", classes=["cat", "dog"], device="cpu")
    >>> WithNoise(network, DiffusionNoise()).name
    'natural-32-cnn+diffusion-noise'
    """

    def __init__(self, observer: Network, noise: Augmentation, *, seed: int = 0) -> None:
        self.observer, self.noise, self.seed = observer, noise, seed
        self.name = f"{observer.name}+{name_of(noise)}"
        self.network, self.device, self.classes = (
            observer.network,
            observer.device,
            observer.classes,
        )
        self.resolution, self.view = observer.resolution, observer.view

    def describe(self) -> dict[str, Any]:
        own = {"model": self.name, "noise": name_of(self.noise), "seed": self.seed}
        return self.observer.describe() | own

    def scores_of(self, classes: list[str]) -> Callable[[torch.Tensor], torch.Tensor]:
        scores = self.observer.scores_of(classes)
        return lambda images: scores(self._changed(images))

    def _changed(self, images: torch.Tensor) -> torch.Tensor:
        """Change each image with a generator of its own, on the CPU: all devices agree then."""
        shown = []
        for image in images.cpu():
            digest = hashlib.blake2b(image.numpy().tobytes(), digest_size=6, salt=_salt(self.seed))
            generator = torch.Generator().manual_seed(int.from_bytes(digest.digest(), "little"))
            shown.append(self.noise(image[None] / 255, generator))
        return 255 * torch.cat(shown).to(images.device)


def _salt(seed: int) -> bytes:
    return seed.to_bytes(16, "little")


def _normal(images: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    return torch.randn(images.shape, generator=generator, device=images.device)

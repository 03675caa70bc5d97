"""Training images that are too many or too large for memory: read as they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from math import log
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from synthesight.errors import SynthesightError
from synthesight.experiments.images import places
from synthesight.stimuli.stimulus import Stimulus

AREA = (0.08, 1.0)  # of a random crop, as a share of the image (Szegedy et al. 2015)
LOG_RATIO = (log(3 / 4), log(4 / 3))  # of its width to its height
TRIES = 10


class StreamedImages:
    """Labelled images of any size, each cropped at random, scaled and perhaps mirrored.

    Parameters
    ----------
    stimuli
        The images.
    labels
        Label of each, an index into ``names``.
    names
        The label names.
    resolution
        Side that crops are scaled to, in pixels.
    workers
        Processes that read.
    """

    def __init__(
        self,
        stimuli: Sequence[Stimulus],
        labels: Sequence[int],
        names: list[str],
        *,
        resolution: int,
        workers: int,
    ) -> None:
        self.stimuli, self.names = stimuli, names
        self.labels = torch.tensor(labels)
        self.resolution, self.workers = resolution, workers

    def hash(self) -> str:
        """32 hexadecimal digits that other names of images, or labels, would change."""
        digest = hashlib.blake2b("\0".join(self.names).encode(), digest_size=16)
        digest.update(self.labels.numpy().tobytes())
        for stimulus in self.stimuli:
            digest.update(stimulus.id.encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()

    def to(self, device: torch.device) -> StreamedImages:  # noqa: ARG002
        """Return these images, which stay where they are."""
        return self

    def batches(
        self, seed: int, steps: range, size: int, rank: int = 0, world: int = 1
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the share of one of ``world`` processes in the batches of some steps.

        A batch is a pure function of (seed, step), and an epoch a permutation.

        Yields
        ------
        images : float32, shape (size / world, 3, R, R), in [-1, 1]
        labels : int64

        Raises
        ------
        SynthesightError
            If an image cannot be read.
        """
        count = len(self.labels)
        shares = [
            [(step, int(place)) for place in places(seed, step, size, count)[rank::world]]
            for step in steps
        ]
        loader = DataLoader(
            _Crops(self, seed),
            batch_sampler=shares,
            num_workers=min(self.workers, len(shares)),
            collate_fn=_together,
            pin_memory=torch.cuda.is_available(),
        )
        for images, chosen, error in loader:
            if error is not None:
                raise SynthesightError(f"{error} Take it out of the training images.")
            yield images.float() / 127.5 - 1.0, self.labels[chosen]


class _Crops(Dataset):
    def __init__(self, images: StreamedImages, seed: int) -> None:
        self.images, self.seed = images, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int, str | None]:
        step, place = key
        side = self.images.resolution
        try:
            image = self.images.stimuli[place].open()
        except SynthesightError as error:
            return torch.zeros(3, side, side, dtype=torch.uint8), place, str(error)
        rng = np.random.default_rng([self.seed, step, place, 4])
        pixels = np.asarray(random_crop(image, side, rng))
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), place, None


def _together(rows: list[tuple[torch.Tensor, int, str | None]]) -> tuple[Any, Any, str | None]:
    images, chosen, errors = zip(*rows, strict=True)
    error = next((each for each in errors if each is not None), None)
    return torch.stack(images), torch.tensor(chosen), error


def random_crop(image: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """Return a random part of an image, of 8 to 100 % of its area, scaled to a square.

    The part's area and the logarithm of its aspect ratio are uniform (Szegedy et al. 2015). If none
    fits in ten tries, it is the largest square in the middle.

    Parameters
    ----------
    image
        The image.
    side
        Side of the result, in pixels.
    rng
        Random generator.
    """
    width, height = image.size
    for area, ratio in zip(
        rng.uniform(*AREA, TRIES) * width * height,
        np.exp(rng.uniform(*LOG_RATIO, TRIES)),
        strict=True,
    ):
        w, h = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = rng.integers(width - w + 1), rng.integers(height - h + 1)
            break
    else:
        w = h = min(width, height)
        left, top = (width - w) // 2, (height - h) // 2
    box = (int(left), int(top), int(left + w), int(top + h))
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)

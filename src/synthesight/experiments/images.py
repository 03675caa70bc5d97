"""Training images: small pictures with labels, decoded once and kept as bytes in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.progress import track
from torch.nn import functional

from synthesight.errors import SynthesightError
from synthesight.progress import Progress
from synthesight.stimuli.images import read_image
from synthesight.stimuli.prefetch import read_ahead
from synthesight.stimuli.stimulus import Stimulus


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of one size with labels.

    Attributes
    ----------
    pixels
        uint8, shape (N, 3, R, R).
    labels
        int64, shape (N,): indices into ``names``.
    names
        The label names, sorted.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    names: list[str]

    @classmethod
    def from_parquet(cls, path: Path, *, progress: bool = False) -> LabelledImages:
        """Read a Parquet table with columns ``image`` (encoded bytes) and ``label``.

        Raises
        ------
        SynthesightError
            If the file is missing or no Parquet, lacks a column or has it in another type, has
            fewer than two labels, or one of its images cannot be read, is not square or differs in
            size.
        """
        if not path.is_file():
            raise SynthesightError(
                f"{path}: no such file; give `data` the Parquet file of the training images."
            )
        try:
            table = pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SynthesightError(
                f"{path} cannot be read as Parquet: give `data` the file of the training images."
            ) from error
        if not {"image", "label"} <= set(table.columns):
            raise SynthesightError(f"{path}: training images need the columns 'image' and 'label'.")
        if table["image"].dtype != pl.Binary or table["label"].dtype != pl.String:
            raise SynthesightError(
                f"{path}: the column 'image' must hold encoded bytes, and 'label' names."
            )
        if table["image"].null_count() or table["label"].null_count():
            raise SynthesightError(f"{path}: some rows lack their image or label: leave them out.")
        encoded = table["image"].to_list()
        decoded = [
            np.asarray(read_image(data, name=f"{path}, image {row}"))
            for row, data in enumerate(
                track(
                    encoded,
                    "Decoding images",
                    console=Console(stderr=True),
                    transient=True,
                    disable=not progress,
                ),
                start=1,
            )
        ]
        if len({image.shape for image in decoded}) != 1:
            raise SynthesightError(f"{path}: training images must all have the same size.")
        height, width, _ = decoded[0].shape
        if height != width:
            raise SynthesightError(
                f"{path}: training images must be square, and these have {width} × {height} pixels."
            )
        names = sorted(table["label"].unique().to_list())
        if len(names) < 2:
            raise SynthesightError(
                f"{path}: all images have the label {names[0]!r}; there must be two or more labels "
                "to tell apart."
            )
        labels = table["label"].replace_strict({name: i for i, name in enumerate(names)})
        pixels = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).contiguous()
        return cls(pixels, torch.from_numpy(labels.cast(pl.Int64).to_numpy().copy()), names)

    @property
    def resolution(self) -> int:
        """Side of the images, in pixels."""
        return self.pixels.shape[-1]

    def hash(self) -> str:
        """32 hexadecimal digits that other images, labels or another order would change."""
        digest = hashlib.blake2b("\0".join(self.names).encode(), digest_size=16)
        for tensor in (self.labels, self.pixels):
            digest.update(tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def to(self, device: torch.device) -> LabelledImages:
        """The same images, kept on a device: batches then come from there."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batch(self, seed: int, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch that is a pure function of (seed, step): an epoch is a permutation.

        Returns
        -------
        images : float32, shape (size, 3, R, R), in [-1, 1], mirrored at random
        labels : int64, shape (size,)
        """
        chosen = places(seed, step, size, len(self.labels))
        place = self.pixels.device
        index = torch.from_numpy(chosen).to(place)
        images = self.pixels[index].float() / 127.5 - 1.0
        mirrored = torch.from_numpy(np.random.default_rng([seed, step, 1]).random(size) < 0.5)
        images = torch.where(mirrored.to(place)[:, None, None, None], images.flip(-1), images)
        return images, self.labels[index]

    def batches(
        self, seed: int, steps: range, size: int, rank: int = 0, world: int = 1
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the share of one of ``world`` processes in the batches of some steps."""
        for step in steps:
            images, labels = self.batch(seed, step, size)
            yield images[rank::world], labels[rank::world]

    @classmethod
    def from_stimuli(
        cls,
        stimuli: Sequence[Stimulus],
        labels: Sequence[int],
        names: list[str],
        resolution: int,
        *,
        progress: bool | None = None,
    ) -> LabelledImages:
        """Read stimuli, each scaled and cropped to a square of ``resolution`` pixels a side.

        Raises
        ------
        SynthesightError
            If one of them cannot be read.
        """
        pixels = torch.empty((len(stimuli), 3, resolution, resolution), dtype=torch.uint8)
        with Progress("Reading images", len(stimuli), show=progress) as far:
            for place, (_, image, error) in enumerate(read_ahead(stimuli, resolution)):
                if image is None:
                    raise SynthesightError(f"{error} Take it out of the training images.")
                pixels[place] = torch.from_numpy(image.copy()).permute(2, 0, 1)
                far.advance()
        return cls(pixels, torch.tensor(labels), names)


def places(seed: int, step: int, size: int, count: int) -> np.ndarray:
    """Return which of ``count`` images are in the batch of a step: an epoch is a permutation."""
    position = np.arange(step * size, (step + 1) * size)
    chosen = np.empty(size, dtype=np.int64)
    for epoch in np.unique(position // count):
        inside = position // count == epoch
        chosen[inside] = _order(seed, int(epoch), count)[position[inside] % count]
    return chosen


def on_plain_ground(images: torch.Tensor, share: float, rng: np.random.Generator) -> torch.Tensor:
    """Show some images at half to full size, anywhere on a ground of nearly grey colour.

    Parameters
    ----------
    images
        float32, shape (B, 3, R, R), in [-1, 1].
    share
        How many of them, on average.
    """
    count = len(images)
    chosen = torch.from_numpy(rng.random(count) < share).to(images.device)
    size = rng.uniform(0.5, 1.0, count)
    # affine_grid maps places of the result to places of the image: the inverse of what is seen.
    place = rng.uniform(-1, 1, (count, 2)) * (1 - size)[:, None]
    theta = np.zeros((count, 2, 3), dtype=np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / size
    theta[:, :, 2] = -place / size[:, None]
    colour = rng.uniform(-1, 1, (count, 1)) + rng.normal(scale=0.1, size=(count, 3))
    ground = torch.from_numpy(np.clip(colour, -1, 1).astype(np.float32)).to(images.device)
    grid = functional.affine_grid(
        torch.from_numpy(theta).to(images.device), list(images.shape), align_corners=False
    )
    inside = (grid.abs() <= 1).all(dim=-1)[:, None]
    shown = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    shown = torch.where(inside, shown, ground[:, :, None, None])
    return torch.where(chosen[:, None, None, None], shown, images)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of the images in an epoch; kept, since every step of the epoch asks for it."""
    return np.random.default_rng([seed, epoch]).permutation(count)

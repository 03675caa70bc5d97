"""Rearrangements of images, learnt from probes whose elements tell their own places.

How a pipeline packs its latents, in what order, scaled by how much: whatever it does to them, if
each element of the result comes from one element of the image, can be read off a few probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BASE = 64  # digits of indices: exact in every floating-point format, bfloat16 included
DIGITS = 4  # up to 64⁴ elements an image
PROBES = 3 + DIGITS  # zeros, ones, the digits, and random numbers to check with


class NotCaptured(Exception):
    """What a pipeline does with its inputs is not a fixed rearrangement that could be learnt."""


@dataclass(frozen=True, eq=False)
class LinearMap:
    """Where each element of an output comes from: ``out[j] = scale[j] · x[index[j]] + offset[j]``.

    ``index``, int64 (M,), is into the flattened input, None where the order stays; ``scale`` and
    ``offset`` are float32 (M,), or one number for all; ``shape`` is that of one output, without the
    batch.
    """

    index: Tensor | None
    scale: Tensor | float
    offset: Tensor | float
    shape: tuple[int, ...]

    @classmethod
    def learn(cls, outputs: Tensor, inputs: Tensor) -> LinearMap:
        """Return the map from :func:`probes` to what became of them, or raise NotCaptured."""
        if len(outputs) != len(inputs):
            raise NotCaptured("an output does not have a row for each image")
        flat = outputs.reshape(len(outputs), -1).float()
        offset, scale = flat[0], flat[1] - flat[0]
        moved = scale != 0
        safe = torch.where(moved, scale, 1.0)
        digits = ((flat[2:-1] - offset) / safe).round().long().clamp(0, BASE - 1)
        powers = BASE ** torch.arange(DIGITS, device=flat.device)
        index = (digits * powers[:, None]).sum(0) * moved
        count = inputs[0].numel()
        if not bool(moved.any()) or int(index.max()) >= count:
            raise NotCaptured("an output does not come from the image alone")
        expected = scale * inputs[-1].reshape(-1)[index].to(flat) + offset
        bound = 1e-2 if outputs.dtype in (torch.float16, torch.bfloat16) else 1e-4
        if not torch.allclose(flat[-1], expected, rtol=bound, atol=bound):
            raise NotCaptured("an output is no rearrangement of the image")
        in_order = index.numel() == count and bool(
            (index == torch.arange(count, device=index.device)).all()
        )
        return cls(
            None if in_order else index,
            _one_number(scale),
            _one_number(offset),
            tuple(outputs.shape[1:]),
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the map to a batch, shape (B, ...)."""
        flat = x.reshape(len(x), -1)
        if self.index is not None:
            flat = flat.index_select(1, self.index)
        if not (isinstance(self.scale, float) and self.scale == 1.0):
            flat = flat * self.scale
        if not (isinstance(self.offset, float) and self.offset == 0.0):
            flat = flat + self.offset
        return flat.reshape(len(x), *self.shape)

    def after(self, first: LinearMap) -> LinearMap:
        """Return the map that applies ``first`` and then this one."""
        index, offset, scale = self.index, first.offset, first.scale
        if index is None:
            index = first.index
        else:
            offset = offset[index] if isinstance(offset, Tensor) else offset
            scale = scale[index] if isinstance(scale, Tensor) else scale
            index = index if first.index is None else first.index[index]
        return LinearMap(index, self.scale * scale, self.scale * offset + self.offset, self.shape)

    def order(self, shape: Sequence[int]) -> LinearMap:
        """Return the inverse of the rearrangement alone, to the ``shape`` that this map takes.

        Raises NotCaptured if an element is used twice or not at all.
        """
        count = int(np.prod(shape))
        if self.index is None:
            return LinearMap(None, 1.0, 0.0, tuple(shape))
        inverse = torch.argsort(self.index)
        if len(self.index) != count or not bool(
            (self.index[inverse] == torch.arange(count, device=inverse.device)).all()
        ):
            raise NotCaptured("an element of the image is used twice or not at all")
        return LinearMap(inverse, 1.0, 0.0, tuple(shape))


def probes(shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Return images that tell where each of their elements goes: float32, (``PROBES``, *shape)."""
    count = int(np.prod(shape))
    place = torch.arange(count, device=device)
    rows = [torch.zeros(count), torch.ones(count)]
    rows += [(place // BASE**digit % BASE).float() for digit in range(DIGITS)]
    rows += [torch.arange(count) * 7919 % 61 / 4.0]
    return torch.stack([row.to(device) for row in rows]).reshape(PROBES, *shape)


def _one_number(values: Tensor) -> Tensor | float:
    return float(values[0]) if bool((values == values[0]).all()) else values

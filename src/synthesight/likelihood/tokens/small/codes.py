"""Quantisers: from vectors to codes and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from synthesight.likelihood.device import in_float64

LLOYD_STEPS = 20
CHUNK = 4096  # vectors whose distances to all code words exist at once


class NearestCodes(nn.Module):
    """Quantise vectors in groups of principal components, coarse to fine in each.

    A vector is turned to its principal components, which are cut into groups. In each group, the
    nearest of V code words is taken, then the nearest to what is left over, and so on (residual
    quantisation). The codes of all groups' first level come first. The codebook is float32, shape
    (levels, groups, V, components).
    """

    centre: Tensor
    basis: Tensor
    codebook: Tensor

    def __init__(self, width: int, groups: int, levels: int, words: int, components: int) -> None:
        super().__init__()
        self.groups, self.levels, self.words, self.components = groups, levels, words, components
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("basis", torch.zeros(width, groups * components))
        self.register_buffer("codebook", torch.zeros(levels, groups, words, components))

    @property
    def count(self) -> int:
        """Codes of a vector."""
        return self.groups * self.levels

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the codes of vectors (..., width): int64, shape (..., count)."""
        rest = self._components(vectors.reshape(-1, vectors.shape[-1]))
        found = []
        for words in self.codebook:
            codes = _nearest(rest, words)
            rest = rest - _taken(words, codes)
            found.append(codes)
        return torch.cat(found, dim=1).reshape(*vectors.shape[:-1], self.count)

    def vectors(self, codes: Tensor) -> Tensor:
        """Return the principal components that codes (..., count) stand for."""
        flat = codes.reshape(-1, self.levels, self.groups)
        sums = sum(_taken(words, flat[:, level]) for level, words in enumerate(self.codebook))
        return sums.reshape(*codes.shape[:-1], self.groups * self.components)  # type: ignore[union-attr]

    def words_of(self, codes: Tensor) -> Tensor:
        """Return each code's own word, at its group's place: (..., count, groups · components)."""
        flat = codes.reshape(-1, self.levels, self.groups)
        placed = []
        for level, words in enumerate(self.codebook):
            own = _taken(words, flat[:, level])
            blank = own.new_zeros(len(own), self.groups, self.groups, self.components)
            place = torch.arange(self.groups, device=own.device)
            blank[:, place, place] = own
            placed.append(blank.flatten(2))
        return torch.cat(placed, dim=1).reshape(*codes.shape, self.groups * self.components)

    def fit(self, vectors: Tensor, *, whitening: float = 0.5, seed: int = 0) -> None:
        """Choose components and code words by the vectors (N, width) of training images.

        ``whitening`` is 0 for components as large as they are, 1 for equally large ones.
        """
        vectors = in_float64(vectors)
        self.centre.copy_(vectors.mean(dim=0))
        values, turned = torch.linalg.eigh(torch.cov(vectors.T))
        most = self.groups * self.components
        values, turned = values.flip(0)[:most], turned.flip(1)[:, :most]
        scale = values.clamp(min=1e-12) ** (-whitening / 2)
        self.basis.copy_(turned * scale / scale[0] / values[0].clamp(min=1e-12).sqrt())
        rest = self._components(vectors.float())
        generator = torch.Generator().manual_seed(seed)
        for level in range(self.levels):
            words = _k_means(rest, self.words, generator)
            self.codebook[level].copy_(words)
            rest = rest - _taken(words, _nearest(rest, words))

    def _components(self, vectors: Tensor) -> Tensor:
        turned = (vectors.float() - self.centre) @ self.basis
        return turned.reshape(-1, self.groups, self.components)


class FiniteScalars(nn.Module):
    """Round each of a few bounded numbers to a few levels (FSQ, Mentzer et al. 2023).

    Parameters
    ----------
    levels
        Of each number; their product is the number of codes.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.words = prod(self.levels)

    def forward(self, numbers: Tensor) -> Tensor:
        """Round numbers (..., D), passing gradients: values in [-1, 1]."""
        most = self._tensor(numbers) - 1
        place = (torch.tanh(numbers) + 1) / 2 * most
        return (place + (place.round() - place).detach()) / most * 2 - 1

    def codes(self, values: Tensor) -> Tensor:
        """Return the codes, int64 (...), of rounded values (..., D)."""
        levels = self._tensor(values)
        place = ((values + 1) / 2 * (levels - 1)).round().long()
        return (place * self._strides(values.device)).sum(dim=-1)

    def values(self, codes: Tensor) -> Tensor:
        """Return the values (..., D) of codes (...)."""
        levels = torch.tensor(self.levels, device=codes.device)
        place = codes[..., None] // self._strides(codes.device) % levels
        return place / (levels - 1) * 2 - 1

    def _tensor(self, like: Tensor) -> Tensor:
        return torch.tensor(self.levels, device=like.device, dtype=like.dtype)

    def _strides(self, device: torch.device) -> Tensor:
        return torch.tensor([1, *self.levels[:-1]], device=device).cumprod(dim=0)


def _taken(words: Tensor, codes: Tensor) -> Tensor:
    """The words (G, V, D) of codes (N, G): (N, G, D)."""
    return words[torch.arange(len(words), device=words.device), codes]


def _nearest(points: Tensor, words: Tensor) -> Tensor:
    """The nearest of the words (G, V, D) to each of the points (N, G, D): int64 (N, G)."""
    norm = words.square().sum(dim=2)
    found = [
        (norm - 2 * torch.einsum("ngd,gvd->ngv", some, words)).argmin(dim=2)
        for some in points.split(CHUNK)
    ]
    return torch.cat(found)


def _k_means(points: Tensor, words: int, generator: torch.Generator) -> Tensor:
    """Code words (G, V, D) by Lloyd's algorithm; words without points start anew at some."""
    count, groups, _ = points.shape

    def some(size: int) -> Tensor:
        return points[torch.randint(count, (size,), generator=generator).to(points.device)]

    found = some(words).transpose(0, 1).contiguous()
    for _ in range(LLOYD_STEPS):
        codes = _nearest(points, found)
        place = codes + torch.arange(groups, device=codes.device) * words
        sums = points.new_zeros(groups * words, points.shape[2])
        sums.index_add_(0, place.flatten(), points.flatten(0, 1))
        members = torch.bincount(place.flatten(), minlength=groups * words)
        mean = (sums / members.clamp(min=1)[:, None]).reshape(groups, words, -1)
        empty = (members == 0).reshape(groups, words, 1)
        found = torch.where(empty, some(words).transpose(0, 1), mean)
    return found

"""Models over image tokens whose likelihood is known: exact by parts, and masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from synthesight.likelihood.draws import normal_noise, uniforms


@dataclass
class CountingModel:
    """Counts how often each grey level occurred in a class: log p by position, exact.

    Images are read as (2 · 2) tokens of ``levels`` grey levels, left to right and top to bottom,
    cut into ``horizon`` equal parts. ``counts`` has shape (K, 4, levels). The prompt of class k
    ends with k.
    """

    counts: np.ndarray
    horizon: int = 4
    cost: Sequence[float] = ()
    name: str = "counting"
    resolution: int = 2
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    passes: list[tuple[int, range]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cost = self.cost or (1 / self.horizon,) * self.horizon

    @property
    def log_p(self) -> np.ndarray:
        """log p of each level, float64, shape (K, 4, levels)."""
        return np.log(self.counts / self.counts.sum(axis=2, keepdims=True))

    def prepare(self, prompts: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(self.log_p[[int(prompt.split()[-1]) for prompt in prompts]])

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        levels = self.counts.shape[2]
        grey = (images.mean(dim=1).flatten(1) + 1) / 2
        return (grey * levels).long().clamp(max=levels - 1)

    def nats(
        self, x: torch.Tensor, parts: range, conditioning: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        self.passes.append((len(x), parts))
        each = conditioning[rows].gather(2, x[:, :, None])[:, :, 0]
        return each.reshape(len(x), self.horizon, -1).sum(dim=2)[:, parts.start : parts.stop]

    def log_likelihood(self, tokens: np.ndarray) -> np.ndarray:
        """Exact log p(x | class), shape (B, K), of tokens (B, 4)."""
        return self.log_p[:, np.arange(4), tokens].sum(axis=2).T


@dataclass
class MaskedModel:
    """Knows the joint distribution of four bits in each class, and predicts masked ones.

    ``joint`` has shape (K, 2, 2, 2, 2). A draw masks m of the N = 4 tokens, m being uniform on
    1 … N, and gives (N / m) Σ log p(masked token | visible tokens). By the chain rule along a
    random order, its mean is log p. The prompt of class k ends with k.
    """

    joint: np.ndarray
    name: str = "masked"
    resolution: int = 2
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        self.table = self.masked_nats()

    def prepare(self, prompts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([int(prompt.split()[-1]) for prompt in prompts])

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return (images.mean(dim=1).flatten(1) > 0).long()

    def draws(
        self, keys: np.ndarray, index: np.ndarray, shape: Sequence[int]
    ) -> tuple[torch.Tensor]:
        masked = 1 + np.floor(4 * uniforms(keys, index)).astype(np.int64)
        rank = normal_noise(keys, index, shape).argsort(axis=1).argsort(axis=1)
        return (torch.from_numpy(rank < masked[:, None]),)

    def nats(
        self,
        x: torch.Tensor,
        draws: tuple[torch.Tensor],
        conditioning: torch.Tensor,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        (mask,) = draws
        table = self.table[conditioning[rows]]
        place = 2 ** torch.arange(4)
        pattern, value = (mask * place).sum(dim=1), (x * place).sum(dim=1)
        return table[torch.arange(len(x)), pattern, value]

    def masked_nats(self) -> torch.Tensor:
        """(N / m) Σ log p of each mask and image: float64, shape (K, 16, 16), bits from the left.

        Of a masked token i: log p(x_i | visible tokens), from the marginals of the joint.
        """
        found = np.zeros((len(self.joint), 16, 16))
        for pattern in range(1, 16):
            mask = [bool(pattern >> i & 1) for i in range(4)]
            for value in range(16):
                bits = [value >> i & 1 for i in range(4)]
                seen = tuple(slice(None) if m else b for m, b in zip(mask, bits, strict=True))
                given = self.joint[(slice(None), *seen)]
                hidden = [i for i in range(4) if mask[i]]
                whole = given.reshape(len(self.joint), -1).sum(axis=1)
                for axis, i in enumerate(hidden):
                    own = np.take(given, bits[i], axis=axis + 1)
                    part = own.reshape(len(self.joint), -1).sum(axis=1)
                    found[:, pattern, value] += 4 / len(hidden) * np.log(part / whole)
        return torch.from_numpy(found)

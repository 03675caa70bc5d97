"""RandAR: an image's tokens in any order (Pang et al. 2025).

Before each token, the transformer is told by an instruction which position comes next; so it is one
causal model of all orders. A pass over one order gives log p(tokens | order, label) exactly; the
mean over random orders is what Sudakov, Babenko & Baranchuk (2026) classify by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthesight.likelihood.tokens.labels import LabelModel
from synthesight.likelihood.tokens.nats import head_nats
from synthesight.likelihood.tokens.vq import DirectionTokenizer, check_features, check_images

EPSILON = 1e-5  # of norms
BASE = 10_000.0  # of rotary embeddings


@dataclass(frozen=True)
class RandARConfig:
    """Sizes of a RandAR.

    ``hidden`` is the width inside the feed-forward layers of the transformer, and ``side`` that of
    the grid of tokens. The codebook has ``codes`` vectors of length ``code_width``. The network
    knows one label more than ``labels``, which stands for any. ``channels``, ``widths`` and
    ``layers`` are the tokenizer's: channels of the encoder's result, and at each resolution, and
    blocks of each.
    """

    depth: int
    width: int
    heads: int
    hidden: int
    side: int
    codes: int
    code_width: int
    labels: int
    channels: int
    widths: Sequence[int]
    layers: int

    @property
    def resolution(self) -> int:
        """Side of the images, in pixels."""
        return self.side * 2 ** (len(self.widths) - 1)

    def tokenizer(self) -> DirectionTokenizer:
        """Make the tokenizer, its weights yet to be loaded."""
        return DirectionTokenizer(
            self.widths, self.layers, self.channels, self.codes, self.code_width
        )

    def network(self) -> RandARNetwork:
        """Make the transformer, its weights yet to be loaded."""
        return RandARNetwork(self)


class Block(nn.Module):
    """A block of the transformer, as in LLaMA."""

    def __init__(self, config: RandARConfig) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        self.heads = config.heads
        self.before = nn.RMSNorm(width, eps=EPSILON)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.between = nn.RMSNorm(width, eps=EPSILON)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        """Transform tokens, (B, L, width), given their rotations, (B, L, head / 2, 2)."""
        parts = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.unbind(dim=2)
        query, key = rotated(query, turn), rotated(key, turn)
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        y = self.between(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


class RandARNetwork(nn.Module):
    """The transformer: from tokens in some order to states that predict each of them."""

    _keep_in_fp32_modules = ("head",)

    def __init__(self, config: RandARConfig) -> None:
        super().__init__()
        self.heads, self.side = config.heads, config.side
        self.label = nn.Embedding(config.labels + 1, config.width)
        self.token = nn.Embedding(config.codes, config.width)
        self.instruction = nn.Parameter(torch.zeros(config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.RMSNorm(config.width, eps=EPSILON)
        self.head = nn.Linear(config.width, config.codes, bias=False)

    def forward(self, labels: Tensor, tokens: Tensor, order: Tensor) -> Tensor:
        """Return the states before the head, (B, N, width): state n predicts token n.

        ``tokens``, int64 (B, ≥ N − 1), are in the order, int64 (B, N), which says the place in the
        grid, row by row, of each token. The last of N predicts none.
        """
        turn = rotations(self.side, len(self.instruction) // self.heads, order.device)[order]
        told = rotated(self.instruction.view(self.heads, -1).expand(*order.shape, -1, -1), turn)
        pairs = torch.stack([told.flatten(2), self.token(tokens[:, : order.shape[1]])], dim=2)
        x = torch.cat([self.label(labels)[:, None], pairs.flatten(1, 2)[:, :-1]], dim=1)
        # The label has no place: rotations of 0 leave its queries and keys 0.
        turn = torch.cat([turn[:, :1] * 0, turn.repeat_interleave(2, dim=1)[:, :-1]], dim=1)
        for block in self.blocks:
            x = block(x, turn)
        return self.norm(x[:, 1::2]).to(self.head.weight.dtype)


class RandAR(LabelModel):
    """A RandAR as a likelihood: a draw is an order of the tokens, one pass a label.

    The head of the network, and the tokenizer, stay in float32, whatever ``dtype`` the transformer
    is in.
    """

    def __init__(
        self,
        config: RandARConfig,
        tokenizer: DirectionTokenizer,
        network: RandARNetwork,
        *,
        name: str = "randar",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(config, tokenizer, network, name=name, device=device, dtype=dtype)
        self.config, self.tokenizer = config, tokenizer

    def encode(self, images: Tensor) -> Tensor:
        """Return tokens in raster order: int64, shape (B, N)."""
        check_images(images, self.resolution, self.name)
        features = check_features(self.tokenizer.features(images), self.name)
        return self.tokenizer.tokens(features)

    def draws(
        self, keys: np.ndarray, index: np.ndarray, shape: Sequence[int]
    ) -> tuple[torch.Tensor, ...]:
        """Make orders: int64, shape (D, N), each a random permutation."""
        orders = np.empty((len(index), *shape), dtype=np.int64)
        for row, (key, draw) in enumerate(zip(keys, index, strict=True)):
            counter = np.array([0, 0, draw, 0], dtype=np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
            orders[row] = generator.permutation(shape[0])
        return (torch.from_numpy(orders),)

    def nats(
        self, x: Tensor, draws: tuple[Tensor, ...], conditioning: Tensor, rows: Tensor
    ) -> Tensor:
        """Log p of all tokens in each order, exactly: float64, shape (B,)."""
        return self.nat_maps(x, draws, conditioning, rows).sum(dim=(1, 2))

    def nat_maps(
        self, x: Tensor, draws: tuple[Tensor, ...], conditioning: Tensor, rows: Tensor
    ) -> Tensor:
        """Log p of each token, given those before it: float64, (B, side, side)."""
        (order,) = draws
        tokens = x.gather(1, order)
        states = self.network(conditioning[rows], tokens, order)
        own = self.config
        found = head_nats(states, self.network.head, tokens, count=own.codes, name=self.name)
        return (
            torch.zeros_like(found)
            .scatter(1, order.to(found.device), found)
            .unflatten(1, (own.side, own.side))
        )


def rotations(side: int, width: int, device: torch.device) -> Tensor:
    """Cosine and sine of each place's angles: float32, shape (side², width / 2, 2).

    The first half of a head's pairs turns with the row, the second with the column.
    """
    half = width // 2
    rate = BASE ** -(torch.arange(0, half, 2, device=device)[: half // 2] / half)
    angle = torch.arange(side, device=device)[:, None] * rate
    row, column = angle[:, None].expand(-1, side, -1), angle[None].expand(side, -1, -1)
    places = torch.cat([row, column], dim=-1).flatten(0, 1)
    return torch.stack([places.cos(), places.sin()], dim=-1)


def rotated(x: Tensor, turn: Tensor) -> Tensor:
    """Turn pairs of neighbouring numbers, (B, L, heads, width), by (B, L, width / 2, 2)."""
    first, second = x.float().unflatten(-1, (-1, 2)).unbind(dim=-1)
    cos, sin = turn[:, :, None].unbind(dim=-1)
    pairs = torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1)
    return pairs.flatten(-2).to(x.dtype)

"""VAR: an image from coarse to fine, each scale given all coarser ones (Tian et al. 2024).

The transformer sees all of a scale's tokens at once, and of each scale what the coarser ones drew.
So one pass gives log p(scale | coarser scales, label) for all scales: the parts of an exact
likelihood, of which the first few cost little. A-VARC+ (Chen, Inouye & Gao 2025) prunes classes by
these, and averages over copies of the image with a little noise on their features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import fsum, log
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import summing_device
from synthesight.likelihood.draws import normal_noise
from synthesight.likelihood.tokens.labels import LabelModel
from synthesight.likelihood.tokens.nats import head_nats, part_nats
from synthesight.likelihood.tokens.vq import ScaleTokenizer, check_features, check_images

EPSILON = 1e-6  # of layer norms
SHARPEST = log(100)  # of an attention head whose queries and keys are of length 1
NOISE = 0.1
"""Standard deviation of the noise of likelihood smoothing, on the tokenizer's features."""


@dataclass(frozen=True)
class VARConfig:
    """Sizes of a VAR.

    ``sides`` are those of each scale's map of tokens. The codebook has ``codes`` vectors of length
    ``channels``. The network knows one label more than ``labels``, which stands for any. With
    ``shared_adaln``, as in the model for 512 pixels, blocks share the layer that modulates them by
    the label; with ``attn_l2_norm``, queries and keys have length 1. ``maps``, ``widths`` and
    ``layers`` are the tokenizer's: convolutions φ, channels at each resolution and blocks of each.
    """

    depth: int
    width: int
    heads: int
    sides: Sequence[int]
    codes: int
    channels: int
    labels: int
    shared_adaln: bool
    attn_l2_norm: bool
    maps: int
    widths: Sequence[int]
    layers: int

    @property
    def resolution(self) -> int:
        """Side of the images, in pixels."""
        return self.sides[-1] * 2 ** (len(self.widths) - 1)

    def tokenizer(self) -> ScaleTokenizer:
        """Make the tokenizer, its weights yet to be loaded."""
        return ScaleTokenizer(
            self.widths, self.layers, self.channels, self.codes, self.sides, self.maps
        )

    def network(self) -> VARNetwork:
        """Make the transformer, its weights yet to be loaded."""
        return VARNetwork(self)


class Shift(nn.Module):
    """Adds what a block has of its own to what all share."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Add it, to (B, width)."""
        return x + self.shift


class Block(nn.Module):
    """A block of the transformer, modulated by the label."""

    def __init__(self, config: VARConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.sharpness = nn.Parameter(torch.zeros(config.heads)) if config.attn_l2_norm else None
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        self.modulate = Shift(6 * width) if config.shared_adaln else nn.Linear(width, 6 * width)

    def forward(self, x: Tensor, label: Tensor, mask: Tensor) -> Tensor:
        """Transform tokens, (B, L, width); ``label`` is SiLU's, or the shared layer's."""
        six = self.modulate(label)
        gate, gate2, scale, scale2, shift, shift2 = six[:, None].chunk(6, dim=-1)
        x = x + gate * self.attend(_normed(x) * (1 + scale) + shift, mask)
        return x + gate2 * self.mlp(_normed(x) * (1 + scale2) + shift2)

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """Self-attention among what the mask, bool (L, L), lets each token see."""
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind()
        factor = 0.25 / query.shape[-1] ** 0.5
        if self.sharpness is not None:
            sharpness = self.sharpness.clamp(max=SHARPEST).exp()[:, None, None]
            query = functional.normalize(query, dim=-1) * sharpness
            key, factor = functional.normalize(key, dim=-1), 1.0
        seen = functional.scaled_dot_product_attention(query, key, value, mask, scale=factor)
        return self.out(seen.transpose(1, 2).flatten(2))


class VARNetwork(nn.Module):
    """The transformer: from what is known before each scale to states that predict its tokens."""

    _keep_in_fp32_modules = ("last", "head")

    def __init__(self, config: VARConfig) -> None:
        super().__init__()
        width, sizes = config.width, [side**2 for side in config.sides]
        self.label = nn.Embedding(config.labels + 1, width)
        self.start = nn.Parameter(torch.zeros(sizes[0], width))
        self.known = nn.Linear(config.channels, width)
        self.position = nn.Parameter(torch.zeros(sum(sizes), width))
        self.level = nn.Embedding(len(sizes), width)
        self.shared = nn.Linear(width, 6 * width) if config.shared_adaln else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.last = nn.Linear(width, 2 * width)
        self.head = nn.Linear(width, config.codes)

    def forward(self, labels: Tensor, known: Tensor, levels: Tensor) -> Tensor:
        """Return the states before the head, (B, L, width) in its precision, of labels (B,).

        ``known``, (B, L − first, channels), is from :meth:`ScaleTokenizer.so_far`; ``levels``,
        int64 (L,), is the scale of each token.
        """
        label = self.label(labels)
        first = label[:, None] + self.start
        x = torch.cat([first, self.known(known.to(label.dtype))], dim=1)
        x = x + self.level(levels) + self.position[: len(levels)]
        condition = functional.silu(label)
        given = condition if self.shared is None else self.shared(condition)
        mask = levels[:, None] >= levels
        for block in self.blocks:
            x = block(x, given, mask)
        scale, shift = self.last(condition.to(self.last.weight.dtype))[:, None].chunk(2, dim=-1)
        return _normed(x.to(scale.dtype)) * (1 + scale) + shift


class VAR(LabelModel):
    """A VAR as a likelihood: a sequence of scales, exact, one pass a label for all of them.

    Scales k to n − 1 are computed by a pass over the scales 1 to n − 1, and no further. A part is a
    scale of a copy; its cost is its share of a pass's floating-point operations. The head, and the
    tokenizer, stay in float32, whatever ``dtype`` the transformer is in.

    ``smoothing`` is the likelihood smoothing of A-VARC: copies of each image whose log-likelihoods
    are averaged, a pass each. The first is the image; others have noise on their features, a pure
    function of the seed, the stimulus and the copy's number. 1 is no smoothing.
    """

    def __init__(
        self,
        config: VARConfig,
        tokenizer: ScaleTokenizer,
        network: VARNetwork,
        *,
        name: str = "var",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        smoothing: int = 1,
    ) -> None:
        if not isinstance(smoothing, int | np.integer) or not 1 <= smoothing <= 1000:
            raise SynthesightError(
                f"`smoothing={smoothing!r}` cannot be: give a number of copies from 1 to 1000."
            )
        super().__init__(config, tokenizer, network, name=name, device=device, dtype=dtype)
        self.config, self.tokenizer, self.smoothing = config, tokenizer, int(smoothing)
        self._edges = tokenizer.edges
        sizes = torch.tensor([side**2 for side in config.sides])
        self._levels = torch.arange(len(sizes)).repeat_interleave(sizes).to(self.device)
        shares = np.diff([self._work(end) for end in self._edges]) / self._work(self._edges[-1])
        self.cost: Sequence[float] = tuple(np.tile(shares, self.smoothing).tolist())
        self.horizon = len(self.cost)

    def _work(self, tokens: int) -> float:
        """Multiplications in a pass over the first tokens."""
        own = self.config
        each = own.depth * 12 * own.width**2 + own.width * own.codes
        return tokens * (each + 2.0 * own.depth * own.width * tokens)

    def cost_of(self, parts: range) -> float:
        """Return what evaluating these parts takes, the scales before them computed again."""
        scales = len(self.config.sides)
        begin = parts.start - parts.start % scales
        return fsum(self.cost[begin : parts.stop])

    def describe(self) -> dict[str, Any]:
        """Return what made the scores besides the weights, as JSON can hold it."""
        return super().describe() | {"smoothing": self.smoothing}

    def encode(self, images: Tensor) -> Tensor:
        """Return tokens, int64 (B, 1, L); with smoothing the features, to which noise is added."""
        check_images(images, self.resolution, self.name)
        features = check_features(self.tokenizer.features(images), self.name)
        return self.tokenizer.tokens(features)[:, None] if self.smoothing == 1 else features

    def jitter(self, x: Tensor, keys: np.ndarray) -> Tensor:
        """Return the tokens of each encoded image's copies: int64, shape (B, ``smoothing``, L).

        ``keys``, uint64 (B, 2), are hashes of seed and stimulus id.
        """
        if not x.is_floating_point():
            return x
        copies = [self.tokenizer.tokens(x)]
        for number in range(1, self.smoothing):
            noise = normal_noise(keys, np.full(len(keys), number), x.shape[1:])
            copies.append(self.tokenizer.tokens(x + NOISE * torch.from_numpy(noise).to(x.device)))
        return torch.stack(copies, dim=1)

    def nats(self, x: Tensor, parts: range, conditioning: Tensor, rows: Tensor) -> Tensor:
        """Log p of scales; see :meth:`~synthesight.likelihood.protocol.PartModel.nats`."""
        found = []
        for nats, first, end in self._copies(x, parts, conditioning[rows]):
            begin = self._edges[first]
            found.append(part_nats(nats, [edge - begin for edge in self._edges[first : end + 1]]))
        return torch.cat(found, dim=1) / self.smoothing

    def nat_maps(self, x: Tensor, parts: range, conditioning: Tensor, rows: Tensor) -> Tensor:
        """Return where nats are, float64 (B, side, side): a token's are spread over its place."""
        finest = self.config.sides[-1]
        place = summing_device(x.device)
        total = torch.zeros(len(x), finest, finest, dtype=torch.float64, device=place)
        for nats, first, end in self._copies(x, parts, conditioning[rows]):
            sides = self.config.sides[first:end]
            scales = nats.split([side**2 for side in sides], dim=1)
            for own, side in zip(scales, sides, strict=True):
                share = overlaps(side, finest).to(place)
                total += share @ own.unflatten(1, (side, side)) @ share.T / self.smoothing
        return total

    def _copies(self, x: Tensor, parts: range, labels: Tensor) -> Iterator[tuple[Tensor, int, int]]:
        """Log p of the tokens of each copy that parts are of, and of which scales."""
        x = self.jitter(x, np.zeros((len(x), 2), dtype=np.uint64))  # of no stimulus, to be timed
        scales = len(self.config.sides)
        for copy in range(parts.start // scales, -(-parts.stop // scales)):
            first = max(parts.start - copy * scales, 0)
            end = min(parts.stop - copy * scales, scales)
            yield self.token_nats(x[:, copy], labels, first, end), first, end

    def token_nats(self, tokens: Tensor, labels: Tensor, first: int, end: int) -> Tensor:
        """Log p of the tokens of the scales ``first`` to ``end`` − 1: float64, (B, their number).

        ``tokens`` is int64, (B, L), and ``labels`` (B,).
        """
        begin, stop = self._edges[first], self._edges[end]
        known = self.tokenizer.so_far(tokens, end)
        states = self.network(labels, known, self._levels[:stop])[:, begin:]
        return head_nats(
            states,
            self.network.head,
            tokens[:, begin:stop],
            count=self.config.codes,
            name=self.name,
        )


def overlaps(coarse: int, fine: int) -> Tensor:
    """Shares of each of ``coarse`` equal parts of a line in ``fine`` ones: float64, (fine, coarse).

    Examples
    --------
    >>> overlaps(2, 3)
    tensor([[0.6667, 0.0000],
            [0.3333, 0.3333],
            [0.0000, 0.6667]], dtype=torch.float64)
    """
    ends = torch.arange(fine + 1, dtype=torch.float64)[:, None] / fine * coarse
    filled = (ends - torch.arange(coarse)).clamp(0, 1)  # of each part, up to each end
    return filled.diff(dim=0)


def _normed(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], eps=EPSILON)

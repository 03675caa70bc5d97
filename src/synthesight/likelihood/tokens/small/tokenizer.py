"""A tokenizer of small images whose first tokens hold what an image shows, not its details.

Codes come in three scales, coarse to fine: the *meaning* of the whole image, the *layout* of what
is where (4 × 4), and the *detail* of pixels (8 × 8). Meaning and layout are the quantised features
of a network that learnt, without labels, what different crops of one image have in common. A
decoder paints the image from the codes of all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthesight.likelihood.tokens.small.codes import FiniteScalars, NearestCodes

RESOLUTION = 32
LAYOUT, DETAIL = 4, 8  # sides of the two grids


@dataclass(frozen=True)
class TokenizerSizes:
    """Sizes of a tokenizer.

    ``stem`` and ``widths`` are channels of the feature network: of its first layer, and of its
    three stages. ``groups``, ``levels``, ``words`` and ``components`` are of the codes of meaning
    (:class:`~synthesight.likelihood.tokens.small.codes.NearestCodes`), as are those of layout;
    ``detail_levels`` of those of detail (``FiniteScalars``). ``painter`` is channels of the
    decoder, and of the encoder of details.
    """

    stem: int = 64
    widths: tuple[int, ...] = (96, 192, 256)
    groups: int = 8
    levels: int = 2
    words: int = 256
    components: int = 6
    layout_words: int = 256
    layout_components: int = 16
    detail_levels: tuple[int, ...] = (8, 6, 5)
    painter: int = 80


class Convolution(nn.Module):
    """A 3 × 3 convolution whose weight is a matrix, as optimisers of matrices want it."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.inside = inside
        self.weight = nn.Parameter(torch.randn(outside, 9 * inside) / (9 * inside) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        # Laid out like a channels-last weight, which convolutions then need not rearrange.
        weight = self.weight.view(-1, 3, 3, self.inside).permute(0, 3, 1, 2)
        return functional.conv2d(x, weight, padding=1)


class Stage(nn.Module):
    """Halve the side: a convolution and pooling, then a residual block."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = Convolution(inside, outside)
        self.block = nn.Sequential(
            Convolution(outside, outside),
            nn.BatchNorm2d(outside),
            nn.GELU(),
            Convolution(outside, outside),
            nn.BatchNorm2d(outside),
        )
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.norm(functional.max_pool2d(self.first(x), 2)))
        return functional.gelu(x + self.block(x))


class FeatureNetwork(nn.Module):
    """Turn images (B, 3, 32, 32) into a 4 × 4 grid of features."""

    def __init__(self, stem: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(Convolution(3, stem), nn.BatchNorm2d(stem), nn.GELU())
        self.stages = nn.Sequential(
            *(
                Stage(inside, outside)
                for inside, outside in zip((stem, *widths[:-1]), widths, strict=True)
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.stages(self.stem(images.contiguous(memory_format=torch.channels_last)))


class Painter(nn.Module):
    """Paint images from what codes stand for."""

    def __init__(self, sizes: TokenizerSizes) -> None:
        super().__init__()
        width = sizes.painter
        self.meaning = nn.Linear(sizes.groups * sizes.components, width)
        self.layout = nn.Linear(sizes.layout_components, width)
        self.detail = nn.Linear(len(sizes.detail_levels), width)
        self.place = nn.Parameter(torch.zeros(width, DETAIL, DETAIL))
        self.coarse = nn.Sequential(_Residual(width), _Residual(width), _Residual(width))
        half = width // 2
        self.fine = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1),
            nn.PixelShuffle(2),
            _Residual(width),
            nn.Conv2d(width, 4 * half, 1),
            nn.PixelShuffle(2),
            _Residual(half),
            nn.GroupNorm(4, half),
            nn.GELU(),
            nn.Conv2d(half, 3, 3, padding=1),
        )

    def forward(self, meaning: Tensor, layout: Tensor, detail: Tensor) -> Tensor:
        """Paint from vectors (B, D), (B, 4, 4, D) and (B, 8, 8, D): (B, 3, 32, 32)."""
        spread = self.layout(layout).permute(0, 3, 1, 2)
        x = self.meaning(meaning)[:, :, None, None] + self.place
        x = x + functional.interpolate(spread, scale_factor=DETAIL // LAYOUT, mode="bilinear")
        x = x + self.detail(detail).permute(0, 3, 1, 2)
        return self.fine(self.coarse(x))


class Tokenizer(nn.Module):
    """Turn images into codes, and codes into images.

    ``scales`` has how many tokens each scale has, in order; ``vocabulary`` how many codes.
    """

    def __init__(self, sizes: TokenizerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.features = FeatureNetwork(sizes.stem, sizes.widths)
        top = sizes.widths[-1]
        self.meaning = NearestCodes(top, sizes.groups, sizes.levels, sizes.words, sizes.components)
        self.layout = NearestCodes(top, 1, 1, sizes.layout_words, sizes.layout_components)
        width = sizes.painter
        self.look = nn.Sequential(
            nn.Conv2d(3, width // 2, 4, stride=2, padding=1),
            _Residual(width // 2),
            nn.Conv2d(width // 2, width, 4, stride=2, padding=1),
            _Residual(width),
            nn.GroupNorm(4, width),
            nn.GELU(),
            nn.Conv2d(width, len(sizes.detail_levels), 1),
        )
        self.detail = FiniteScalars(sizes.detail_levels)
        self.painter = Painter(sizes)
        self.scales = {
            "meaning": self.meaning.count,
            "layout": LAYOUT * LAYOUT,
            "detail": DETAIL * DETAIL,
        }
        self.vocabulary = (sizes.words, sizes.layout_words, self.detail.words)

    def see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features of whole images (B, D), and of places (B, 16, D).

        The mirror image shows the same, so whole images have the mean of both.
        """
        both = self.features(torch.cat([images, images.flip(-1)])).float()
        whole = both.mean(dim=(2, 3)).reshape(2, len(images), -1).mean(dim=0)
        return whole, both[: len(images)].flatten(2).transpose(1, 2)

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes of images (B, 3, 32, 32) in [-1, 1]: int64, shape (B, N)."""
        whole, places = self.see(images)
        detail = self.detail.codes(self.detail(self.look(images).permute(0, 2, 3, 1).float()))
        return torch.cat(
            [self.meaning(whole), self.layout(places)[..., 0], detail.flatten(1)], dim=1
        )

    def decode(self, codes: Tensor) -> Tensor:
        """Paint images (B, 3, 32, 32) in [-1, 1] from codes (B, N)."""
        meaning, layout, detail = codes.split(list(self.scales.values()), dim=1)
        return self.painter(
            self.meaning.vectors(meaning),
            self.layout.vectors(layout[..., None]).unflatten(1, (LAYOUT, LAYOUT)),
            self.detail.values(detail).unflatten(1, (DETAIL, DETAIL)),
        ).clamp(-1, 1)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return what is painted from the codes of images, with gradients of the details."""
        with torch.no_grad():
            whole, places = self.see(images)
            meaning = self.meaning.vectors(self.meaning(whole))
            layout = self.layout.vectors(self.layout(places)).unflatten(1, (LAYOUT, LAYOUT))
        detail = self.detail(self.look(images).permute(0, 2, 3, 1))
        return self.painter(meaning, layout, detail)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(4, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)

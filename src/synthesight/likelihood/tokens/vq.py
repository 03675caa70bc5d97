"""The tokenizers of VAR and RandAR: an encoder, and the nearest vector of a codebook.

Only what makes tokens of an image is here: a classifier never draws one from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synthesight.errors import SynthesightError


def make_encoder(widths: Sequence[int], layers: int, channels: int) -> nn.Module:
    """Return the convolutional encoder of VQGAN (Esser et al. 2021), as diffusers builds it.

    ``widths`` are channels at each resolution, from fine to coarse: each is half of the one before.
    Each has ``layers`` residual blocks, and only the coarsest has attention. The result has
    ``channels``.
    """
    from diffusers.models.autoencoders.vae import Encoder

    plain = ("DownEncoderBlock2D",) * (len(widths) - 1)
    return Encoder(
        out_channels=channels,
        down_block_types=(*plain, "AttnDownEncoderBlock2D"),
        block_out_channels=tuple(widths),
        layers_per_block=layers,
        double_z=False,
    )


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Return the nearest row of a codebook, (V, C), to each vector, (..., C): int64, shape (...).

    Examples
    --------
    >>> nearest(torch.tensor([[0.9, 0.2], [-3.0, 0.0]]), torch.eye(2) * 2 - 1)
    tensor([0, 1])
    """
    flat = vectors.reshape(-1, vectors.shape[-1])
    distance = flat.square().sum(dim=1, keepdim=True) + codebook.square().sum(dim=1)
    distance.addmm_(flat, codebook.T, alpha=-2)
    return distance.argmin(dim=1).view(vectors.shape[:-1])


def check_images(images: Tensor, side: int, name: str) -> None:
    """Check the size of images.

    Raises
    ------
    SynthesightError
        If they have not as many pixels as make the model's grid of tokens.
    """
    if tuple(images.shape[1:]) != (3, side, side):
        raise SynthesightError(
            f"{name} reads images of 3 × {side} × {side}, which make its grid of tokens, and not "
            f"of {' × '.join(map(str, images.shape[1:]))}: resize them."
        )


def check_features(features: Tensor, name: str) -> Tensor:
    """Return features of images, once they are sure to be finite: to argmin, NaN is a number."""
    if not torch.isfinite(features).all():
        raise SynthesightError(
            f"The tokenizer of {name} gave features that are not finite: download or convert the "
            "model again."
        )
    return features


class DirectionTokenizer(nn.Module):
    """Tokens by direction: the codebook is on the unit sphere (Yu et al. 2022), as in LlamaGen.

    It has ``codes`` vectors of length ``width``; for the rest see :func:`make_encoder`.
    """

    def __init__(
        self, widths: Sequence[int], layers: int, channels: int, codes: int, width: int
    ) -> None:
        super().__init__()
        self.encoder = make_encoder(widths, layers, channels)
        self.project = nn.Conv2d(channels, width, 1)
        self.codebook = nn.Embedding(codes, width)

    def features(self, images: Tensor) -> Tensor:
        """Return what is quantised: float32, shape (B, width, rows, columns)."""
        return self.project(self.encoder(images))

    def tokens(self, features: Tensor) -> Tensor:
        """Return codes in raster order: int64, shape (B, rows · columns)."""
        unit = functional.normalize(features.permute(0, 2, 3, 1), dim=-1)
        return nearest(unit, functional.normalize(self.codebook.weight, dim=-1)).flatten(1)


class ScaleTokenizer(nn.Module):
    """Tokens from coarse to fine: each scale codes what the coarser ones left (Tian et al. 2024).

    A map of codes is drawn at the finest resolution by bicubic interpolation and a convolution φ,
    of which there are ``maps``, and subtracted from the features; the next scale codes the rest.
    Scales, whose maps have ``sides``, share the codebook, and near scales share their φ. ``edges``
    are where each scale's tokens begin in the sequence of all, and its length.
    """

    share = 0.5  # of φ's convolution in what it gives; the rest is what it was given

    def __init__(
        self,
        widths: Sequence[int],
        layers: int,
        channels: int,
        codes: int,
        sides: Sequence[int],
        maps: int,
    ) -> None:
        super().__init__()
        self.encoder = make_encoder(widths, layers, channels)
        self.project = nn.Conv2d(channels, channels, 3, padding=1)
        self.codebook = nn.Embedding(codes, channels)
        self.maps = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(maps))
        self.sides = tuple(sides)
        self.edges = (0, *np.cumsum(np.square(self.sides)).tolist())
        # As published: four φ are a little nearer to the ends than equal shares would be.
        margin = 1 / (3 if maps == 4 else 2) / maps
        centres = np.linspace(margin, 1 - margin, maps)
        places = np.arange(len(self.sides)) / (len(self.sides) - 1)
        self._own = np.abs(centres - places[:, None]).argmin(axis=1).tolist()

    def features(self, images: Tensor) -> Tensor:
        """Return what is quantised: float32, shape (B, channels, side, side)."""
        return self.project(self.encoder(images))

    def tokens(self, features: Tensor) -> Tensor:
        """Return the codes of all scales, from coarse to fine: int64, shape (B, L)."""
        rest, found = features, []
        for scale, side in enumerate(self.sides):
            small = functional.interpolate(rest, (side, side), mode="area")
            codes = nearest(small.permute(0, 2, 3, 1), self.codebook.weight)
            rest = rest - self.drawn(codes.flatten(1), scale)
            found.append(codes.flatten(1))
        return torch.cat(found, dim=1)

    def drawn(self, codes: Tensor, scale: int) -> Tensor:
        """Return what a scale's codes add to the features: shape (B, channels, side, side)."""
        vectors = self.codebook(codes).unflatten(1, (self.sides[scale],) * 2).permute(0, 3, 1, 2)
        finest = self.sides[-1]
        if self.sides[scale] != finest:
            vectors = functional.interpolate(vectors, (finest, finest), mode="bicubic")
        return (1 - self.share) * vectors + self.share * self.maps[self._own[scale]](vectors)

    def so_far(self, tokens: Tensor, scales: int) -> Tensor:
        """Return what is known of an image before each of n ``scales`` but the first.

        Of tokens, int64 (B, ≥ ``edges[n - 1]``), that is float32 (B, ``edges[n]`` − ``edges[1]``,
        channels): all that coarser scales drew, at the resolution of each of the scales 2 to n.
        """
        finest, channels = self.sides[-1], self.codebook.embedding_dim
        known = self.codebook.weight.new_zeros(len(tokens), channels, finest, finest)
        found = [known.flatten(2)[:, :, :0]]
        for scale in range(scales - 1):
            codes = tokens[:, self.edges[scale] : self.edges[scale + 1]]
            known = known + self.drawn(codes, scale)
            side = self.sides[scale + 1]
            found.append(functional.interpolate(known, (side, side), mode="area").flatten(2))
        return torch.cat(found, dim=2).transpose(1, 2)

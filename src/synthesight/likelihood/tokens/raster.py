"""Decoders that write an image as codes, row by row: log p of an image by the chain rule.

The text comes first, as the model's own generation writes it, then the codes, of which each is
predicted from all before it. So one pass with the image's own codes as input (teacher forcing)
gives the exact log p of the image. No guidance is applied: it would be no probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightError
from synthesight.likelihood.plumbing import cast
from synthesight.likelihood.protocol import Resolution
from synthesight.likelihood.tokens.code_network import CodeNetwork
from synthesight.likelihood.tokens.nats import check_codes, even_parts, head_nats, part_nats
from synthesight.likelihood.tokens.redrawing import redraw


@dataclass(frozen=True)
class Texts:
    """Prompts as ids, padded on the left to one length: int64 and bool, (P, L)."""

    ids: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Tokenized:
    """What a family's text writes before an image: ids, and how messages show it."""

    ids: list[int]
    text: str


class RasterModel:
    """A decoder of image codes as a :class:`~synthesight.likelihood.protocol.PartModel`.

    Each part is a row of the grid of codes, with its share of one pass. Families say how an image
    becomes codes and a prompt becomes ids, and what stands between rows.

    Images are of ``size``, (height, width) in pixels; a code, one of ``count``, is of ``factor``
    pixels in each direction. The network was made for at most ``longest`` ids and codes together.
    Its head and the image tokenizer are in float32, all else in ``dtype``. ``written`` is what is
    written before an image of ``{class}``.
    """

    takes_labels = False
    row_end: int | None = None
    """Code that stands after each row; it is certain, and gives no nats. None where none does."""

    def __init__(
        self,
        network: CodeNetwork,
        *,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        size: tuple[int, int],
        factor: int,
        count: int,
        longest: int,
    ) -> None:
        if any(side % factor for side in size):
            raise SynthesightError(
                f"{name} makes a code of {factor} × {factor} pixels, which "
                f"{size[0]} × {size[1]} cannot be divided into: give a `resolution` of multiples "
                f"of {factor}."
            )
        self.name, self.device, self.dtype = name, device, dtype
        self.resolution: Resolution = size[0] if size[0] == size[1] else size
        self.grid = size[0] // factor, size[1] // factor
        self.factor, self.count, self.longest = factor, count, longest
        self.horizon = self.grid[0]
        self.cost: Sequence[float] = (1 / self.horizon,) * self.horizon
        self.source: dict[str, Any] = {}
        self.precision: dict[str, float | None] | None = None
        self.network = self._place(network)
        if self.length >= longest:
            raise SynthesightError(
                f"{name} takes {longest} tokens, and images of {size[0]} × {size[1]} pixels are "
                f"{self.length}: give a smaller `resolution`."
            )
        self.written = self.write("{class}").text

    # What families say -----------------------------------------------------------------------

    def tokenize(self, pixels: Tensor) -> Tensor:
        """Return the codes of images with values in [−1, 1]: integers, (B, height, width)."""
        raise NotImplementedError

    def write(self, prompt: str) -> Tokenized:
        """Return what the model's own generation would write before an image of this prompt."""
        raise NotImplementedError

    # The protocol ----------------------------------------------------------------------------

    @property
    def length(self) -> int:
        """Number of codes of an image, with those between rows."""
        height, width = self.grid
        return height * (width + (self.row_end is not None))

    def prepare(self, prompts: Sequence[str]) -> Texts:
        """Write the prompts as ids."""
        written = [self.write(prompt).ids for prompt in prompts]
        longest = max(map(len, written))
        if longest + self.length > self.longest:
            prompt = prompts[[len(ids) for ids in written].index(longest)]
            raise SynthesightError(
                f"{self.name} takes {self.longest} tokens, of which an image has {self.length}, "
                f"and the prompt {prompt[:40]!r} {longest}: shorten it, or give a smaller "
                "`resolution`."
            )
        ids = torch.tensor([[0] * (longest - len(own)) + own for own in written])
        mask = torch.tensor([[n >= longest - len(own) for n in range(longest)] for own in written])
        return Texts(ids.to(self.device), mask.to(self.device))

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes of images: int64, (B, height, width)."""
        codes = check_codes(self.tokenize(images), self.count, name=self.name)
        if codes.shape[1:] != self.grid:
            raise SynthesightError(
                f"The tokenizer of {self.name} makes {codes.shape[1]} × {codes.shape[2]} codes, "
                f"not {self.grid[0]} × {self.grid[1]}: download or save the model again, with its "
                "own tokenizer."
            )
        return codes

    def cost_of(self, parts: range) -> float:
        """Return the passes of some parts: those before them are computed again.

        To keep keys and values was measured to save 2 to 7 %, and would take much memory.
        """
        return parts.stop / self.horizon

    def nats(self, x: Tensor, parts: range, conditioning: Any, rows: Tensor) -> Tensor:
        """Return log p of rows of codes: float64, (B, len(parts)).

        What comes after the last of the rows is not computed.
        """
        nats = self._code_nats(x, parts, conditioning, rows)
        return part_nats(nats, even_parts(nats.shape[1], len(parts)))

    def nat_maps(self, x: Tensor, parts: range, conditioning: Any, rows: Tensor) -> Tensor:
        """Return log p of each code, (B, height, width); 0 of those outside of the parts.

        See :class:`~synthesight.likelihood.protocol.Located`.
        """
        height, width = self.grid
        nats = self._code_nats(x, parts, conditioning, rows).unflatten(1, (len(parts), width))
        return nn.functional.pad(nats, (0, 0, parts.start, height - parts.stop))

    def resample(
        self, x: Tensor, mask: Tensor, conditioning: Any, rows: Tensor, seed: int = 0
    ) -> Tensor:
        """Draw codes anew, each given those before it.

        See :class:`~synthesight.likelihood.protocol.Resampler`, which a family meets that has a
        method ``decode``.
        """
        texts: Texts = conditioning
        with torch.inference_mode():
            made = redraw(
                self.network,
                texts.ids[rows],
                texts.mask[rows],
                x.flatten(1),
                mask.flatten(1),
                width=self.grid[1],
                seed=seed,
                row_end=self.row_end,
            )
        return made.view_as(x)

    def _code_nats(self, x: Tensor, parts: range, conditioning: Any, rows: Tensor) -> Tensor:
        """Return log p of the codes in rows of the grid: float64, (B, codes)."""
        texts: Texts = conditioning
        text, known = texts.ids[rows], texts.mask[rows]
        codes = x[:, : parts.stop]
        given = codes
        if self.row_end is not None:
            given = nn.functional.pad(codes, (0, 1), value=self.row_end)
        given = given.flatten(1)[:, :-1]
        mask = positions = None
        if not texts.mask.all():
            mask = torch.cat([known, torch.ones_like(given, dtype=torch.bool)], dim=1)
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        hidden = self.network(text, given, mask, positions)
        # The states before each code: the last of a row predicts what stands between rows.
        hidden = hidden.unflatten(1, (parts.stop, -1))[:, parts.start :, : codes.shape[2]]
        wanted = codes[:, parts.start :].flatten(1)
        return head_nats(
            hidden.flatten(1, 2),
            lambda states: self.network.head(states.float()),
            wanted,
            count=self.count,
            name=self.name,
        )

    def reopen(self) -> None:
        """Learn anew in which precision the network is."""
        self.dtype = next(self.network.text.parameters()).dtype

    def describe(self) -> dict[str, Any]:
        """Return what made the scores besides the weights, as JSON can hold it."""
        return {
            "pipeline": type(self).__name__,
            "source": self.source,
            "precision": self.precision,
            "written": self.written,
            "grid": list(self.grid),
        }

    def _place(self, network: CodeNetwork) -> CodeNetwork:
        cast(network.requires_grad_(False).eval(), self.dtype)
        return network.to(self.device)


def rows_of(embedding: nn.Embedding, ids: Tensor) -> nn.Embedding:
    """Return an embedding of some of the rows, for codes in the order of ``ids``."""
    return nn.Embedding.from_pretrained(embedding.weight.detach()[ids])


def head_of(head: nn.Linear, ids: Tensor) -> nn.Linear:
    """Return the rows of a language model's head that belong to image codes, in float32."""
    rows = nn.Linear(head.in_features, len(ids), bias=head.bias is not None)
    rows.weight.data = head.weight.detach()[ids].float()
    if head.bias is not None:
        rows.bias.data = head.bias.detach()[ids].float()
    return rows


def pixels_for(processor: Any, images: Tensor) -> Tensor:
    """Return images in [−1, 1] as an image processor of transformers hands them to its tokenizer.

    What it would do to their size is left to who decoded the images.
    """
    images = (images + 1) * 127.5
    if processor.do_rescale:
        images = images * processor.rescale_factor
    if processor.do_normalize:
        mean, std = _mean_and_deviation(processor, images)
        images = (images - mean) / std
    return images


def images_from(processor: Any, pixels: Tensor) -> Tensor:
    """Return images in [−1, 1] of what a tokenizer decodes: the inverse of :func:`pixels_for`."""
    if processor.do_normalize:
        mean, std = _mean_and_deviation(processor, pixels)
        pixels = pixels * std + mean
    if processor.do_rescale:
        pixels = pixels / processor.rescale_factor
    return (pixels / 127.5 - 1).clamp(-1, 1)


def _mean_and_deviation(processor: Any, like: Tensor) -> Tensor:
    return like.new_tensor([processor.image_mean, processor.image_std])[:, :, None, None]


def fixed_size(resolution: int | tuple[int, int] | None, side: int, name: str) -> tuple[int, int]:
    """Return the one size that a model makes."""
    if resolution not in (None, side, (side, side)):
        height, width = (resolution,) * 2 if isinstance(resolution, int) else resolution or (0, 0)
        raise SynthesightError(
            f"{name} makes no images of {height} × {width} pixels: its one `resolution` is "
            f"{side} × {side}."
        )
    return side, side


def special_token(tokenizer: Any, role: str, name: str) -> str:
    """Return a special token of a tokenizer."""
    token = getattr(tokenizer, role, None)
    if not isinstance(token, str):
        raise SynthesightError(
            f"The tokenizer of {name} has no {role}, which its prompts are written with: download "
            "or save the model again."
        )
    return token

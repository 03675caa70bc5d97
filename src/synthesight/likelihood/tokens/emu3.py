"""Emu3 (Wang et al. 2024): the size of an image is written out, and each row has an end."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from synthesight.likelihood.tokens.code_network import CodeNetwork
from synthesight.likelihood.tokens.nats import check_codebook
from synthesight.likelihood.tokens.raster import (
    RasterModel,
    Tokenized,
    head_of,
    images_from,
    pixels_for,
    rows_of,
)

AREA = 518_400
"""Pixels of an image: what ``Emu3Processor`` asks for unless told otherwise, 720 × 720."""


class Emu3(RasterModel):
    """Emu3 as a model of parts, of any size of whole codes.

    ``model`` is an ``Emu3ForConditionalGeneration`` of transformers, ``processor`` its
    ``Emu3Processor``. Without a ``resolution``, images are the square of the processor's own area.
    One of 720 × 720 pixels has 8,190 tokens, one of 512 × 512 has 4,160.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        resolution: int | tuple[int, int] | None = None,
    ) -> None:
        inner, config = model.model, model.config
        self._processor = processor
        self._vq = inner.vqmodel.to(device=device, dtype=torch.float32).requires_grad_(False).eval()
        mapping = inner.vocabulary_mapping
        ids_of = mapping.img2bpe
        check_codebook(self._vq.quantize.embedding.weight, len(ids_of), name=name)
        ids = torch.tensor([ids_of[code] for code in range(len(ids_of))])
        ends = torch.cat([ids, torch.tensor([mapping.eol_token_id])])
        self.row_end = len(ids)
        factor = self._vq.spatial_scale_factor
        side = factor * round(AREA**0.5 / factor)
        size = (side, side) if resolution is None else resolution
        embeddings = inner.text_model.get_input_embeddings()
        super().__init__(
            CodeNetwork(
                embeddings, rows_of(embeddings, ends), inner.text_model, head_of(model.lm_head, ids)
            ),
            name=name,
            device=device,
            dtype=dtype,
            size=(size, size) if isinstance(size, int) else size,
            factor=factor,
            count=len(ids),
            longest=config.text_config.max_position_embeddings,
        )

    def tokenize(self, pixels: Tensor) -> Tensor:
        sizes = torch.tensor([pixels.shape[2:]] * len(pixels))
        made = self._vq.encode(pixels_for(self._processor.image_processor, pixels), sizes)
        return torch.stack(list(getattr(made, "image_tokens", made)))

    def decode(self, x: Tensor) -> Tensor:
        """Return images of codes: float32, (B, 3, height, width), in [−1, 1]."""
        with torch.inference_mode():
            pixels = self._vq.decode(x)
        return images_from(self._processor.image_processor, pixels)

    def write(self, prompt: str) -> Tokenized:
        own = self._processor
        height, width = self.grid  # in codes, not in pixels
        text = (
            f"{own.bos_token}{prompt}{own.image_start_token}{height}*{width}"
            f"{own.fake_token_around_image}"
        )
        return Tokenized(list(own.tokenizer(text, verbose=False)["input_ids"]), text)

"""Janus (Wu et al. 2025) and Janus-Pro (Chen et al. 2025): a chat that answers with an image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightError
from synthesight.likelihood.tokens.code_network import CodeNetwork
from synthesight.likelihood.tokens.nats import check_codebook
from synthesight.likelihood.tokens.raster import (
    RasterModel,
    Tokenized,
    fixed_size,
    images_from,
    pixels_for,
)


class Janus(RasterModel):
    """Janus as a model of parts, of the one size that it makes.

    ``model`` is a ``JanusForConditionalGeneration`` of transformers, ``processor`` its
    ``JanusProcessor``; ``resolution`` is that size, or None.
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
        if processor.chat_template is None:
            raise SynthesightError(
                f"{name} has no chat template, in which its prompts are written: download or save "
                "the model again, with its chat_template.jinja."
            )
        self._processor = processor
        self._vq = inner.vqmodel.to(device=device, dtype=torch.float32).requires_grad_(False).eval()
        book = self._vq.quantize.embedding.weight
        count = config.vq_config.num_embeddings
        check_codebook(book, count, name=name, direction=True)
        # The original compares directions. transformers compares the vectors as they are, which
        # is the same only where all those of the codebook have length 1.
        self._book = nn.functional.normalize(book.float(), dim=1)
        factor = 2 ** (len(config.vq_config.channel_multiplier) - 1)
        side = factor * round(config.vision_config.num_image_tokens**0.5)
        super().__init__(
            CodeNetwork(
                inner.language_model.get_input_embeddings(),
                nn.Sequential(inner.generation_embeddings, inner.generation_aligner),
                inner.language_model,
                inner.generation_head,
            ),
            name=name,
            device=device,
            dtype=dtype,
            size=fixed_size(resolution, side, name),
            factor=factor,
            count=count,
            longest=config.text_config.max_position_embeddings,
        )

    def tokenize(self, pixels: Tensor) -> Tensor:
        vectors = self._vq.quant_conv(
            self._vq.encoder(pixels_for(self._processor.image_processor, pixels))
        )
        directions = nn.functional.normalize(vectors.permute(0, 2, 3, 1), dim=3)
        return (directions @ self._book.T).argmax(dim=3)

    def decode(self, x: Tensor) -> Tensor:
        """Return images of codes: float32, (B, 3, height, width), in [−1, 1]."""
        with torch.inference_mode():
            pixels = self._vq.decode(x.flatten(1))
        return images_from(self._processor.image_processor, pixels)

    def write(self, prompt: str) -> Tokenized:
        message = {"role": "user", "content": [{"type": "text", "text": prompt}]}
        chat = self._processor.apply_chat_template([message], add_generation_prompt=True)
        ids = self._processor(text=[chat], generation_mode="image")["input_ids"][0]
        return Tokenized([int(each) for each in ids], chat + self._processor.image_start_token)

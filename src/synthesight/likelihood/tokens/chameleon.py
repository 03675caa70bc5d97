"""Chameleon (Chameleon Team 2024) and Anole (Chern et al. 2024): one vocabulary for all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from synthesight.errors import SynthesightError
from synthesight.likelihood.tokens.code_network import CodeNetwork
from synthesight.likelihood.tokens.nats import check_codebook
from synthesight.likelihood.tokens.raster import (
    RasterModel,
    Tokenized,
    fixed_size,
    head_of,
    pixels_for,
    rows_of,
    special_token,
)


class Chameleon(RasterModel):
    """Chameleon and Anole as models of parts, of the one size that they make.

    ``model`` is a ``ChameleonForConditionalGeneration`` of transformers, ``processor`` its
    ``ChameleonProcessor``; ``resolution`` is that size, or None. The model's own ``forward`` is not
    called: it masks the logits of image codes.
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
        inner.vqmodel = None  # which is no part of the decoder
        ids_of = inner.vocabulary_mapping.img2bpe
        check_codebook(self._vq.quantize.embedding.weight, len(ids_of), name=name)
        ids = torch.tensor([ids_of[code] for code in range(len(ids_of))])
        head = head_of(model.lm_head, ids)
        if torch.equal(head.weight, head.weight[:1].expand_as(head.weight)):
            raise SynthesightError(
                f"The head of {name} gives the same logit to every image code, so that it makes no "
                "images: choose one that does, such as Anole."
            )
        factor = 2 ** (len(config.vq_config.channel_multiplier) - 1)
        super().__init__(
            CodeNetwork(inner.embed_tokens, rows_of(inner.embed_tokens, ids), inner, head),
            name=name,
            device=device,
            dtype=dtype,
            size=fixed_size(resolution, factor * round(processor.image_seq_length**0.5), name),
            factor=factor,
            count=len(ids_of),
            longest=config.max_position_embeddings,
        )

    def tokenize(self, pixels: Tensor) -> Tensor:
        vectors = self._vq.quant_conv(
            self._vq.encoder(pixels_for(self._processor.image_processor, pixels))
        )
        _, _, codes = self._vq.quantize(vectors)
        return codes.view(len(pixels), *vectors.shape[2:])

    def write(self, prompt: str) -> Tokenized:
        tokenizer = self._processor.tokenizer
        text = (
            prompt
            + special_token(tokenizer, "sep_token", self.name)
            + self._processor.image_start_token
        )
        ids = tokenizer(text, verbose=False)["input_ids"]
        if ids[0] != tokenizer.bos_token_id:
            ids = [tokenizer.bos_token_id, *ids]
        return Tokenized(ids, text)

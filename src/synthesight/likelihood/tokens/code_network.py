"""The network of decoders that write an image as codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CodeNetwork(nn.Module):
    """What every evaluation runs: embeddings, a decoder and the image rows of a head.

    ``text`` embeds ids of the text, and ``codes`` image codes, 0 to C − 1. ``decoder`` is one of
    transformers that takes ``inputs_embeds``. ``head`` gives the logits of the C image codes, in
    float32.
    """

    # Half-precision positions would be off by whole tokens.
    _keep_in_fp32_modules = ("head", "rotary_emb")

    def __init__(self, text: nn.Module, codes: nn.Module, decoder: nn.Module, head: nn.Module):
        super().__init__()
        self.text, self.codes, self.decoder, self.head = text, codes, decoder, head

    def forward(
        self, text: Tensor, codes: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """Return the states that predict each code, and one more: (B, 1 + N, width).

        ``text`` is int64 (B, L), and ``codes`` (B, N) what follows it. ``mask`` and ``positions``,
        (B, L + N), are None where no text is padded.
        """
        embedded = torch.cat([self.text(text), self.codes(codes)], dim=1)
        hidden = self.decoder(
            inputs_embeds=embedded, attention_mask=mask, position_ids=positions, use_cache=False
        )
        return hidden.last_hidden_state[:, text.shape[1] - 1 :]

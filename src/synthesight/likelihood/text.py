"""Prompts to the tensors that a network is conditioned on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightWarning

PROMPTS_AT_ONCE = 32
TOKEN_MULTIPLE = 8  # lengths that suit attention kernels


@dataclass(frozen=True, eq=False)
class EncodedText:
    """K prompts after a text encoder.

    Attributes
    ----------
    hidden
        shape (K, L, D): one vector a token.
    pooled
        shape (K, P): one vector a prompt; None for T5, which has none.
    mask
        int64, shape (K, L): 1 for a token, 0 for padding.
    """

    hidden: Tensor
    pooled: Tensor | None
    mask: Tensor


class TextEncoder:
    """A tokenizer and its encoder, both from transformers.

    Parameters
    ----------
    tokenizer
        Turns text into tokens.
    model
        CLIP or T5. It stays where it is, and visits another device only while prompts are
        encoded: T5-XXL alone would fill half of a large GPU.
    """

    def __init__(self, tokenizer: Any, model: nn.Module) -> None:
        self.tokenizer = tokenizer
        self.model = model.eval().requires_grad_(False)

    @property
    def pooled_width(self) -> int:
        """Length of the vector that stands for a whole prompt."""
        config: Any = self.model.config
        return config.projection_dim

    @torch.no_grad()
    def __call__(
        self,
        prompts: list[str],
        *,
        device: torch.device,
        dtype: torch.dtype,
        length: int | None = None,
        masked: bool = False,
        trim: bool = False,
        penultimate: bool = False,
    ) -> EncodedText:
        """Encode prompts.

        Parameters
        ----------
        prompts
            K texts.
        device, dtype
            Of the result.
        length
            Tokens that each prompt is padded or cut to; None for the tokenizer's own limit.
        masked
            Hide the padding from the encoder.
        trim
            Pad only as far as the longest prompt needs. The result is the same where the padding
            is masked, in the encoder and in the network after it.
        penultimate
            Take the hidden states before the encoder's last layer.
        """
        length = length or self.tokenizer.model_max_length
        longest = self._longest(prompts, length)
        if trim:
            length = min(length, -(-longest // TOKEN_MULTIPLE) * TOKEN_MULTIPLE)
        tokens = self.tokenizer(
            prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        parts = zip(
            tokens.input_ids.split(PROMPTS_AT_ONCE),
            tokens.attention_mask.split(PROMPTS_AT_ONCE),
            strict=True,
        )
        hidden: list[Tensor] = []
        pooled: list[Tensor] = []
        with _visiting(self.model, device) as model:
            for ids, mask in parts:
                output = model(
                    ids.to(device),
                    attention_mask=mask.to(device) if masked else None,
                    output_hidden_states=penultimate,
                )
                states = output.hidden_states[-2] if penultimate else output.last_hidden_state
                hidden.append(states.to(dtype))
                summary = output.get("text_embeds", output.get("pooler_output"))
                if summary is not None:
                    pooled.append(summary.to(dtype))
        return EncodedText(
            hidden=torch.cat(hidden),
            pooled=torch.cat(pooled) if pooled else None,
            mask=tokens.attention_mask.to(device),
        )

    def _longest(self, prompts: list[str], length: int) -> int:
        """Tokens of the longest prompt, with a warning if it will be cut."""
        counts = [len(ids) for ids in self.tokenizer(prompts, verbose=False).input_ids]
        longest = max(counts)
        if longest > length:
            warnings.warn(
                f"The prompt {prompts[counts.index(longest)]!r} has {longest} tokens, of which "
                f"the text encoder reads only {length}: shorten it.",
                SynthesightWarning,
                stacklevel=3,
            )
        return longest


@contextmanager
def _visiting(model: nn.Module, device: torch.device) -> Iterator[nn.Module]:
    home = next(model.parameters()).device
    try:
        yield model.to(device)
    finally:
        model.to(home)

"""Draw the last codes of an image anew: what a decoder would have painted from there on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from synthesight.likelihood.device import summing_device
from synthesight.likelihood.tokens.code_network import CodeNetwork
from synthesight.likelihood.tokens.nats import drawn_codes


def redraw(
    network: CodeNetwork,
    text: Tensor,
    known: Tensor,
    codes: Tensor,
    mask: Tensor,
    *,
    width: int,
    seed: int = 0,
    row_end: int | None = None,
) -> Tensor:
    """Draw codes from p(code | text, codes before it), without guidance or temperature.

    Keys and values of what was seen are kept, so that each code takes one short step. ``text`` and
    ``known``, int64 and bool (B, L), are ids, and where they are no padding; ``codes``, int64 (B,
    N), are row by row, ``width`` in a row, and ``row_end`` stands after each row, if not None.
    Those outside ``mask``, bool (B, N), stay as they are.
    """
    from transformers import DynamicCache

    made, cache = codes.clone(), DynamicCache()
    chance = np.random.default_rng(seed).random(tuple(codes.shape))
    uniform = torch.from_numpy(chance).to(summing_device(codes.device))
    begin = int(mask.any(dim=0).long().argmax()) if mask.any() else codes.shape[1]
    seen, embedded = known.long(), network.text(text)
    new = _with_row_ends(made[:, :begin], 0, width, row_end)
    for place in range(begin, codes.shape[1]):
        embedded = torch.cat([embedded, network.codes(new)], dim=1)
        seen = torch.cat([seen, torch.ones_like(new)], dim=1)
        states = network.decoder(
            inputs_embeds=embedded,
            attention_mask=seen,
            position_ids=(seen.cumsum(dim=1) - 1).clamp(min=0)[:, -embedded.shape[1] :],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[:, -1]
        drawn = drawn_codes(network.head(states.float()), uniform[:, place])
        made[:, place] = torch.where(mask[:, place], drawn, made[:, place])
        new = _with_row_ends(made[:, place, None], place, width, row_end)
        embedded = embedded[:, :0]
    return made


def _with_row_ends(codes: Tensor, begin: int, width: int, row_end: int | None) -> Tensor:
    """Return codes, of which the first is at place ``begin``, with what stands after each row."""
    if row_end is None:
        return codes
    parts = []
    for part in codes.split(1, dim=1):
        begin += 1
        parts += [part, torch.full_like(part, row_end)] if begin % width == 0 else [part]
    return torch.cat(parts, dim=1) if parts else codes

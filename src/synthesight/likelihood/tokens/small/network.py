"""The transformer that gives each token a probability, given a prompt and the tokens before it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthesight.likelihood.tokens.small.tokenizer import Tokenizer


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of a transformer; ``text`` is the width of the prompts' vectors."""

    width: int = 192
    depth: int = 5
    heads: int = 3
    text: int = 128
    dropout: float = 0.2


class TokenNetwork(nn.Module):
    """Predict each token from the prompt and from the tokens before it, coarse to fine.

    The prompt comes in twice: as the token before the first, and as the scale and shift of every
    norm, whose tables all layers share (as in PixArt, Chen et al. 2023). The tokenizer's code words
    are what tokens look like to the network.
    """

    def __init__(self, tokenizer: Tokenizer, sizes: NetworkSizes) -> None:
        super().__init__()
        width = sizes.width
        self.scales = tuple(tokenizer.scales.values())
        count = sum(self.scales)
        meaning, layout, detail = tokenizer.vocabulary
        self.heads = sizes.heads
        self.see_meaning = nn.Linear(tokenizer.sizes.groups * tokenizer.sizes.components, width)
        self.see_layout = nn.Embedding(layout, width)
        self.see_detail = nn.Embedding(detail, width)
        self.place = nn.Parameter(0.02 * torch.randn(count, width))
        self.prompt = nn.Linear(sizes.text, width)
        self.modulate = nn.Linear(width, 4 * width)
        self.blocks = nn.ModuleList(
            Block(width, sizes.heads, sizes.dropout) for _ in range(sizes.depth)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.last = nn.Linear(width, 2 * width)
        self.tell_meaning = nn.Parameter(0.02 * torch.randn(self.scales[0], width, meaning))
        self.tell_layout = nn.Linear(width, layout)
        self.tell_detail = nn.Linear(width, detail)
        for module in (self.see_layout, self.see_detail):
            nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def look(self, tokenizer: Tokenizer, codes: Tensor) -> Tensor:
        """Return what the network sees of the first tokens, codes (B, n): (B, n, width)."""
        whole, layout = self.scales[0], self.scales[1]
        seen = []
        padded = codes[:, :whole]
        missing = whole - padded.shape[1]
        padded = functional.pad(padded, (0, missing))  # words are looked up for whole vectors
        words = self.see_meaning(tokenizer.meaning.words_of(padded))
        seen.append(words[:, : whole - missing])
        seen.append(self.see_layout(codes[:, whole : whole + layout]))
        seen.append(self.see_detail(codes[:, whole + layout :]))
        return torch.cat(seen, dim=1)

    def forward(self, seen: Tensor, prompt: Tensor) -> Tensor:
        """Return what predicts n + 1 tokens, from n seen, (B, n, width), and prompts, (B, text)."""
        condition = self.prompt(prompt)
        x = torch.cat([condition[:, None], seen], dim=1)
        x = x + self.place[: x.shape[1]]
        modulation = self.modulate(functional.silu(condition)).unflatten(1, (4, -1))[:, :, None]
        for block in self.blocks:
            x = block(x, modulation)
        scale, shift = self.last(functional.silu(condition))[:, None].chunk(2, dim=-1)
        return self.norm(x) * (1 + scale) + shift

    def logits(self, states: Tensor, start: int = 0) -> list[Tensor]:
        """Return logits of each scale, from the states that predict tokens from ``start`` on."""
        found = []
        begin = 0
        for scale, (size, tell) in enumerate(
            zip(self.scales, (self.tell_meaning, self.tell_layout, self.tell_detail), strict=True)
        ):
            first, last = max(start, begin), min(start + states.shape[1], begin + size)
            if first < last:
                own = states[:, first - start : last - start]
                if scale == 0:
                    own = torch.einsum("bnw,nwv->bnv", own, tell[first:last])  # type: ignore[index]
                else:
                    own = tell(own)  # type: ignore[operator]
                found.append(own)
            begin += size
        return found


class Block(nn.Module):
    """Causal attention and a two-layer perceptron."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attend = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.drop = nn.Dropout(dropout)
        self.table = nn.Parameter(torch.zeros(4, width))

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        scale, shift, scale_2, shift_2 = (modulation + self.table[:, None]).unbind(dim=1)
        seen = self.norm(x) * (1 + scale) + shift
        q, k, v = self.attend(seen).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.drop(self.join(mixed.transpose(1, 2).flatten(2)))
        return x + self.drop(self.think(self.norm(x) * (1 + scale_2) + shift_2))

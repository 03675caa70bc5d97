"""A small class of image-token models: what ``natural-32-ar`` is, as a model of parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.likelihood.device import summing_device
from synthesight.likelihood.tokens.nats import code_nats, drawn_codes, part_nats
from synthesight.likelihood.tokens.small.network import NetworkSizes, TokenNetwork
from synthesight.likelihood.tokens.small.text import small_text_encoder
from synthesight.likelihood.tokens.small.tokenizer import (
    DETAIL,
    LAYOUT,
    RESOLUTION,
    Tokenizer,
    TokenizerSizes,
)

ARCHITECTURE = "SmallTokenModel"
WEIGHTS = "model.safetensors"


class SmallTokenNetwork(nn.Module):
    """The tokenizer, the transformer and the text encoder, as one module."""

    def __init__(self, tokenizer: TokenizerSizes, network: NetworkSizes, vocabulary: int) -> None:
        super().__init__()
        self.tokenizer = Tokenizer(tokenizer)
        self.transformer = TokenNetwork(self.tokenizer, network)
        self.text_encoder = small_text_encoder(vocabulary, network.text)
        self.sizes = network
        self.vocabulary = vocabulary

    def read(self, words: Tensor, mask: Tensor) -> Tensor:
        """Return vectors (P, width) of prompts, words and mask (P, L)."""
        found = self.text_encoder(words, attention_mask=mask).last_hidden_state
        return (found * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)

    def forward(self, codes: Tensor, prompt: Tensor) -> list[Tensor]:
        """Return the logits of each scale of the tokens (B, n), given prompts (B, width)."""
        seen = self.transformer.look(self.tokenizer, codes[:, :-1])
        return self.transformer.logits(self.transformer(seen, prompt))

    def token_nats(self, codes: Tensor, prompt: Tensor, *, name: str = "the model") -> Tensor:
        """Return log p of each of the first tokens, codes (B, n): float64."""
        return self.nats_of(self(codes, prompt), codes, name)

    @staticmethod
    def nats_of(logits: Sequence[Tensor], codes: Tensor, name: str) -> Tensor:
        """Return log p of each token from the logits of each scale."""
        own = codes.split([each.shape[1] for each in logits], dim=1)
        return torch.cat(
            [code_nats(a, b, name=name) for a, b in zip(logits, own, strict=True)], dim=1
        )


class SmallTokenModel:
    """A class-conditional model of image tokens, coarse to fine (meets :class:`PartModel`).

    The evidence of a class is Σ w_i log p(token i | prompt, tokens before it). With all w_i = 1 it
    is the exact log-likelihood of the tokens. The weights that lie beside a model were fitted to
    tell its labels apart on images held out of its training, and the score under them is no
    likelihood.

    ``words`` is the text encoder's tokenizer; ``edges`` are where parts begin and end, in tokens.
    ``weighting`` has N numbers, or is None for 1; tokens after the last above 0 are not computed.
    """

    resolution = RESOLUTION

    def __init__(
        self,
        network: SmallTokenNetwork,
        words: Any,
        *,
        name: str,
        edges: Sequence[int],
        weighting: Sequence[float] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.network = network.requires_grad_(False).eval().to(self.device)
        self.words = words
        self.name = name
        self.tokens = sum(network.transformer.scales)
        weights = np.ones(self.tokens) if weighting is None else np.asarray(weighting, float)
        if weights.shape != (self.tokens,) or not np.isfinite(weights).all() or weights.min() < 0:
            raise SynthesightError(
                f"{name} has {self.tokens} tokens: give `weighting` as many numbers from 0 up, or "
                "elbo, which is 1 for all."
            )
        if not weights.any():
            raise SynthesightError(f"{name}: a `weighting` of zeros leaves no evidence.")
        self.weighting = None if weighting is None else tuple(weights.tolist())
        end = int(weights.nonzero()[0].max()) + 1
        self.edges = (*(edge for edge in edges if edge < end), end)
        self.cost: Sequence[float]
        self.horizon = len(self.edges) - 1
        self.cost = tuple((np.diff(self.edges) / end).tolist())
        self._weights = torch.from_numpy(weights).to(summing_device(self.device))

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        *,
        name: str | None = None,
        weighting: Sequence[float] | None = None,
        device: str | torch.device = "cpu",
    ) -> SmallTokenModel:
        """Open a model that ``synthesight train tokens`` wrote."""
        settings = files.read_json(folder / "config.json", advice="get the model anew")
        try:
            tokenizer = TokenizerSizes(**_tuples(settings["tokenizer"]))
            sizes = NetworkSizes(**settings["network"])
            vocabulary, edges = int(settings["vocabulary"]), [int(e) for e in settings["parts"]]
            weights = load_file(folder / WEIGHTS)
            with torch.device("meta"):  # no memory for layers of any size before they are seen
                network = SmallTokenNetwork(tokenizer, sizes, vocabulary)
            network.load_state_dict(weights, assign=True)
            words = read_words(folder / "words")
        except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
            raise SynthesightError(
                f"The folder {folder} is no model that `synthesight train tokens` wrote, or is "
                "damaged: get it anew."
            ) from error
        network.float()
        return cls(
            network,
            words,
            name=name or folder.name,
            edges=edges,
            weighting=weighting,
            device=device,
        )

    def prepare(self, prompts: Sequence[str]) -> Tensor:
        """Encode the prompts, once: float32, shape (P, width)."""
        found = self.words(list(prompts), padding=True, return_tensors="pt")
        most = self.words.model_max_length
        length = found["attention_mask"].sum(dim=1)
        if (length > most).any():
            raise SynthesightError(
                f"{self.name} reads {most} tokens of a prompt, and "
                f"{prompts[int(length.argmax())]!r} has {int(length.max())}: shorten it."
            )
        with torch.inference_mode():
            return self.network.read(
                found["input_ids"].to(self.device), found["attention_mask"].to(self.device)
            )

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes of images (B, 3, 32, 32) in [-1, 1]: int64, shape (B, N)."""
        with torch.inference_mode():
            return self.network.tokenizer.encode(images.to(self.device))

    def nats(self, x: Tensor, parts: range, conditioning: Any, rows: Tensor) -> Tensor:
        """Weighted log p of each of the parts asked for: float64, shape (B, len(parts))."""
        edges = self.edges[parts.start : parts.stop + 1]
        return part_nats(self._weighted(x, edges[-1], conditioning, rows), edges)

    def nat_maps(self, x: Tensor, parts: range, conditioning: Any, rows: Tensor) -> Tensor:
        """Weighted log p by place, (B, 8, 8): what stands for several is shared by all of them.

        See :class:`~synthesight.likelihood.protocol.Located`.
        """
        start, stop = self.edges[parts.start], self.edges[parts.stop]
        found = self._weighted(x, stop, conditioning, rows)
        found[:, :start] = 0.0
        found = nn.functional.pad(found, (0, self.tokens - stop))
        meaning, layout, detail = found.split(list(self.network.transformer.scales), dim=1)
        block = DETAIL // LAYOUT
        spread = layout.unflatten(1, (LAYOUT, LAYOUT)) / block**2
        spread = spread.repeat_interleave(block, dim=1).repeat_interleave(block, dim=2)
        whole = meaning.sum(dim=1)[:, None, None] / DETAIL**2
        return detail.unflatten(1, (DETAIL, DETAIL)) + spread + whole

    def _weighted(self, x: Tensor, stop: int, conditioning: Any, rows: Tensor) -> Tensor:
        """Weighted log p of the first tokens: float64, shape (B, stop)."""
        codes = x[:, :stop]
        logits = self.network(codes, conditioning[rows])
        return self.network.nats_of(logits, codes, self.name) * self._weights[:stop]

    def token_nats(self, x: Tensor, conditioning: Tensor, rows: Tensor) -> Tensor:
        """Unweighted log p of every token: float64, shape (B, N)."""
        with torch.inference_mode():
            return self.network.token_nats(x, conditioning[rows], name=self.name)

    def sample(self, conditioning: Tensor, rows: Tensor, seed: int = 0) -> Tensor:
        """Draw the codes of images that the prompts describe: int64, shape (B, N).

        Examples
        --------
        >>> import synthesight
        >>> model = synthesight.load("natural-32-ar", device="cpu").model  # doctest: +SKIP
        >>> prompts = model.prepare(["a photo of a cat"])  # doctest: +SKIP
        >>> codes = model.sample(prompts, torch.zeros(1, dtype=torch.int64))  # doctest: +SKIP
        >>> model.decode(codes).shape  # doctest: +SKIP
        torch.Size([1, 3, 32, 32])
        """
        blank = torch.zeros(len(rows), self.tokens, dtype=torch.int64, device=self.device)
        return self.resample(blank, torch.ones_like(blank).bool(), conditioning, rows, seed)

    def resample(
        self, x: Tensor, mask: Tensor, conditioning: Tensor, rows: Tensor, seed: int = 0
    ) -> Tensor:
        """Draw the tokens of images in ``mask``, bool (B, N), anew: int64, shape (B, N).

        Each token is drawn from p(token | prompt, tokens before it), and those outside the mask
        stay as they are. Where a mask ends the sequence (all but the coarsest tokens), that is the
        exact conditional distribution; tokens kept after drawn ones do not influence these.
        """
        chance = np.random.default_rng(seed).random((len(x), self.tokens))
        uniform = torch.from_numpy(chance).to(summing_device(self.device))
        codes, mask = x.clone(), mask.to(self.device)
        transformer, prompt = self.network.transformer, conditioning[rows]
        with torch.inference_mode():
            for place in mask.any(dim=0).nonzero()[:, 0].tolist():
                seen = transformer.look(self.network.tokenizer, codes[:, :place])
                states = transformer(seen, prompt)[:, place:]
                (logits,) = transformer.logits(states, start=place)
                drawn = drawn_codes(logits[:, 0], uniform[:, place])
                codes[:, place] = torch.where(mask[:, place], drawn, codes[:, place])
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Paint images from codes (B, N): float32, shape (B, 3, 32, 32), in [-1, 1]."""
        with torch.inference_mode():
            return self.network.tokenizer.decode(codes.to(self.device))

    def describe(self) -> dict[str, Any]:
        """Return what a run records of the model."""
        return {
            "architecture": ARCHITECTURE,
            "edges": list(self.edges),
            "exact": self.weighting is None,
            "token_weighting": None if self.weighting is None else list(self.weighting),
        }


def read_words(folder: Path) -> Any:
    """Open the tokenizer of prompts."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def write(network: SmallTokenNetwork, words: Any, edges: Sequence[int], folder: Path) -> None:
    """Write a model as a folder: configuration, prompts' tokenizer, float16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "architecture": ARCHITECTURE,
        "resolution": RESOLUTION,
        "tokenizer": asdict(network.tokenizer.sizes),
        "network": asdict(network.sizes),
        "vocabulary": network.vocabulary,
        "parts": list(edges),
    }
    words.save_pretrained(folder / "words")
    weights = {
        # Matrices alone: variances and offsets are few, and small ones would be lost.
        key: (value.half() if value.ndim > 1 and value.is_floating_point() else value)
        .contiguous()
        .clone()
        for key, value in network.state_dict().items()
    }
    with files.whole(folder / WEIGHTS) as unfinished:
        save_file(weights, unfinished)
    files.write(folder / "config.json", json.dumps(settings, indent=2) + "\n")


def _tuples(sizes: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in sizes.items()}

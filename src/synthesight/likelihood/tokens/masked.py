"""aMUSEd (Patil et al. 2024), an open MUSE: masked codes are predicted from those that are seen.

By the chain rule along a random order, log p is the sum over N codes of log p(code | those before
it). The code at place t of a random order is one of the m = N − t + 1 that are masked by a random
mask, so that with m uniform on 1 … N

    log p = E_m E_mask [ N / m · Σ log p(masked code | seen codes) ],

averaged over orders. Each (m, mask) is a draw of one pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import in_float64
from synthesight.likelihood.draws import normal_noise, uniforms
from synthesight.likelihood.plumbing import cast
from synthesight.likelihood.protocol import Resolution
from synthesight.likelihood.tokens.nats import check_codebook, check_codes, code_nats

RESAMPLING = 12  # steps of drawing codes anew, as many as the pipeline takes for an image


@dataclass(frozen=True)
class Embedded:
    """Prompts as CLIP embeds them: pooled (P, width) and word by word (P, L, width)."""

    pooled: Tensor
    words: Tensor


class Amused:
    """aMUSEd as a :class:`~synthesight.likelihood.protocol.DrawModel`.

    Of what is None, the pipeline's own counts. The image tokenizer and the text encoder are in
    float32. ``resolution`` is (height, width) in pixels, or one number for both.
    """

    takes_labels = False

    def __init__(
        self,
        pipeline: Any,
        *,
        name: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        resolution: int | tuple[int, int] | None = None,
    ) -> None:
        label = name or pipeline.config.get("_name_or_path") or type(pipeline).__name__
        self.pipeline, self.name = pipeline, label
        self.device = torch.device(device or pipeline.device)
        self.source: dict[str, Any] = {}
        self.precision: dict[str, float | None] | None = None
        self.network = pipeline.transformer.requires_grad_(False).eval().to(self.device)
        if dtype is not None:
            cast(self.network, dtype)
        self.dtype = self.network.dtype
        self._vq: Any
        self._text: Any
        self._vq, self._text = (
            cast(part, torch.float32).to(self.device).requires_grad_(False).eval()
            for part in (pipeline.vqvae, pipeline.text_encoder)
        )
        self.count: int = self.network.config.codebook_size
        self._mask_id: int = pipeline.scheduler.config.mask_token_id
        check_codebook(self._vq.quantize.embedding.weight, self.count, name=label)
        self.factor: int = pipeline.vae_scale_factor
        side = self.network.config.sample_size * self.factor
        asked = side if resolution is None else resolution
        height, width = (asked, asked) if isinstance(asked, int) else asked
        self.resolution: Resolution = height if height == width else (height, width)
        self.grid = height // self.factor, width // self.factor
        known = inspect.signature(pipeline.__call__).parameters
        left, top = known["micro_conditioning_crop_coord"].default
        score = known["micro_conditioning_aesthetic_score"].default
        # Width before height, as the pipeline has it.
        self._conditions = torch.tensor([width, height, left, top, score], dtype=torch.float32)
        if resolution is not None:
            self._try_size((height, width))

    def prepare(self, prompts: Sequence[str]) -> Embedded:
        """Embed the prompts, as the pipeline does."""
        tokenizer = self.pipeline.tokenizer
        most = tokenizer.model_max_length
        written = tokenizer(list(prompts), verbose=False)["input_ids"]
        for prompt, ids in zip(prompts, written, strict=True):
            if len(ids) > most:
                raise SynthesightError(
                    f"{self.name} reads {most} tokens of a prompt, and {prompt[:40]!r} has "
                    f"{len(ids)}: shorten the `prompt` or the name of the class."
                )
        ids = tokenizer(
            list(prompts), return_tensors="pt", padding="max_length", max_length=most
        ).input_ids
        with torch.inference_mode():
            made = self._text(ids.to(self.device), output_hidden_states=True)
        return Embedded(made.text_embeds, made.hidden_states[-2].to(self.dtype))

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes of images: int64, (B, height, width)."""
        latents = self._vq.encode((images + 1) / 2).latents  # pixels from 0 to 1
        _, _, (_, _, codes) = self._vq.quantize(latents)
        return check_codes(codes, self.count, name=self.name).reshape(-1, *latents.shape[2:])

    def draws(self, keys: np.ndarray, index: np.ndarray, shape: Sequence[int]) -> tuple[Tensor]:
        """Return masks of m codes each, m being uniform on 1 … N: bool, (D, *shape)."""
        count = int(np.prod(shape))
        masked = 1 + np.floor(count * uniforms(keys, index)).astype(np.int64)
        rank = normal_noise(keys, index, (count,)).argsort(axis=1).argsort(axis=1)
        mask = rank < masked[:, None]
        return (torch.from_numpy(mask.reshape(-1, *shape)),)

    def nats(self, x: Tensor, draws: tuple[Tensor, ...], conditioning: Any, rows: Tensor) -> Tensor:
        """Return N / m · Σ log p of the masked codes: float64, (B,)."""
        (mask,) = draws
        nats = self._masked_nats(x, mask, conditioning, rows)
        return nats.flatten(1).sum(dim=1) * mask[0].numel() / in_float64(mask).flatten(1).sum(dim=1)

    def nat_maps(
        self, x: Tensor, draws: tuple[Tensor, ...], conditioning: Any, rows: Tensor
    ) -> Tensor:
        """Return N / m · log p of each masked code, (B, height, width), and 0 of the others.

        See :class:`~synthesight.likelihood.protocol.Located`.
        """
        (mask,) = draws
        share = in_float64(mask).mean(dim=(1, 2), keepdim=True)
        return self._masked_nats(x, mask, conditioning, rows) / share

    def decode(self, x: Tensor) -> Tensor:
        """Return images of codes: float32, (B, 3, height, width), in [−1, 1]."""
        shape = (len(x), *self.grid, self._vq.config.latent_channels)
        with torch.inference_mode():
            pixels = self._vq.decode(x, force_not_quantize=True, shape=shape).sample
        return pixels.float().clamp(0, 1) * 2 - 1

    def resample(
        self, x: Tensor, mask: Tensor, conditioning: Any, rows: Tensor, seed: int = 0
    ) -> Tensor:
        """Draw the masked codes anew by the pipeline's own scheduler, in 12 steps, unguided.

        See :class:`~synthesight.likelihood.protocol.Resampler`.
        """
        scheduler = type(self.pipeline.scheduler).from_config(self.pipeline.scheduler.config)
        scheduler.set_timesteps(RESAMPLING, (2, 0), self.device)
        generator = torch.Generator().manual_seed(seed)
        share = float(in_float64(mask).mean())
        codes = torch.where(mask, self._mask_id, x)
        with torch.inference_mode():
            for step in scheduler.timesteps:
                codes = scheduler.step(
                    self._logits(codes, conditioning, rows).float(),
                    step,
                    codes,
                    starting_mask_ratio=share,
                    generator=generator,
                ).prev_sample
        return codes

    def _masked_nats(self, x: Tensor, mask: Tensor, conditioning: Any, rows: Tensor) -> Tensor:
        """Return log p of the masked codes, and 0 of the others: float64, the shape of ``x``."""
        logits = self._logits(torch.where(mask, self._mask_id, x), conditioning, rows)
        nats = code_nats(logits.movedim(1, -1), x, name=self.name)
        return nats.masked_fill(~mask.to(nats.device), 0.0)

    def _logits(self, codes: Tensor, conditioning: Any, rows: Tensor) -> Tensor:
        return self.network(
            codes,
            encoder_hidden_states=conditioning.words[rows],
            pooled_text_emb=conditioning.pooled[rows],
            micro_conds=self._conditions.to(codes.device).expand(len(codes), -1),
        )

    def reopen(self) -> None:
        """Learn anew in which precision the network is."""
        self.dtype = self.network.dtype

    def describe(self) -> dict[str, Any]:
        """Return what made the scores besides the weights, as JSON can hold it."""
        return {
            "pipeline": type(self.pipeline).__name__,
            "source": self.source,
            "precision": self.precision,
            "micro_conditioning": self._conditions.tolist(),
            "grid": list(self.grid),
        }

    def _try_size(self, size: tuple[int, int]) -> None:
        whole = not any(side % self.factor for side in size)
        x = torch.zeros((1, *self.grid), dtype=torch.int64, device=self.device)
        try:
            with torch.inference_mode():
                made = self.nats(
                    x,
                    (torch.ones_like(x, dtype=torch.bool),),
                    self.prepare([""]),
                    torch.zeros(1, dtype=torch.int64, device=self.device),
                )
        except (RuntimeError, ValueError):
            made = None
        if not whole or made is None:
            raise SynthesightError(
                f"{self.name} makes no images of {size[0]} × {size[1]} pixels: give a `resolution` "
                f"of multiples of {2 * self.factor}."
            )

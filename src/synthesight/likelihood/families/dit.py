"""DiT (Peebles & Xie 2023): a transformer conditioned on ImageNet's classes, not on text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from synthesight.errors import SynthesightError
from synthesight.likelihood.denoiser import Conditioning, DenoiserModel, Parts


class DiT(DenoiserModel):
    """A latent transformer whose prompts are classes.

    A prompt is the index of an ImageNet class as text (``"404"``) or one of its names in the
    model's own list (``"airliner"``), in capitals or not.
    """

    text_encoders: ClassVar[int] = 0

    def __init__(self, parts: Parts, **options: Any) -> None:
        super().__init__(parts, **options)
        # Two classes of ImageNet may bear one name (crane, maillot): a name has a set of indices.
        self._labels: dict[str, set[int]] = defaultdict(set)
        for index, names in parts.index.get("id2label", {}).items():
            for label in (names, *names.split(",")):
                self._labels[label.strip().casefold()].add(int(index))

    @classmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:  # noqa: ARG003
        return network == "DiTTransformer2DModel"

    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        labels = [self._label(prompt) for prompt in prompts]
        return {"class_labels": torch.tensor(labels, device=self.device)}

    def _label(self, prompt: str) -> int:
        text, classes = prompt.strip(), int(self.config.num_embeds_ada_norm)
        if text.isdecimal() and int(text) < classes:
            return int(text)
        found = sorted(self._labels.get(text.casefold(), ()))
        if len(found) > 1:
            raise SynthesightError(
                f"{self.name} has more than one class called {text!r}: give its index, one of "
                f"{', '.join(map(str, found))}."
            )
        if not found:
            raise SynthesightError(
                f"{self.name} knows classes, not text, and none is called {text!r}: give an "
                f"index from 0 to {classes - 1} or an ImageNet label as the prompt."
            )
        return found[0]

    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.network(z, timestep=timesteps, **conditioning, return_dict=False)[0]

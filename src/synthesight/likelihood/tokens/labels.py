"""Models of ImageNet's classes, which are prompted with labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from synthesight.errors import SynthesightError
from synthesight.likelihood.plumbing import cast


class LabelModel:
    """What models of image tokens given a label have in common.

    ``config`` has ``labels`` and ``resolution``; the tokenizer makes tokens of images, and stays in
    float32; the network predicts them, and has an embedding ``label``.
    """

    takes_labels = True

    def __init__(
        self,
        config: Any,
        tokenizer: nn.Module,
        network: Any,
        *,
        name: str,
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> None:
        self.source: dict[str, Any] = {}
        self.precision: dict[str, float | None] | None = None
        self.name = name
        self.device, self.dtype = torch.device(device), dtype
        self.resolution: int = config.resolution
        self._labels: int = config.labels
        self.network = network.to(self.device).eval()
        tokenizer.to(self.device).float().eval()
        cast(network, dtype)

    def reopen(self) -> None:
        """Learn anew in which precision the network is."""
        self.dtype = self.network.label.weight.dtype

    def describe(self) -> dict[str, Any]:
        """Return what made the scores besides the weights, as JSON can hold it."""
        return {
            "pipeline": type(self).__name__,
            "source": self.source,
            "precision": self.precision,
        }

    def prepare(self, prompts: Sequence[str]) -> torch.Tensor:
        """Read labels: numbers as text."""
        return read_labels(prompts, self._labels, self.name).to(self.device)


def read_labels(prompts: Sequence[str], count: int, name: str) -> torch.Tensor:
    """Return the labels that prompts are the numbers of, below ``count``: int64, shape (K,).

    Examples
    --------
    >>> read_labels(["281", "7"], 1000, "var")
    tensor([281,   7])
    """
    for prompt in prompts:
        if not prompt.isdecimal() or int(prompt) >= count:
            raise SynthesightError(
                f"{name} knows labels from 0 to {count - 1}, and not {prompt!r}: give `labels` as "
                'numbers, such as {"cat": [281, 282]}.'
            )
    return torch.tensor([int(prompt) for prompt in prompts])

"""Use networks that compare images with sentences (CLIP) as zero-shot classifiers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from synthesight.observers.discriminative.network import Network
from synthesight.observers.discriminative.packages import package
from synthesight.observers.matching import blocks
from synthesight.observers.prompts import DEFAULT_PROMPT, check_prompts, write_prompts
from synthesight.observers.response import Response
from synthesight.stimuli.stimulus import Stimulus

TEXTS = 256  # sentences encoded at a time


class ImageTextModel(torch.nn.Module, ABC):
    """Put images and sentences into one space."""

    @abstractmethod
    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (B, D) of normalised images (B, 3, R, R)."""

    @abstractmethod
    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        """Return features (T, D) of T sentences."""

    @abstractmethod
    def scale(self) -> torch.Tensor:
        """Return the factor that makes the cosine of two features a logit."""


class ImageTextNetwork(Network):
    """Answer with the class whose prompts are nearest to the image (Radford et al. 2021).

    The features of a class are the mean of its prompts' features, each of length 1.

    Parameters
    ----------
    model
        The network.
    name
        How trials call it.
    resolution
        Side of the images that it sees.
    mean, std
        Of each channel, for pixels in [0, 1].
    prompt
        Sentences with ``{class}`` where the class goes, or for each class its whole sentences.
    names
        For some classes, the names to use in sentences instead (synonyms).
    classes
        Class names, when calls do not name them.
    device
        Where the network runs.
    """

    network: ImageTextModel

    def __init__(
        self,
        model: ImageTextModel,
        *,
        name: str,
        resolution: int,
        mean: Sequence[float],
        std: Sequence[float],
        prompt: str | Sequence[str] | Mapping[str, Sequence[str]] = DEFAULT_PROMPT,
        names: Mapping[str, Sequence[str]] | None = None,
        classes: Sequence[str] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.prompts = check_prompts(prompt)
        self.names = dict(names or {})
        self._set_up(model, name, resolution, mean, std, device)
        self.classes = list(classes) if classes is not None else None

    def describe(self) -> dict[str, Any]:
        return super().describe() | self.pixels | {"prompt": self.prompts, "names": self.names}

    def match(self, stimuli: Iterable[Stimulus]) -> Iterator[Response]:
        for block in blocks(stimuli):
            # All of the block's captions cost an image next to nothing.
            scores = self._against(self._features(block.captions))
            for response in self._answer(block.kept(), block.captions, scores):
                yield _among_own(response, block.rows[response.stimulus.id])

    def scores_of(self, classes: list[str]) -> Callable[[torch.Tensor], torch.Tensor]:
        prompts, rows = write_prompts(classes, self.prompts, self.names)
        own = [np.unique(of_class) for of_class in rows]
        member = torch.from_numpy(np.concatenate(own)).to(self.device)
        of_class = np.repeat(np.arange(len(own)), [len(each) for each in own])
        texts = self._features(prompts)
        # A sum points where the mean does.
        summed = texts.new_zeros(len(own), texts.shape[1])
        summed.index_add_(0, torch.from_numpy(of_class).to(self.device), texts[member])
        return self._against(summed)

    def _features(self, texts: list[str]) -> torch.Tensor:
        """Return a feature of length 1 of each text: (T, D)."""
        with torch.inference_mode():
            parts = [
                normalize(self.network.encode_texts(texts[start : start + TEXTS]), dim=1)
                for start in range(0, len(texts), TEXTS)
            ]
            return torch.cat(parts)

    def _against(self, features: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the function that scores images by their cosine with each feature."""
        with torch.inference_mode():
            texts = normalize(features, dim=1) * self.network.scale()

        def scores(images: torch.Tensor) -> torch.Tensor:
            features = self.network.encode_images((images - self.mean) / self.std)
            return normalize(features, dim=1) @ texts.T

        return scores


def _among_own(response: Response, own: np.ndarray) -> Response:
    """Return the answer to an image among its own captions, of one among those of many images."""
    captions = list(response.stimulus.captions)
    if response.error is not None:
        nothing = np.full(len(captions), np.nan)
        return replace(
            response,
            evidence=nothing,
            score=nothing,
            score_se=nothing,
            draws=response.draws[own],
        )
    evidence = response.evidence[own] - response.evidence[own].max()
    share = np.exp(evidence)
    return replace(
        response,
        response=captions[int(evidence.argmax())],
        evidence=evidence,
        score=share / share.sum(),
        score_se=response.score_se[own],
        draws=response.draws[own],
    )


class ImageNetByText(torch.nn.Module):
    """Make a network of images and text a classifier of ImageNet-1k (Radford et al. 2021).

    A class is the mean of its sentences' features: 80 templates, with the names that OpenAI chose,
    as the package open_clip has them. The text encoder runs once, where the network is now.
    """

    weights: torch.Tensor

    def __init__(self, model: ImageTextModel, classes: Any = None, templates: Any = None) -> None:
        super().__init__()
        if classes is None:
            known = package("open_clip", "timm")
            classes, templates = known.IMAGENET_CLASSNAMES, known.OPENAI_IMAGENET_TEMPLATES
        self.model = model
        sums = []
        with torch.inference_mode():
            together = max(1, TEXTS // len(templates))
            for start in range(0, len(classes), together):
                names = classes[start : start + together]
                texts = [template(name) for name in names for template in templates]
                features = normalize(model.encode_texts(texts), dim=1)
                sums.append(features.view(len(names), len(templates), -1).sum(dim=1))
        self.register_buffer("weights", normalize(torch.cat(sums), dim=1).T.clone())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 1000) of normalised images (B, 3, R, R)."""
        return 100.0 * normalize(self.model.encode_images(images), dim=1) @ self.weights

"""Let networks with ImageNet's 1000 outputs answer with one of 16 categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import in_float64, summing_device
from synthesight.observers.discriminative.network import Network
from synthesight.observers.discriminative.toolbox import IMAGENET_MEAN, IMAGENET_STD
from synthesight.stimuli.categories import canonical, imagenet_to_16

OUTPUTS = 1000


class ImageNetNetwork(Network):
    """Map a classifier of the 1000 ImageNet-1k classes to categories by the mean rule.

    The probability of a category is the mean of those of its ImageNet classes (Geirhos et al.
    2018); the answer is the category of greatest probability.

    Parameters
    ----------
    network
        Maps float32 images (B, 3, R, R), normalised by ``mean`` and ``std``, to logits (B, 1000),
        or to an object that has them as ``logits``.
    name
        How trials call it.
    resolution
        Side R of the images that it sees, in pixels.
    mean, std
        Of each channel, for pixels in [0, 1].
    categories
        For each category, the indices of its ImageNet classes; None for the published mapping to
        16.
    classes
        Category names, when calls do not name them; None for all of the mapping.
    view
        Show images as the published benchmark did: keywords of
        :func:`~synthesight.observers.discriminative.toolbox.show_as_published`. None scales each
        to fill what the network sees.
    device
        Where the network runs.

    Examples
    --------
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 1000))
    >>> observer = ImageNetNetwork(
    ...     network, name="mine", resolution=8, categories={"dog": [151, 152], "cat": [281]}
    ... )
    >>> observer.predict_proba([__import__("numpy").zeros((8, 8, 3), "uint8")]).shape
    (1, 2)
    """

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        name: str,
        resolution: int = 224,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        categories: Mapping[str, Sequence[int]] | None = None,
        classes: Sequence[str] | None = None,
        view: Mapping[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        if not len(mean) == len(std) == 3 or not all(each > 0 for each in std):
            raise SynthesightError(
                f"{name} normalises by {list(mean)} and {list(std)}: give mean and standard "
                "deviation of each of three channels, the latter above 0."
            )
        self._set_up(network, name, resolution, mean, std, device)
        if view is not None:
            self.pixels["published"] = dict(view)
            self.view = view
        self.categories = dict(imagenet_to_16() if categories is None else categories)
        self.classes = list(classes) if classes is not None else list(self.categories)

    def describe(self) -> dict[str, Any]:
        return super().describe() | self.pixels

    def scores_of(self, classes: list[str]) -> Callable[[torch.Tensor], torch.Tensor]:
        known = {canonical(name): indices for name, indices in self.categories.items()}
        missing = [name for name in classes if canonical(name) not in known]
        if missing:
            raise SynthesightError(
                f"{self.name} has no ImageNet classes for {missing[0]!r}: choose `classes` among "
                f"{', '.join(self.categories)}."
            )
        place = summing_device(self.device)
        groups = [torch.tensor(known[canonical(name)], device=place) for name in classes]

        def scores(images: torch.Tensor) -> torch.Tensor:
            output = self.network((images - self.mean) / self.std)
            logits = getattr(output, "logits", output)
            if logits.shape[1:] != (OUTPUTS,):
                raise SynthesightError(
                    f"{self.name} has {logits.shape[-1]} outputs, not the {OUTPUTS} of ImageNet: "
                    "choose a network that was trained on ImageNet-1k."
                )
            log_p = torch.log_softmax(in_float64(logits), dim=1)
            return torch.stack(
                [log_p[:, g].logsumexp(dim=1) - math.log(len(g)) for g in groups], dim=1
            )

        return scores

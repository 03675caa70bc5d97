"""From a folder that transformers saved to a model of image tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.hub import (
    CONFIG,
    check_settings,
    pick_variant,
    read_json,
    weight_files,
    weights_in,
)
from synthesight.likelihood.memory import opening
from synthesight.likelihood.tokens.raster import RasterModel

# The architectures of transformers that make images of texts, and what opens each.
FAMILIES = {
    "JanusForConditionalGeneration": "janus:Janus",
    "Emu3ForConditionalGeneration": "emu3:Emu3",
    "ChameleonForConditionalGeneration": "chameleon:Chameleon",
}
# Layouts of a model's own code, and copies in transformers' layout.
COPIES = {"multi_modality": "deepseek-community/Janus-Pro-1B", "Emu3": "BAAI/Emu3-Gen-hf"}
AGAIN = "download or save the model again"


@dataclass(frozen=True)
class TokenParts:
    """A model of transformers that makes images, and its processor, opened on the CPU."""

    model: Any
    processor: Any

    @property
    def components(self) -> dict[str, Any]:
        """The networks, by their roles, as of a pipeline of diffusers."""
        return {"model": self.model}

    @property
    def parameters(self) -> int:
        """Number of the model's parameters."""
        return sum(weight.numel() for weight in self.model.parameters())

    def likelihood(
        self,
        *,
        name: str,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        resolution: int | tuple[int, int] | None = None,
    ) -> RasterModel:
        """Return the model of parts that they make."""
        module, _, kind = FAMILIES[type(self.model).__name__].partition(":")
        family = getattr(import_module(f"synthesight.likelihood.tokens.{module}"), kind)
        return family(
            self.model,
            self.processor,
            name=name,
            device=device or torch.device("cpu"),
            dtype=dtype or torch.float32,
            resolution=resolution,
        )


def check_family(settings: Mapping[str, Any], where: str) -> str:
    """Return the architecture of a ``config.json``, once it is sure to make images of texts."""
    if (copy := COPIES.get(str(settings.get("model_type")))) is not None:
        raise SynthesightError(
            f"{where} is in a layout of its own code, which is never run: choose a copy in "
            f"transformers' layout, such as {copy}."
        )
    named = settings.get("architectures")
    kind = named[0] if isinstance(named, list) and named else settings.get("model_type")
    if kind not in FAMILIES:
        known = ", ".join(each.removesuffix("ForConditionalGeneration") for each in FAMILIES)
        raise SynthesightError(
            f"{where} is a {kind} of transformers, which has no head that makes images of texts: "
            f"choose one of {known}, or write transformers:{where} for an image classifier."
        )
    return str(kind)


def open_parts(folder: Path, *, where: str | None = None) -> TokenParts:
    """Open a folder that transformers' ``save_pretrained`` wrote for a model and its processor.

    Only safetensors are opened, and only classes that transformers ships. The weights are opened in
    the precision that they were saved in. Messages call the folder ``where``.
    """
    import transformers

    where = where or str(folder)
    check_settings(folder)
    kind = check_family(read_json(folder / CONFIG), where)
    files = [file.name for file in folder.iterdir()]
    variant = pick_variant(files, half=False, where=f"The folder {where}")
    size, tensors = weights_in(folder / file for file in weight_files(files, variant))
    what = f"{where} could not be opened as a {kind}"
    with opening(what, AGAIN, size=size, tensors=tensors):
        model, report = getattr(transformers, kind).from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            variant=variant,
            dtype="auto",
            output_loading_info=True,
        )
    if missing := sorted(report["missing_keys"]):  # transformers fills them with random numbers
        raise SynthesightError(
            f"The weights in {where} lack {len(missing)} of the tensors of a {kind}, such as "
            f"{missing[0]}: {AGAIN}."
        )
    with opening(f"{where} has no processor that could be opened", AGAIN):
        processor = transformers.AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise SynthesightError(
            f"{where} has no processor of images and texts, such as processor_config.json: {AGAIN}."
        )
    return TokenParts(model, processor)

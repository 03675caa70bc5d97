"""Low-rank changes of a network's weights (Hu et al. 2021, LoRA), added to the weights once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.files import hash_of
from synthesight.likelihood.hub import PICKLE_SUFFIXES, download_lora, pick_lora
from synthesight.likelihood.memory import opening

ADAPTER = "synthesight"
_MATRICES = ("lora", "lokr")  # what their tensors are called, whoever trained them


@dataclass(frozen=True)
class Lora:
    """A file of low-rank weights, and how much of it is added.

    Attributes
    ----------
    source
        A .safetensors file, a folder that holds one, or a name on the Hugging Face Hub:
        ``"owner/model"``, ``"owner/model@revision"`` or ``"owner/model/file.safetensors"``.
    scale
        Factor of the change: 1 is as it was trained, 0 is none.
    """

    source: str
    scale: float = 1.0


LoraLike = str | Path | tuple[str | Path, float] | Lora
"""A source, a source and its scale as text (``"style.safetensors:0.8"``), or the two as a pair."""


def read_loras(given: LoraLike | Sequence[LoraLike]) -> tuple[Lora, ...]:
    """Return the LoRAs that are meant.

    Examples
    --------
    >>> read_loras("style.safetensors:0.8")
    (Lora(source='style.safetensors', scale=0.8),)
    >>> read_loras([("owner/model", 0.5), "other.safetensors"])
    (Lora(source='owner/model', scale=0.5), Lora(source='other.safetensors', scale=1.0))
    """
    match given:
        case str() | Path() | Lora():
            return (_read(given),)
        case (str() | Path() as source, int() | float() as scale):
            return (_read((source, scale)),)
        case _:
            return tuple(_read(each) for each in given)


def add_lora(pipeline: Any, lora: Lora, *, name: str) -> dict[str, Any]:
    """Add a LoRA to the weights of a pipeline: W becomes W + scale · B A.

    The pipeline's parts are changed in place and stay plain modules. Returns ``lora`` (the file's
    name, or that on the Hub), ``scale`` and ``sha256``, to be recorded.
    """
    path = _find(lora.source)
    if not hasattr(pipeline, "load_lora_weights"):
        raise SynthesightError(
            f"diffusers knows no LoRA for a {type(pipeline).__name__}, as {name} is: leave `lora` "
            "out."
        )
    with opening(
        f"{path} could not be added to {name} as a LoRA",
        "choose one that was trained for this model",
    ):
        place = {"weight_name": path.name, "local_files_only": True, "use_safetensors": True}
        network = getattr(pipeline, "unet", None)  # whose blocks some trainers number
        read = pipeline.lora_state_dict(
            path.parent, **place, unet_config=getattr(network, "config", None)
        )
        tensors = read[0] if isinstance(read, tuple) else read
        wanted = {key for key in tensors if _is_matrix(key)}
        pipeline.load_lora_weights(path.parent, **place, adapter_name=ADAPTER)
        layers = _layers(pipeline)
        _check_all_used(wanted, layers, path, name)
        roles = sorted({layer.split(".", 1)[0] for layer in layers})
        pipeline.fuse_lora(components=roles, lora_scale=lora.scale, adapter_names=[ADAPTER])
        pipeline.unload_lora_weights()
    # Not its path, which may change while the file is the same.
    label = path.name if Path(lora.source).expanduser().exists() else lora.source
    return {"lora": label, "scale": lora.scale, "sha256": hash_of(path)}


def is_lora(keys: Sequence[str]) -> bool:
    """Whether tensors of these names are a LoRA's, not a network's."""
    return any(map(_is_matrix, keys))


def _read(given: LoraLike) -> Lora:
    match given:
        case Lora():
            return given
        case (source, scale):
            pass
        case _:
            source, scale = str(given), 1.0
            head, _, tail = source.rpartition(":")
            if head and not Path(source).exists():
                with suppress(ValueError):
                    source, scale = head, float(tail)
    if not (isinstance(scale, int | float) and math.isfinite(scale)):
        raise SynthesightError(
            f"The scale {scale!r} of the LoRA {source} is not a number: give one such as 0.8."
        )
    return Lora(str(source), float(scale))


def _find(source: str) -> Path:
    path = Path(source).expanduser()
    if path.is_file():
        if path.suffix == ".safetensors":
            return path
        what = "a pickle" if path.suffix in PICKLE_SUFFIXES else "not a .safetensors file"
        raise SynthesightError(f"The LoRA {path} is {what}: convert it to .safetensors.")
    if path.is_dir():
        return path / pick_lora([file.name for file in path.iterdir()], None, str(path))
    name, _, revision = source.partition("@")
    owner, *rest = name.split("/")
    file = "/".join(rest[1:]) or None
    if not rest or path.is_absolute():
        raise SynthesightError(f"There is no LoRA {source}: check the path.")
    return download_lora(f"{owner}/{rest[0]}", revision=revision or None, file=file)


def _is_matrix(key: str) -> bool:
    return any(word in key for word in _MATRICES) and not key.endswith(("alpha", "dora_scale"))


def _layers(pipeline: Any) -> set[str]:
    """The tensors that the LoRA now has in the pipeline, called as in a file."""
    return {
        f"{role}.{key.replace(f'.{ADAPTER}', '')}"
        for role, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
        for key, _ in part.named_parameters()
        if f".{ADAPTER}" in key
    }


def _check_all_used(wanted: set[str], layers: set[str], path: Path, name: str) -> None:
    """Refuse tensors without a layer, and layers without a tensor, which would be random."""
    if not layers:
        raise SynthesightError(
            f"{path} holds nothing that could be added to {name}: choose a LoRA that was trained "
            "for this model."
        )
    # Some trainers call the layers by other names, which leaves their number to go by.
    if len(wanted) > len(layers):
        raise SynthesightError(
            f"{path} has {len(wanted) - len(layers)} tensors that {name} has no layer for, such as "
            f"{min(wanted - layers)}: choose a LoRA that was trained for this model."
        )
    if len(wanted) < len(layers):
        raise SynthesightError(
            f"{path} lacks {len(layers) - len(wanted)} tensors, such as {min(layers - wanted)}: "
            "download or save the LoRA again."
        )

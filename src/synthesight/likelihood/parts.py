"""The parts of a pipeline's folder, each opened by its own class of diffusers or transformers.

Only safetensors are opened, and only classes that the two libraries ship: no code and no pickle of
the folder's own is ever run.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.hub import (
    INDEX,
    NOT_NEEDED,
    check_settings,
    needed_parts,
    pick_variant,
    read_json,
    weight_files,
    weights_in,
)
from synthesight.likelihood.memory import opening

LARGE_ENCODER = 4 * 2**30  # bytes of weights from which a text encoder is not kept in float32
LARGE_NETWORK = 16 * 2**30  # and from which a network is not opened in float32 to be measured

# Text encoders that a pipeline can be called without.
DISPENSABLE = {"StableDiffusion3Pipeline": ("text_encoder_3",)}

# The library that each kind of quantisation needs.
QUANTISATIONS = {"nf4": "bitsandbytes", "int8": "torchao"}


@dataclass(frozen=True)
class PipelineFolder:
    """A folder with ``model_index.json`` and a folder for each part.

    ``dtype`` is the precision of the denoising network. In half precision, copies of the weights in
    half precision are preferred, and very large text encoders are opened in bfloat16. All else is
    in float32. None opens a network in float32, from which a precision can be chosen, or a very
    large one in bfloat16. The text encoders of the roles in ``without`` are left out; ``quantise``
    is ``"nf4"`` or ``"int8"`` for the very large ones.
    """

    path: Path
    dtype: torch.dtype | None = torch.float32
    without: tuple[str, ...] = ()
    quantise: str | None = None

    @cached_property
    def index(self) -> dict[str, Any]:
        """The content of ``model_index.json``."""
        return read_json(self.path / INDEX)

    @cached_property
    def pipeline_class(self) -> Any:
        """The class of the pipeline."""
        import diffusers

        kind = self.index.get("_class_name")
        if not isinstance(kind, str):
            raise SynthesightError(
                f"{self.path / INDEX} names a pipeline of the model's own code ({kind}), which is "
                "never run: choose a model with a pipeline of diffusers."
            )
        found = getattr(diffusers, kind, None)
        if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
            raise SynthesightError(
                f"{self.path / INDEX} names the pipeline {kind}, which is none of the installed "
                "diffusers: upgrade diffusers, or choose another model."
            )
        return found

    @cached_property
    def classes(self) -> dict[str, Any]:
        """The class of each part that is opened, by its role."""
        pipeline = self.pipeline_class
        dispensable = DISPENSABLE.get(pipeline.__name__, ())
        for role in self.without:
            if role not in dispensable:
                choice = f"only {', '.join(dispensable)}" if dispensable else "nothing"
                raise SynthesightError(
                    f"A {pipeline.__name__} cannot do `without={role}`: leave out {choice}."
                )
        absent = {tokenizer for role in self.without for tokenizer in (role, _tokenizer(role))}
        accepted = _accepted(pipeline)
        found = {
            role: self._class(role, *entry)
            for role, entry in needed_parts(self.index).items()
            if role in accepted and role not in absent
        }
        spared = {"vae", *NOT_NEEDED, *dispensable, *map(_tokenizer, dispensable)}
        for role, parameter in accepted.items():
            required = parameter.default is inspect.Parameter.empty
            if required and role not in found and role not in spared:
                raise SynthesightError(
                    f"{self.path / INDEX} names no {role}, which a {pipeline.__name__} needs: "
                    "choose a complete copy of the model."
                )
        return found

    @cached_property
    def network_role(self) -> str:
        """The role of the denoising network."""
        roles = [role for role in self.classes if is_network(role)]
        if not roles:
            raise SynthesightError(
                f"{self.path / INDEX} names no transformer or unet: choose a diffusion or flow "
                "model."
            )
        return roles[0]

    def open(self, role: str) -> Any:
        """Return a part of this folder, on the CPU."""
        return self.open_from(self.path / role, role)

    def open_from(self, folder: Path, role: str, *, where: str | None = None) -> Any:
        """Return a part of this pipeline whose settings and weights are in another folder.

        ``where`` is how messages call that folder, if not by its path.
        """
        kind, where = self.classes[role], where or str(folder)
        if not issubclass(kind, torch.nn.Module):
            remote = {} if _is_diffusers(kind) else {"trust_remote_code": False}
            return _call(kind, where, folder, (0, 0), **remote)
        check_settings(folder)
        files = [file.name for file in folder.iterdir()]
        half = self.dtype not in (None, torch.float32)
        variant = pick_variant(files, half=half, where=f"The folder {where}")
        weights = weights_in(folder / file for file in weight_files(files, variant))
        size = weights[0]
        options: dict[str, Any] = {"variant": variant, "use_safetensors": True}
        if _is_diffusers(kind):
            options["torch_dtype"] = (
                self._network_dtype(size) if is_network(role) else torch.float32
            )
        else:
            options["dtype"] = self._text_dtype(size)
            if self.quantise is not None and size > LARGE_ENCODER:
                options["quantization_config"] = quantisation(self.quantise)
        model, report = _call(kind, where, folder, weights, output_loading_info=True, **options)
        missing = sorted(report["missing_keys"])
        if missing:  # the libraries fill them with random numbers
            raise SynthesightError(
                f"The weights in {where} lack {len(missing)} of the tensors of a {kind.__name__}, "
                f"such as {missing[0]}: download or save the model again."
            )
        return model.eval()

    def pipeline(self, **given: Any) -> Any:
        """Return the pipeline, with the parts that are given and all others from this folder."""
        parts = {role: given[role] if role in given else self.open(role) for role in self.classes}
        what = f"The parts of {self.path} do not make a {self.pipeline_class.__name__}"
        with opening(what, "download or save the model again", size=0):
            pipeline = self.pipeline_class(**self.settings, **parts)
        pipeline.register_to_config(_name_or_path=str(self.path))
        return pipeline

    @property
    def settings(self) -> dict[str, Any]:
        """What the pipeline is given besides its parts: None for each that is not opened."""
        settings: dict[str, Any] = {}
        for key, parameter in _accepted(self.pipeline_class).items():
            value = self.index.get(key)
            if key == "requires_safety_checker":  # or its absence is deplored
                settings[key] = False
            elif key in self.classes:
                continue
            elif value is not None and not _is_entry(value):
                settings[key] = value
            elif parameter.default is inspect.Parameter.empty or key in NOT_NEEDED:
                settings[key] = None
        return settings

    def _network_dtype(self, size: int) -> torch.dtype:
        return self.dtype or (torch.bfloat16 if size > LARGE_NETWORK else torch.float32)

    def _text_dtype(self, size: int) -> torch.dtype:
        # T5-XXL was trained in bfloat16 and overflows in float16.
        large = self.dtype != torch.float32 and size > LARGE_ENCODER
        return torch.bfloat16 if large else torch.float32

    def _class(self, role: str, library: str, name: str) -> Any:
        import diffusers
        import diffusers.pipelines
        import transformers
        from diffusers.schedulers.scheduling_utils import SchedulerMixin

        home: Any = {"diffusers": diffusers, "transformers": transformers}.get(library)
        if home is None:  # some pipelines have parts of their own beside them
            home = getattr(diffusers.pipelines, library, None)
            if not isinstance(home, ModuleType) or not _is_diffusers(home):
                home = None
        found = getattr(home, name, None)
        bases: tuple[type, ...] = (
            (SchedulerMixin,)
            if role.endswith("scheduler")
            else (
                diffusers.ModelMixin,
                SchedulerMixin,
                transformers.PreTrainedModel,
                transformers.PreTrainedTokenizerBase,
                transformers.ProcessorMixin,
                transformers.ImageProcessingMixin,
                getattr(diffusers, "BaseGuidance", SchedulerMixin),  # not in its older versions
            )
        )
        if not (isinstance(found, type) and issubclass(found, bases)):
            raise SynthesightError(
                f"{self.path / INDEX} gives the {role} as {library}.{name}, which is no {role} of "
                "the installed diffusers or transformers: upgrade them, or choose another model."
            )
        return found


def is_network(role: str) -> bool:
    """Whether a part of this role is a denoising network."""
    return role.startswith(("unet", "transformer"))


def quantisation(kind: str) -> Any:
    """Return transformers' settings to open a text encoder in 4 or 8 bits a weight."""
    library = QUANTISATIONS.get(kind)
    if library is None:
        raise SynthesightError(f"`quantise={kind}` cannot be: choose {' or '.join(QUANTISATIONS)}.")
    if find_spec(library) is None:
        raise SynthesightError(
            f"`quantise={kind}` needs {library}: install it with `pip install {library}`."
        )
    import transformers

    if kind == "nf4":
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    return transformers.TorchAoConfig(import_module("torchao.quantization").Int8WeightOnlyConfig())


def _tokenizer(role: str) -> str:
    return role.replace("text_encoder", "tokenizer")


def _accepted(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    return dict(list(inspect.signature(pipeline.__init__).parameters.items())[1:])


def _is_entry(value: Any) -> bool:
    """Whether a value of the index is the (library, class) of a part."""
    return isinstance(value, list) and len(value) == 2


def _is_diffusers(thing: Any) -> bool:
    name = thing.__module__ if isinstance(thing, type) else thing.__name__
    return bool(name.split(".")[0] == "diffusers")


def _call(kind: Any, where: str, folder: Path, weights: tuple[int, int], **options: Any) -> Any:
    what = f"{where} could not be opened as a {kind.__name__}"
    size, tensors = weights
    with opening(what, "download or save the model again", size=size, tensors=tensors):
        return kind.from_pretrained(folder, local_files_only=True, **options)

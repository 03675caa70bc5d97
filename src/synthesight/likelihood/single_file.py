"""A model in a single .safetensors file: of its network alone, or of all that has weights."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError, first_line
from synthesight.likelihood.hub import PICKLE_SUFFIXES, read_json
from synthesight.likelihood.lora import is_lora
from synthesight.likelihood.memory import opening
from synthesight.likelihood.parts import PipelineFolder

# What a file of the first publications holds, by how the names of its tensors begin.
NETWORK_PREFIX = "model.diffusion_model."
HELD = {
    "first_stage_model.": "vae",
    "vae.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
    "text_encoders.clip_l.": "text_encoder",
    "text_encoders.clip_g.": "text_encoder_2",
    "text_encoders.t5xxl.": "text_encoder_3",
}
SCALED = ("scale_weight", "weight_scale", "scaled_fp8")  # 8-bit weights that need their scales


@dataclass(frozen=True)
class SingleFile:
    """A file of weights, named as diffusers names them or as the model was first published.

    Its tensors, by name, are read from disk where they are used.
    """

    path: Path
    tensors: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> SingleFile:
        """Read a file, unless it is damaged, a LoRA, or of scaled 8-bit weights."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if path.suffix in PICKLE_SUFFIXES:
            raise SynthesightError(
                f"{path} is a pickle, which can run code when opened: convert it to .safetensors."
            )
        if path.suffix != ".safetensors":
            raise SynthesightError(f"{path} holds no model: give a folder or a .safetensors file.")
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise SynthesightError(
                f"{path} could not be read ({first_line(error)}): download or save it again."
            ) from error
        if is_lora(list(tensors)):
            raise SynthesightError(
                f"{path} is a LoRA: give the model that it was trained for, and the file as `lora`."
            )
        if any(key.endswith(SCALED) for key in tensors):
            raise SynthesightError(
                f"{path} holds scaled 8-bit weights, which diffusers cannot open: choose a copy "
                "in 16 bits."
            )
        return cls(path, tensors)

    @cached_property
    def held(self) -> set[str]:
        """The roles of the parts that it holds besides the network."""
        return {
            role for key in self.tensors for begin, role in HELD.items() if key.startswith(begin)
        }

    def usual_pipeline(self) -> str:
        """Return the pipeline on the Hub that diffusers knows files of this kind to belong to."""
        from diffusers.loaders import single_file_utils

        kind = single_file_utils.infer_diffusers_model_type(self.tensors)
        # It takes all that it does not recognise for Stable Diffusion 1.
        if kind == "v1" and not any(key.startswith(NETWORK_PREFIX) for key in self.tensors):
            raise SynthesightError(
                f"{self.path} does not tell which pipeline it belongs to: name it with `config`, "
                "as a folder or owner/model."
            )
        usual = single_file_utils.fetch_diffusers_config(self.tensors)
        return str(usual["pretrained_model_name_or_path"])

    def open(self, base: PipelineFolder) -> Any:
        """Return the pipeline, with all that the file lacks from the one that it belongs to."""
        parts = {base.network_role: self._network(base)}
        held = self.held & set(base.classes)
        if not held:
            return base.pipeline(**parts)
        parts |= {role: base.open(role) for role in base.classes if role not in held | set(parts)}
        kind = base.pipeline_class
        pipeline = self._opened(kind, base, torch_dtype=torch.float32, **base.settings, **parts)
        for role in held:
            self._check_whole(getattr(pipeline, role))
        pipeline.register_to_config(_name_or_path=str(base.path))
        return pipeline

    def _network(self, base: PipelineFolder) -> Any:
        from accelerate import init_empty_weights

        role = base.network_role
        kind = base.classes[role]
        settings = read_json(base.path / role / "config.json")
        what = f"{base.path / role} does not describe a {kind.__name__}"
        count = len(self.tensors)
        with (
            opening(what, "download or save the model again", size=0, tensors=count),
            init_empty_weights(),
        ):
            names = kind.from_config(settings).state_dict().keys()
        if 2 * len(names & self.tensors.keys()) > len(names):  # saved by diffusers
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "config.json").write_text(json.dumps(settings))
                weights = folder / "diffusion_pytorch_model.safetensors"
                weights.symlink_to(self.path.resolve())
                return base.open_from(folder, role, where=str(self.path))
        if not hasattr(kind, "from_single_file"):
            raise SynthesightError(
                f"{self.path} is not a {kind.__name__} as diffusers saves it: check `config`, or "
                "convert the file."
            )
        network = self._opened(kind, base, subfolder=role, torch_dtype=base.dtype)
        self._check_whole(network)
        return network

    def _opened(self, kind: Any, base: PipelineFolder, **options: Any) -> Any:
        what = f"{self.path} could not be opened as a {kind.__name__}"
        size = self.path.stat().st_size
        with opening(what, "check `config`, or download the file again", size=size):
            return kind.from_single_file(
                str(self.path), config=str(base.path), local_files_only=True, **options
            )

    def _check_whole(self, module: Any) -> None:
        """Refuse a module with tensors that the file did not fill."""
        missing = sorted(key for key, value in module.state_dict().items() if value.is_meta)
        if missing:
            raise SynthesightError(
                f"{self.path} lacks {len(missing)} of the tensors of a {type(module).__name__}, "
                f"such as {missing[0]}: check `config`, or download the file again."
            )

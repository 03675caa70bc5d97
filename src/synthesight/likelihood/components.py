"""The parts of a model folder in diffusers' layout, each opened through its own class.

Only classes named here, from diffusers or transformers, and only safetensors: no code and no
pickle of the folder's own is ever run.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.autoencoder import Autoencoder
from synthesight.likelihood.families import NETWORKS
from synthesight.likelihood.hub import INDEX, pick_variant, read_json, weight_files
from synthesight.likelihood.text import TextEncoder

NETWORK_ROLES = ("transformer", "unet")
TEXT_ROLES = tuple((f"tokenizer{n}", f"text_encoder{n}") for n in ("", "_2", "_3"))
TEXT_ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel")
TOKENIZERS = (
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "T5Tokenizer",
    "T5TokenizerFast",
    "PreTrainedTokenizerFast",
    "TokenizersBackend",  # what transformers 5 calls the one before
)
# Folders written before diffusers gave each transformer a class of its own.
LEGACY_NETWORKS = {
    ("Transformer2DModel", "ada_norm_zero"): "DiTTransformer2DModel",
    ("Transformer2DModel", "ada_norm_single"): "PixArtTransformer2DModel",
}
LARGE_ENCODER = 4 * 2**30  # bytes of weights from which a text encoder is not kept in float32


@dataclass(frozen=True)
class ModelFolder:
    """A folder with ``model_index.json`` and a folder for each part.

    Attributes
    ----------
    path
        The folder.
    half
        Whether copies of the weights in half precision are preferred.

    Raises
    ------
    SynthesightError
        By each part where it is missing, damaged or of a class that is not supported.
    """

    path: Path
    half: bool = False

    @cached_property
    def index(self) -> dict[str, Any]:
        """The content of ``model_index.json``."""
        return read_json(self.path / INDEX)

    @cached_property
    def network_role(self) -> str:
        """What the network's folder is called."""
        for role in NETWORK_ROLES:
            if _entry(self.index, role):
                return role
        raise SynthesightError(
            f"{self.path / INDEX} names no {' or '.join(NETWORK_ROLES)}: choose a diffusion or "
            "flow model in the layout of diffusers."
        )

    @cached_property
    def network_config(self) -> dict[str, Any]:
        """The settings of the network."""
        return read_json(self.path / self.network_role / "config.json")

    @cached_property
    def network_class(self) -> str:
        """The name of the network's class in today's diffusers."""
        _, kind = _entry(self.index, self.network_role) or ("", "")
        return LEGACY_NETWORKS.get((kind, self.network_config.get("norm_type", "")), kind)

    def network(self, dtype: torch.dtype) -> Any:
        """The denoising network, in ``dtype``, on the CPU."""
        library, _ = _entry(self.index, self.network_role) or ("", "")
        return self._weights(self.network_role, (library, self.network_class), NETWORKS, dtype)

    def scheduler(self) -> Any:
        """The scheduler: whatever class of diffusers the folder names."""
        import diffusers
        from diffusers.schedulers.scheduling_utils import SchedulerMixin

        library, kind = _entry(self.index, "scheduler") or ("", "")
        found = getattr(diffusers, kind, None) if library == "diffusers" else None
        if not (isinstance(found, type) and issubclass(found, SchedulerMixin)):
            raise SynthesightError(
                f"{self.path / INDEX} names no scheduler of the installed diffusers "
                f"({kind or 'none'}), from which the noise schedule could be read: upgrade "
                "diffusers or name a DDPMScheduler or FlowMatchEulerDiscreteScheduler there."
            )
        return _open(found, self.path / "scheduler")

    def autoencoder(self, device: torch.device) -> Autoencoder | None:
        """The autoencoder, or None for a model of pixels."""
        entry = _entry(self.index, "vae")
        if entry is None:
            return None
        return Autoencoder(self._weights("vae", entry, ("AutoencoderKL",), torch.float32), device)

    def text_encoder(self, roles: tuple[str, str]) -> TextEncoder | None:
        """The text encoder of these (tokenizer, encoder) roles, or None where it is left out."""
        tokenizer_role, role = roles
        tokenizer_entry, entry = _entry(self.index, tokenizer_role), _entry(self.index, role)
        if tokenizer_entry is None or entry is None:
            return None
        tokenizer = _open(
            self._class(tokenizer_role, tokenizer_entry, TOKENIZERS), self.path / tokenizer_role
        )
        # T5-XXL was trained in bfloat16 and overflows in float16.
        large = self.half and self._size(role) > LARGE_ENCODER
        precision = torch.bfloat16 if large else torch.float32
        return TextEncoder(tokenizer, self._weights(role, entry, TEXT_ENCODERS, precision))

    def _class(self, role: str, entry: tuple[str, str], allowed: tuple[str, ...]) -> Any:
        library, kind = entry
        if library not in ("diffusers", "transformers") or kind not in allowed:
            raise SynthesightError(
                f"{self.path / INDEX} gives the {role} as {library}.{kind}, which is not "
                f"supported: it must be one of {', '.join(allowed)}."
            )
        found = getattr(importlib.import_module(library), kind, None)
        if found is None:
            raise SynthesightError(
                f"The installed {library} has no {kind}, which {self.path} needs: upgrade "
                f"{library}."
            )
        return found

    def _variant(self, role: str) -> tuple[list[str], str | None]:
        """The files of a part and which copy of its weights to open."""
        path = self.path / role
        files = [file.name for file in path.iterdir()] if path.is_dir() else []
        return files, pick_variant(files, half=self.half, where=f"The folder {path}")

    def _size(self, role: str) -> int:
        """Bytes of the weights that would be opened."""
        path = self.path / role
        return sum((path / file).stat().st_size for file in weight_files(*self._variant(role)))

    def _weights(
        self, role: str, entry: tuple[str, str], allowed: tuple[str, ...], dtype: torch.dtype
    ) -> Any:
        kind, path = self._class(role, entry, allowed), self.path / role
        _, variant = self._variant(role)
        model, report = _open(
            kind,
            path,
            variant=variant,
            use_safetensors=True,
            output_loading_info=True,
            **{"torch_dtype" if entry[0] == "diffusers" else "dtype": dtype},
        )
        missing = sorted(report["missing_keys"])
        if missing:  # the libraries would fill them with random numbers
            raise SynthesightError(
                f"The weights in {path} lack {len(missing)} of the tensors of a {kind.__name__}, "
                f"such as {missing[0]}: download or save the model again."
            )
        return model


def _entry(index: Mapping[str, Any], role: str) -> tuple[str, str] | None:
    """(library, class) of a part, or None where the model does without."""
    match index.get(role):
        case [str() as library, str() as kind]:
            return library, kind
        case _:
            return None


def _open(kind: Any, path: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(path, local_files_only=True, **options)
    except Exception as error:  # the libraries raise all sorts for damaged files
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise SynthesightError(
            f"{path} could not be opened as a {kind.__name__} ({reason}): download or save the "
            "model again."
        ) from error

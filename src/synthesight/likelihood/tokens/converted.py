"""Open what :func:`~synthesight.likelihood.tokens.converting.convert` wrote.

A folder holds ``config.json``, with the family and its sizes, and ``model.safetensors``. To add a
family: name its config and model, which meets a protocol and has ``takes_labels``, in
:data:`FAMILIES`. The config makes the modules ``tokenizer`` and ``network`` of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightError
from synthesight.files import read_json
from synthesight.likelihood.memory import opening
from synthesight.likelihood.tokens.raster import fixed_size

CONFIG, WEIGHTS = "config.json", "model.safetensors"
AGAIN = "convert it again"
# Module of this room, and in it the classes of the sizes and of the model.
FAMILIES = {"var": ("var", "VARConfig", "VAR"), "randar": ("randar", "RandARConfig", "RandAR")}


def is_converted(source: Any) -> bool:
    """Tell whether a source is the folder of a converted model."""
    if not isinstance(source, str | Path):
        return False
    config = Path(source).expanduser() / CONFIG
    return config.is_file() and "family" in read_json(config, advice=AGAIN)


@dataclass(frozen=True)
class ConvertedParts:
    """What a folder holds, on the CPU: its family, sizes, tokenizer and network."""

    family: str
    config: Any
    tokenizer: Any
    network: Any

    @property
    def components(self) -> dict[str, Any]:
        """The networks, by their roles, as of a pipeline of diffusers."""
        return {"tokenizer": self.tokenizer, "network": self.network}

    def likelihood(
        self,
        *,
        name: str,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        resolution: int | tuple[int, int] | None = None,
        smoothing: int | None = None,
    ) -> Any:
        """Return the model that they make; see its class."""
        fixed_size(resolution, self.config.resolution, name)
        module, _, model = FAMILIES[self.family]
        kind = getattr(import_module(f"synthesight.likelihood.tokens.{module}"), model)
        options = {} if smoothing is None else {"smoothing": smoothing}
        if unknown := set(options) - set(signature(kind).parameters):
            raise SynthesightError(
                f"{name} is a {model}, which has no `{unknown.pop()}`: leave it out."
            )
        return kind(
            self.config,
            self.tokenizer,
            self.network,
            name=name,
            device=device or torch.device("cpu"),
            dtype=dtype or torch.float32,
            **options,
        )


def open_converted(source: str | Path) -> ConvertedParts:
    """Open a folder that :func:`~synthesight.likelihood.tokens.convert` wrote."""
    from safetensors.torch import load_file

    folder = Path(source).expanduser()
    config = read_json(folder / CONFIG, advice=AGAIN)
    family = config.pop("family")
    if family not in FAMILIES:
        raise SynthesightError(
            f"{folder / CONFIG} is of the family {family!r}: choose one of {', '.join(FAMILIES)}."
        )
    module, sizes, _ = FAMILIES[family]
    kind = getattr(import_module(f"synthesight.likelihood.tokens.{module}"), sizes)
    with opening(f"The model in {folder} cannot be opened", AGAIN):
        tensors = load_file(folder / WEIGHTS)
        own = kind(**config)
    return ConvertedParts(family, own, *modules(own, tensors, what=str(folder), advice=AGAIN))


def modules(
    config: Any, tensors: dict[str, Tensor], *, what: str, advice: str
) -> tuple[nn.Module, nn.Module]:
    """Return the tokenizer and the network that tensors fill exactly."""
    # Without memory, and with no more layers than there are tensors for, whatever a config says.
    with (
        opening(f"{what} tells sizes that cannot be", advice, tensors=len(tensors)),
        torch.device("meta"),
    ):
        parts = nn.ModuleDict({"tokenizer": config.tokenizer(), "network": config.network()})
    needed = {key: tensor.shape for key, tensor in parts.state_dict().items()}
    problems = (
        [f"lacks {key}" for key in needed if key not in tensors]
        + [f"has {key}, which is unknown" for key in tensors if key not in needed]
        + [
            f"has {key} of shape {tuple(tensors[key].shape)} for {tuple(shape)}"
            for key, shape in needed.items()
            if key in tensors and tensors[key].shape != shape
        ]
    )
    if problems:
        raise SynthesightError(
            f"{what} does not fit its own sizes: it {problems[0]}"
            + (f", and {len(problems) - 1} more are wrong" if len(problems) > 1 else "")
            + f"; {advice}."
        )
    parts.load_state_dict(tensors, assign=True)
    parts.requires_grad_(False)
    return parts["tokenizer"], parts["network"]

"""Checkpoints of a training, as safetensors: nothing is pickled, nothing is half written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from synthesight import files
from synthesight.errors import SynthesightError


def save(path: Path, step: int, options: dict[str, Any], **parts: Any) -> None:
    """Write a checkpoint, atomically.

    Parameters
    ----------
    parts
        Objects with ``state_dict()``: modules and optimisers.
    """
    tensors: dict[str, torch.Tensor] = {}
    for name, part in parts.items():
        state = part.state_dict()
        if isinstance(part, torch.optim.Optimizer):
            # Hyper-parameters follow from the step; only the state of each parameter is kept.
            state = {
                f"{index}.{key}": torch.as_tensor(value)
                for index, entries in state["state"].items()
                for key, value in entries.items()
            }
        tensors |= {f"{name}/{key}": value.contiguous().clone() for key, value in state.items()}
    with files.whole(path) as unfinished:
        save_file(tensors, unfinished, {"step": str(step), "options": json.dumps(options)})


def load(path: Path, options: dict[str, Any], **parts: Any) -> int:
    """Restore a checkpoint into the same parts and return its step.

    Raises
    ------
    SynthesightError
        If the checkpoint was written with other options, or is damaged.
    """
    try:
        return _load(path, options, parts)
    except SafetensorError as error:
        raise SynthesightError(
            f"{path} is damaged: delete it to train anew, or give another `out`."
        ) from error


def check(step: int, loss: float) -> None:
    """Stop a training that has come to nothing, before it overwrites its last good checkpoint.

    Raises
    ------
    SynthesightError
        If the loss is no number.
    """
    if not math.isfinite(loss):
        raise SynthesightError(
            f"The loss at step {step} is no finite number: train anew with another `seed` and "
            "another `out`; the last checkpoint is kept."
        )


def _load(path: Path, options: dict[str, Any], parts: dict[str, Any]) -> int:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        was = json.loads(metadata["options"])
        if different := [key for key in options if was.get(key) != options[key]]:
            key = different[0]
            raise SynthesightError(
                f"{path} was trained with {key} = {was.get(key)!r}, not {options[key]!r}: "
                "use the same options to go on, or another `out` to start anew."
            )
        keys = list(file.keys())
        for name, part in parts.items():
            state = {
                key.removeprefix(f"{name}/"): file.get_tensor(key)
                for key in keys
                if key.startswith(f"{name}/")
            }
            if isinstance(part, torch.optim.Optimizer):
                entries: dict[int, dict[str, torch.Tensor]] = {}
                for key, value in state.items():
                    index, entry = key.split(".", 1)
                    entries.setdefault(int(index), {})[entry] = value
                groups = part.state_dict()["param_groups"]
                part.load_state_dict({"state": entries, "param_groups": groups})
            else:
                part.load_state_dict(state)
    return int(metadata["step"])

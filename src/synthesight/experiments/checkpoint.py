"""Checkpoints of a training, as safetensors, and its log: nothing is pickled or half written."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.tracking import JsonLines

CLOCK = "clock/seconds"


class Checkpoint:
    """What a training needs to go on, and how far it was: a file, and a line of a log each time.

    Parameters
    ----------
    path
        The file.
    log
        Lines of JSON: step, loss, and the seconds that the training has taken in all processes. It
        is for readers: what a training goes on with, its clock too, is in the file.
    options
        What must be the same when the training goes on.
    parts
        Objects with ``state_dict()``: modules and optimisers.
    """

    def __init__(self, path: Path, log: Path, options: dict[str, Any], **parts: Any) -> None:
        self.path, self.log, self.parts = path, JsonLines(log), parts
        self.options = json.loads(json.dumps(options))  # as they are read back
        self.seconds, self.since = 0.0, time.perf_counter()

    def spent(self) -> float:
        """Return the seconds that the training has taken, in this process and earlier ones."""
        return self.seconds + time.perf_counter() - self.since

    def save(self, step: int, loss: float) -> None:
        """Write the state after a step, atomically, and a line of the log.

        Raises
        ------
        SynthesightError
            If the loss is no number: the last good checkpoint is then kept.
        """
        if not math.isfinite(loss):
            raise SynthesightError(
                f"The loss at step {step} is no finite number: train anew with another `seed` and "
                "another `out`; the last checkpoint is kept."
            )
        seconds = self.spent()
        tensors = {CLOCK: torch.tensor(seconds, dtype=torch.float64)}
        for name, part in self.parts.items():
            state = part.state_dict()
            if isinstance(part, torch.optim.Optimizer):
                # Rates follow from the step; only the state of each parameter is kept.
                state = {
                    f"{index}.{key}": torch.as_tensor(value)
                    for index, entries in state["state"].items()
                    for key, value in entries.items()
                }
            tensors |= {f"{name}/{key}": value.contiguous().clone() for key, value in state.items()}
        with files.whole(self.path) as unfinished:
            save_file(tensors, unfinished, {"step": str(step), "options": json.dumps(self.options)})
        self.log.log({"loss": round(loss, 5), "seconds": round(seconds, 1)}, step=step)

    def load(self) -> int:
        """Restore the parts and return the step; 0 if there is no checkpoint.

        Raises
        ------
        SynthesightError
            If the checkpoint was written with other options, or is damaged.
        """
        try:
            return self._load() if self.path.exists() else 0
        except SafetensorError as error:
            raise SynthesightError(
                f"{self.path} is damaged: delete it to train anew, or give another `out`."
            ) from error

    def _load(self) -> int:
        with safe_open(self.path, framework="pt") as file:
            metadata = file.metadata()
            was = json.loads(metadata["options"])
            for key, value in self.options.items():
                if was.get(key) != value:
                    raise SynthesightError(
                        f"{self.path} was trained with {key} = {was.get(key)!r}, not {value!r}: "
                        "use the same options to go on, or another `out` to start anew."
                    )
            keys = list(file.keys())
            if CLOCK in keys:  # older ones of trainings without a budget of time lack it
                self.seconds = float(file.get_tensor(CLOCK))
            for name, part in self.parts.items():
                start = f"{name}/"
                state = {key.removeprefix(start): file.get_tensor(key)
                         for key in keys if key.startswith(start)}  # fmt: skip
                if isinstance(part, torch.optim.Optimizer):
                    entries: dict[int, dict[str, torch.Tensor]] = {}
                    for key, value in state.items():
                        index, entry = key.split(".", 1)
                        entries.setdefault(int(index), {})[entry] = value
                    state = {"state": entries, "param_groups": part.state_dict()["param_groups"]}
                part.load_state_dict(state)
        return int(metadata["step"])

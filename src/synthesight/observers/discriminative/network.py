"""A discriminative network as an observer: it answers with its most probable category."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from synthesight.errors import SynthesightError
from synthesight.inference.prefetch import read_ahead
from synthesight.observers.discriminative.small_cnn import SmallCNN
from synthesight.observers.observer import Observer, Response
from synthesight.stimuli.categories import canonical
from synthesight.stimuli.stimulus import Stimulus

BATCH = 64


class DiscriminativeNetwork(Observer):
    """A network with one output a label.

    Parameters
    ----------
    network
        Maps float32 images (B, 3, R, R) in [-1, 1] to logits (B, L).
    labels
        What the L outputs stand for.
    resolution
        R.
    name
        How trials call it.
    classes
        Class names, when calls do not name them; None for all of the labels. A class is found
        among the labels by its name or by a synonym (car, automobile). The answer is the class of
        greatest probability, the probabilities being taken over the classes alone.
    device
        Where the network runs.
    """

    kind = "discriminative"

    def __init__(
        self,
        network: torch.nn.Module,
        labels: Sequence[str],
        resolution: int,
        *,
        name: str,
        classes: Sequence[str] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        self.labels = list(labels)
        self.resolution = resolution
        self.name = name
        self.classes = list(classes) if classes is not None else list(labels)

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        *,
        name: str | None = None,
        classes: Sequence[str] | None = None,
        device: str | torch.device = "cpu",
    ) -> DiscriminativeNetwork:
        """Open a network that ``synthesight train discriminative`` wrote.

        Raises
        ------
        SynthesightError
            If the folder lacks ``config.json`` or ``model.safetensors``, or they do not match.
        """
        for part in ("config.json", "model.safetensors"):
            if not (folder / part).is_file():
                raise SynthesightError(
                    f"The folder {folder} has no {part}: give one that `synthesight train "
                    "discriminative` wrote."
                )
        configuration = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        labels = configuration["labels"]
        network = SmallCNN(len(labels), configuration["widths"], configuration["blocks"])
        weights = load_file(folder / "model.safetensors")
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise SynthesightError(
                f"{folder / 'model.safetensors'} does not fit its config.json: get both anew."
            ) from error
        resolution = configuration["resolution"]
        return cls(
            network, labels, resolution, name=name or folder.name, classes=classes, device=device
        )

    def describe(self) -> dict[str, Any]:
        return {"model": self.name, "kind": self.kind, "dtype": "float32"}

    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        chosen = self.choose(classes)
        columns = self._columns(chosen)
        reader = read_ahead(stimuli, self.resolution)
        nothing = np.full(len(chosen), np.nan)
        unseen = np.zeros(len(chosen), dtype=np.int64)
        while items := list(islice(reader, BATCH)):
            read = [(stimulus, image) for stimulus, image, _ in items if image is not None]
            for stimulus, _, error in items:
                if error is not None:
                    yield Response(
                        stimulus, None, nothing, nothing, nothing, unseen, 0, "unreadable", error
                    )
            if not read:
                continue
            log_p = self._log_probability(np.stack([image for _, image in read]), columns)
            for (stimulus, _), row in zip(read, log_p, strict=True):
                yield Response(
                    stimulus,
                    chosen[int(row.argmax())],
                    row - row.max(),
                    np.exp(row),
                    np.zeros(len(chosen)),
                    unseen + 1,
                    1,
                    "decided",
                )

    def _columns(self, classes: list[str]) -> list[int]:
        known = {canonical(label): column for column, label in enumerate(self.labels)}
        missing = [name for name in classes if canonical(name) not in known]
        if missing:
            raise SynthesightError(
                f"{self.name} was not trained to tell {missing[0]!r}: choose --classes among "
                f"{', '.join(self.labels)}."
            )
        return [known[canonical(name)] for name in classes]

    def _log_probability(self, images: np.ndarray, columns: list[int]) -> np.ndarray:
        """float64, shape (B, K), of uint8 images (B, R, R, 3)."""
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.device).float() / 127.5 - 1.0
        with torch.inference_mode():
            logits = self.network(pixels)[:, columns].double()
        if not torch.isfinite(logits).all():
            raise SynthesightError(
                f"{self.name} gave an output that is not finite: get its weights anew."
            )
        return torch.log_softmax(logits, dim=1).cpu().numpy()

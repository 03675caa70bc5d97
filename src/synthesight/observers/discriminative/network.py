"""Let discriminative networks answer with their most probable category."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import in_float64
from synthesight.likelihood.memory import is_out_of_memory
from synthesight.likelihood.reproducible import BATCH as SAME
from synthesight.observers.discriminative.toolbox import SIDE, show_as_published
from synthesight.observers.display import count
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.observers.weights import weights_hash
from synthesight.stimuli.categories import canonical
from synthesight.stimuli.prefetch import read_ahead
from synthesight.stimuli.stimulus import Stimulus

BATCH = 64  # images at a time; fewer where they have more pixels than this:
USUAL = 224
HALF = (0.5, 0.5, 0.5)


class Network(Observer):
    """Answer each image in one evaluation: the base of discriminative networks.

    Attributes
    ----------
    resolution
        Side of the square images that it sees, in pixels.
    view
        Keywords of :func:`~synthesight.observers.discriminative.toolbox.show_as_published`, for a
        network that is shown what the published benchmark showed; else images fill its pixels.
    network
        The module that is run.
    device
        Where the network runs.
    """

    kind = "discriminative"
    network: torch.nn.Module
    resolution: int
    view: Mapping[str, Any] | None = None
    device: torch.device
    _batch = 0

    @abstractmethod
    def scores_of(self, classes: list[str]) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the function that scores images for these classes.

        Returns
        -------
        A function from float32 images, shape (B, 3, R, R), in [0, 255], to logits or log
        probabilities, shape (B, K): up to a constant for each image.

        Raises
        ------
        SynthesightError
            If it cannot tell a class.
        """

    def _set_up(
        self,
        network: torch.nn.Module,
        name: str,
        resolution: int,
        mean: Sequence[float],
        std: Sequence[float],
        device: str | torch.device,
    ) -> None:
        """Put a network on its device, and keep how it takes images: for pixels in [0, 1]."""
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        self.name, self.resolution = name, resolution
        self.pixels = {"resolution": resolution, "mean": list(mean), "std": list(std)}
        self.mean, self.std = (
            255.0 * torch.tensor(values, device=self.device)[:, None, None]
            for values in (mean, std)
        )

    def describe(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "kind": self.kind,
            "weights": weights_hash(self.network),
            "dtype": "float32",
        }

    def computing(self) -> dict[str, Any]:
        return super().computing() | {"dtype": "float32", "batch_size": self._batch}

    def match(self, stimuli: Iterable[Stimulus]) -> Iterator[Response]:  # noqa: ARG002
        """Answer each stimulus with one of its own captions.

        Raises
        ------
        SynthesightError
            If the network reads no text.
        """
        raise SynthesightError(
            f"{self.name} reads no text, and cannot choose among captions: choose another `model`, "
            "or give `classes`."
        )

    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        if classes is not None and not classes:
            yield from self.match(stimuli)
            return
        chosen = self.choose(classes)
        for response in self._answer(stimuli, chosen, self.scores_of(chosen)):
            yield self.calibrated(response)

    def _answer(
        self,
        stimuli: Iterable[Stimulus],
        chosen: list[str],
        scores: Callable[[torch.Tensor], torch.Tensor],
    ) -> Iterator[Response]:
        view = self.view
        reader = read_ahead(stimuli, self.resolution if view is None else SIDE)
        nothing = np.full(len(chosen), np.nan)
        unseen = np.zeros(len(chosen), dtype=np.int64)
        batch = max(1, min(BATCH, BATCH * USUAL**2 // self.resolution**2))
        if self.reproducible:
            batch = min(batch, SAME)
        self._batch = batch
        while items := list(islice(reader, batch)):
            read = [(stimulus, image) for stimulus, image, _ in items if image is not None]
            for stimulus, _, error in items:
                if error is not None:
                    yield Response(
                        stimulus, None, nothing, nothing, nothing, unseen, 0, "unreadable", error
                    )
            if not read:
                continue
            images = np.stack([image for _, image in read])
            if view is not None:
                images = show_as_published(images, self.resolution, **view)
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
            parts: list[np.ndarray] = []
            while left := len(pixels) - sum(map(len, parts)):
                some = pixels[-left:][:batch]
                fill = self._batch - len(some) if self.reproducible else 0
                part = self._log_p(scores, torch.cat([some, some[:1].expand(fill, -1, -1, -1)]))
                if part is not None:
                    parts.append(part[: len(some)])
                elif min(left, batch) == 1 or self.reproducible:
                    raise SynthesightError(
                        f"{self.name}: not even {count(batch, 'image')} at a time fits in memory: "
                        "use a device with more memory."
                    )
                else:
                    self._batch = batch = (min(left, batch) + 1) // 2
            log_p = np.concatenate(parts)
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

    def _log_p(
        self, scores: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor
    ) -> np.ndarray | None:
        """Return log probabilities, float64 (B, K); None where so many do not fit in memory."""
        try:
            with torch.inference_mode():
                found = in_float64(scores(pixels.to(self.device).float()))
                log_p = torch.log_softmax(found, dim=1).cpu().numpy()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            log_p = None
        if log_p is None and self.device.type == "cuda":
            torch.cuda.empty_cache()
        if log_p is not None and not np.isfinite(log_p).all():
            raise SynthesightError(
                f"{self.name} gave an output that is not finite: get its weights anew."
            )
        return log_p


class DiscriminativeNetwork(Network):
    """Answer by a network that has one output for each label.

    Parameters
    ----------
    network
        Maps float32 images (B, 3, R, R), normalised by ``mean`` and ``std``, to logits (B, L), or
        to an object that has them as ``logits``.
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
    mean, std
        Of each channel, for pixels in [0, 1]; so that images are in [-1, 1], unless told.
    device
        Where the network runs.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        labels: Sequence[str],
        resolution: int,
        *,
        name: str,
        classes: Sequence[str] | None = None,
        mean: Sequence[float] = HALF,
        std: Sequence[float] = HALF,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.network = network.eval().to(self.device)
        self._normal = tuple(mean), tuple(std)
        self.labels = list(labels)
        self.resolution = resolution
        self.name = name
        self.classes = list(classes) if classes is not None else list(labels)

    def scores_of(self, classes: list[str]) -> Callable[[torch.Tensor], torch.Tensor]:
        known = {canonical(label): column for column, label in enumerate(self.labels)}
        missing = [name for name in classes if canonical(name) not in known]
        if missing:
            raise SynthesightError(
                f"{self.name} was not trained to tell {missing[0]!r}: choose `classes` among "
                f"{', '.join(self.labels)}."
            )
        columns = [known[canonical(name)] for name in classes]

        def scores(images: torch.Tensor) -> torch.Tensor:
            output = self.network(normalised(images, *self._normal))
            return getattr(output, "logits", output)[:, columns]

        return scores


def normalised(
    images: torch.Tensor, mean: Sequence[float] = HALF, std: Sequence[float] = HALF
) -> torch.Tensor:
    """Return images in [0, 255], shape (B, 3, H, W), as a network takes them.

    ``mean`` and ``std`` are of each channel, for pixels in [0, 1].
    """
    if tuple(mean) == tuple(std) == HALF:
        return images / 127.5 - 1.0
    centre, scale = (images.new_tensor(values)[:, None, None] for values in (mean, std))
    return (images / 255 - centre) / scale

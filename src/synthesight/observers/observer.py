"""What every observer that is a program can do: look at stimuli and answer with a category."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from PIL import Image

from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Response:
    """An observer's answer to one stimulus.

    Attributes
    ----------
    stimulus
        What was shown.
    response
        The category chosen; None where the stimulus could not be read.
    evidence
        float64, shape (K,): evidence for each class relative to the chosen one (which has 0). In
        nats, up to Monte-Carlo error, for the ``elbo`` weighting and for discriminative networks.
    posterior, posterior_se
        float64, shape (K,): posterior under a flat prior and its Monte-Carlo standard error.
        The error is 0 where nothing is left to chance, and NaN for a class of which a sequence of
        parts was not seen to its end.
    draws
        int64, shape (K,): draws, or parts, that each class was given.
    evaluations
        Network evaluations that the decision used, in passes, of which a part may be a share.
    stopped
        Why the observer stopped.
    error
        Why the stimulus could not be read, in one sentence; else None.
    """

    stimulus: Stimulus
    response: str | None
    evidence: np.ndarray
    posterior: np.ndarray
    posterior_se: np.ndarray
    draws: np.ndarray
    evaluations: float
    stopped: str
    error: str | None = None


@dataclass(frozen=True, eq=False)
class Classification:
    """Answers to several images, in the order in which the images were given.

    Attributes
    ----------
    classes
        K class names.
    responses
        One :class:`Response` an image.
    """

    classes: list[str]
    responses: list[Response]

    @property
    def labels(self) -> list[str]:
        """The class chosen for each image."""
        return [str(response.response) for response in self.responses]

    @property
    def posterior(self) -> np.ndarray:
        """float64, shape (N, K): posterior under a flat prior."""
        return self._rows("posterior")

    @property
    def posterior_se(self) -> np.ndarray:
        """float64, shape (N, K): Monte-Carlo standard error of the posterior."""
        return self._rows("posterior_se")

    @property
    def evidence(self) -> np.ndarray:
        """float64, shape (N, K): evidence relative to the class chosen."""
        return self._rows("evidence")

    def _rows(self, what: str) -> np.ndarray:
        rows = [getattr(response, what) for response in self.responses]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.classes))

    @property
    def evaluations(self) -> float:
        """Network evaluations for all of the images."""
        return sum(response.evaluations for response in self.responses)

    def frame(self) -> pl.DataFrame:
        """One row for each image and class."""
        count, classes = len(self.responses), len(self.classes)
        return pl.DataFrame(
            {
                "image": np.repeat([r.stimulus.id for r in self.responses], classes),
                "response": np.repeat(self.labels, classes),
                "class": self.classes * count,
                "evidence": self.evidence.ravel(),
                "posterior": self.posterior.ravel(),
                "posterior_se": self.posterior_se.ravel(),
                "draws": np.array([r.draws for r in self.responses], dtype=np.int64).ravel(),
            }
        )


class Observer(ABC):
    """A model that answers stimuli.

    Attributes
    ----------
    name
        How trials and figures call it.
    kind
        ``"generative"`` or ``"discriminative"``.
    classes
        The categories it chooses among when a call names none.
    device
        Where it computes; None if it does not say.
    """

    name: str
    kind: str
    classes: list[str] | None
    device: torch.device | None = None

    @abstractmethod
    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        """Answer each stimulus; answers come as they are made, in no fixed order."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What made the answers: everything that changes them, as JSON can hold it."""

    def classify(self, images: Any, classes: Sequence[str] | None = None) -> Classification:
        """Classify images.

        Parameters
        ----------
        images
            An image or several: paths, Pillow images, or uint8 arrays of shape (H, W, 3).
        classes
            Class names; None uses those that the observer was made with.

        Raises
        ------
        SynthesightError
            If an image cannot be read, or the classes are no choice.
        """
        stimuli = as_stimuli(images)
        found = {id(r.stimulus): r for r in self.respond(stimuli, classes)}
        responses = [found[id(stimulus)] for stimulus in stimuli]
        for response in responses:
            if response.error is not None:
                raise SynthesightError(response.error)
        return Classification(self.choose(classes), responses)

    def predict(self, images: Any) -> np.ndarray:
        """The class of each image, an array of str, as scikit-learn's classifiers do."""
        return np.array(self.classify(images).labels)

    def predict_proba(self, images: Any) -> np.ndarray:
        """Posterior under a flat prior, float64, shape (N, K), columns as in ``classes_``."""
        return self.classify(images).posterior

    @property
    def classes_(self) -> np.ndarray:
        """The classes, in the order of :meth:`predict_proba`'s columns."""
        return np.array(self.choose(None))

    def choose(self, classes: Sequence[str] | None) -> list[str]:
        """The classes of a call, or the observer's own.

        Raises
        ------
        SynthesightError
            If there are none, fewer than two, or one twice.
        """
        from synthesight.observers.prompts import check_classes

        chosen = self.classes if classes is None else classes
        if chosen is None:
            raise SynthesightError(
                f"{self.name} has no classes of its own: name them, as in `classes=['cat', 'dog']`."
            )
        return check_classes(chosen)


def as_stimuli(images: Any) -> list[Stimulus]:
    """Stimuli of images given as paths, Pillow images or arrays.

    The id of a file is its name; that of an array, a hash of its pixels: so neither depends on
    order, and the same image always gets the same draws.

    Raises
    ------
    SynthesightError
        If an array is not uint8 of shape (H, W, 3), or an image has no pixels.
    """
    single = isinstance(images, str | Path | Image.Image) or getattr(images, "ndim", 0) == 3
    if not single and not isinstance(images, Iterable):
        raise SynthesightError(
            f"{images!r} is no image: give paths, Pillow images or uint8 arrays of shape (height, "
            "width, 3)."
        )
    stimuli = []
    for image in [images] if single else images:
        if isinstance(image, str | Path):
            stimuli.append(Stimulus(id=Path(image).name, source=Path(image)))
            continue
        if not isinstance(image, Image.Image):
            array = np.asarray(image)
            if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
                raise SynthesightError(
                    f"An array of shape {array.shape} and type {array.dtype} is no image: give "
                    "uint8 arrays of shape (height, width, 3)."
                )
            image = Image.fromarray(array)
        if 0 in image.size:
            raise SynthesightError(
                f"An image of {image.width} × {image.height} has no pixels: leave it out."
            )
        digest = hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest()
        stimuli.append(Stimulus(id=f"image-{digest}", source=image))
    return stimuli

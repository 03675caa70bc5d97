"""Define what every observer that is a program can do: answer a stimulus with a category."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.observers.display import html_facts
from synthesight.observers.response import Classification, Response
from synthesight.stimuli.arrays import as_stimuli
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.stimulus import Stimulus

if TYPE_CHECKING:
    import torch

    from synthesight.observers.calibration import Calibration
    from synthesight.observers.evidence_map import EvidenceMap


class Observer(ABC):
    """Answer stimuli with one of K categories: the base of every model.

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
    reproducible
        Whether its answers are to be the same to the last bit, whatever else it is asked.
    calibration
        What makes probabilities of its evidence; None where nothing does.
    """

    name: str
    kind: str
    classes: list[str] | None
    device: torch.device | None = None
    reproducible = False
    calibration: Calibration | None = None

    @property
    def device_name(self) -> str | None:
        """What computes, for people: the graphics card, or the kind of device."""
        from synthesight.likelihood.device import device_name

        return device_name(self.device)

    @abstractmethod
    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        """Answer each stimulus; answers come as they are made, in no fixed order.

        Parameters
        ----------
        stimuli
            What is shown.
        classes
            Class names; None for the observer's own; empty, to choose for each stimulus among its
            own ``captions``.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return everything that changes the answers, as JSON can hold it."""

    def calibrated(self, response: Response) -> Response:
        """Return an answer with the probability of each class, if the observer is calibrated."""
        if self.calibration is None or response.error is not None:
            return response
        draws = np.array([response.draws.max()])
        probability = self.calibration.probability(response.evidence[None], draws)[0]
        return replace(response, probability=probability)

    def computing(self) -> dict[str, Any]:
        """Return how its last answers were computed, as JSON can hold it: last bits depend on it.

        :func:`synthesight.evaluate` records it beside the trials.
        """
        torch = sys.modules.get("torch")
        return {
            "device": self.device_name,
            "threads": torch.get_num_threads() if torch else None,
            "reproducible": self.reproducible,
        }

    def classify(
        self,
        images: Any,
        classes: Sequence[str] | None = None,
        *,
        range: tuple[float, float] | None = None,
        layout: str | None = None,
    ) -> Classification:
        """Classify images.

        Parameters
        ----------
        images
            An image or several: paths, Pillow images, bytes, rows of a Hugging Face dataset, arrays
            or tensors, as :func:`~synthesight.stimuli.as_stimuli` takes them; or a text that
            :func:`~synthesight.find_stimuli` takes, such as a folder.
        classes
            Class names; None uses those that the observer was made with.
        range
            Values of black and white in arrays of floats, such as ``(0, 1)``.
        layout
            ``"HWC"`` or ``"CHW"``, for arrays whose shape allows both.

        Raises
        ------
        SynthesightError
            If an image cannot be read, or the classes are no choice.
        """
        if isinstance(images, str | Path):
            images = find_stimuli(images)
        stimuli = as_stimuli(images, range=range, layout=layout)
        found = {id(r.stimulus): r for r in self.respond(stimuli, classes)}
        responses = [found[id(stimulus)] for stimulus in stimuli]
        for response in responses:
            if response.error is not None:
                raise SynthesightError(response.error)
        return Classification(self.choose(classes), responses, self)

    def evidence_map(
        self,
        response: Response,  # noqa: ARG002
        classes: Sequence[str] | None = None,  # noqa: ARG002
        *,
        of: str | None = None,  # noqa: ARG002
        against: str | None = None,  # noqa: ARG002
    ) -> EvidenceMap:
        """Return where in the image the evidence of a response is.

        Parameters
        ----------
        response
            What this observer answered.
        classes
            The choice that it had; None for its own classes.
        of, against
            The map is log p(x given ``of``) − log p(x given ``against``), over the draws that the
            two classes saw; None for the class chosen, and for the strongest of the others.

        Returns
        -------
        The map, whose places add up to the evidence between the two classes. Of a class of several
        labels, the best label stands for it.

        Raises
        ------
        SynthesightError
            If the observer has no likelihood, or does not tell where it is; if a class is none of
            the choice; or if the image could not be read.
        """
        raise SynthesightError(
            f"{self.name} is {self.kind}: only a generative model has evidence in every place of "
            "an image."
        )

    def predict(self, images: Any, **how: Any) -> np.ndarray:
        """Return the class of each image, an array of str, as scikit-learn's classifiers do.

        ``how`` is ``range`` and ``layout`` of :meth:`classify`.
        """
        return np.array(self.classify(images, **how).labels)

    def predict_proba(self, images: Any, **how: Any) -> np.ndarray:
        """Return the probability of each class, float64, shape (N, K): its score, not calibrated.

        Columns are as in ``classes_``; ``how`` is ``range`` and ``layout`` of :meth:`classify`.
        """
        found = self.classify(images, **how)
        return found.score if found.probability is None else found.probability

    @property
    def classes_(self) -> np.ndarray:
        """The classes, in the order of :meth:`predict_proba`'s columns."""
        return np.array(self.choose(None))

    def __repr__(self) -> str:
        among = f"{len(self.classes)} classes" if self.classes else "no classes of its own"
        return f"<{type(self).__name__} {self.name}: {among}>"

    def _repr_html_(self) -> str:
        facts = {"classes": self.classes, "device": self.device}
        return html_facts(self.describe() | facts)

    def choose(self, classes: Sequence[str] | None) -> list[str]:
        """Return the classes of a call, or the observer's own.

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

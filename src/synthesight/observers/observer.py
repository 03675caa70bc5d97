"""Define what every observer that is a program can do: answer a stimulus with a category."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError
from synthesight.observers.display import MOST, count, html_facts, html_table
from synthesight.stimuli.arrays import as_stimuli
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.stimulus import Stimulus

if TYPE_CHECKING:
    import torch

    from synthesight.observers.calibration import Calibration
    from synthesight.observers.evidence_map import EvidenceMap


SHOWN = 5  # answers in a short form


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
    score, score_se
        float64, shape (K,): softmax of the evidence and its Monte-Carlo standard error. It orders
        the classes as the evidence does; how often the class chosen is right, it does not say.
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
    probability
        float64, shape (K,): how often each class is right where an answer is like this, by the
        observer's calibration; None where it has none.
    """

    stimulus: Stimulus
    response: str | None
    evidence: np.ndarray
    score: np.ndarray
    score_se: np.ndarray
    draws: np.ndarray
    evaluations: float
    stopped: str
    error: str | None = None
    probability: np.ndarray | None = None

    def __repr__(self) -> str:
        if self.error is not None:
            return f"<Response to {self.stimulus.id}: {self.error}>"
        return (
            f"<Response {self.response!r} to {self.stimulus.id}: score "
            f"{np.max(self.score):.3f}, {count(self.evaluations, 'evaluation')}>"
        )


@dataclass(frozen=True, eq=False)
class Classification:
    """Answers to several images, in the order in which the images were given.

    It has a length, and ``classification[i]`` and iteration give the response to each image.

    Attributes
    ----------
    classes
        K class names.
    responses
        One :class:`Response` an image.
    observer
        Who answered.
    """

    classes: list[str]
    responses: list[Response]
    observer: Observer | None = None

    def __len__(self) -> int:
        return len(self.responses)

    @overload
    def __getitem__(self, index: int) -> Response: ...
    @overload
    def __getitem__(self, index: slice) -> Classification: ...
    def __getitem__(self, index: int | slice) -> Response | Classification:
        found = self.responses[index]
        return found if isinstance(found, Response) else replace(self, responses=found)

    def __iter__(self) -> Iterator[Response]:
        return iter(self.responses)

    def __repr__(self) -> str:
        labels = ", ".join(self.labels[:SHOWN]) + (", …" if len(self) > SHOWN else "")
        images = count(len(self), "image")
        return f"<Classification of {images} among {len(self.classes)} classes: {labels}>"

    def _repr_html_(self) -> str:
        rows = [
            [each.stimulus.id, str(each.response), *map("{:.3f}".format, each.score)]
            for each in self.responses[:MOST]
        ]
        left_out = len(self) - len(rows)
        note = f"and {count(left_out, 'image')} more" if left_out else ""
        return html_table(["image", "response", *self.classes], rows, note)

    @property
    def labels(self) -> list[str]:
        """The class chosen for each image."""
        return [str(response.response) for response in self.responses]

    @property
    def score(self) -> np.ndarray:
        """float64, shape (N, K): softmax of the evidence."""
        return self._rows("score")

    @property
    def score_se(self) -> np.ndarray:
        """float64, shape (N, K): Monte-Carlo standard error of the score."""
        return self._rows("score_se")

    @property
    def probability(self) -> np.ndarray | None:
        """float64, shape (N, K): probability of each class; None where nothing is calibrated."""
        known = all(response.probability is not None for response in self.responses)
        return self._rows("probability") if known and self.responses else None

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

    def maps(self, of: str | None = None, against: str | None = None) -> list[EvidenceMap]:
        """Return where the evidence is in each image; see :meth:`Observer.evidence_map`.

        Examples
        --------
        >>> import numpy as np, synthesight
        >>> observer = synthesight.load("natural-32", classes=["cat", "dog"], max_draws=2)
        >>> found = observer.classify(np.zeros((32, 32, 3), dtype=np.uint8))
        >>> (picture,) = found.maps(of="cat", against="dog")
        >>> picture.nats.shape
        (32, 32)
        """
        if self.observer is None:
            raise SynthesightError("Nobody says whose answers these are: give the `observer`.")
        return [
            self.observer.evidence_map(response, self.classes, of=of, against=against)
            for response in self.responses
        ]

    def frame(self) -> pl.DataFrame:
        """Return a table with one row for each image and class."""
        count, classes = len(self.responses), len(self.classes)
        probability = self.probability
        known = {} if probability is None else {"probability": probability.ravel()}
        return pl.DataFrame(
            {
                "image": np.repeat([r.stimulus.id for r in self.responses], classes),
                "response": np.repeat(self.labels, classes),
                "class": self.classes * count,
                "evidence": self.evidence.ravel(),
                "score": self.score.ravel(),
                "score_se": self.score_se.ravel(),
                **known,
                "draws": np.array([r.draws for r in self.responses], dtype=np.int64).ravel(),
            }
        )


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

"""What an observer answers: to one stimulus, or to several images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError
from synthesight.observers.display import MOST, count, html_table
from synthesight.stimuli.stimulus import Stimulus

if TYPE_CHECKING:
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
    observer: Any = None  # an Observer, whose module imports this one

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

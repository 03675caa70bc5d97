"""What a decision rule made of one stimulus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthesight.likelihood.evidence import softmax
from synthesight.stimuli.stimulus import Stimulus


@dataclass(frozen=True, eq=False)
class Decision:
    """What a generative classifier made of one stimulus.

    Attributes
    ----------
    stimulus
        The stimulus.
    unit
        Index of the winning unit (a class, or one label among those of a class); −1 where the
        stimulus could not be read.
    difference, covariance
        float64, shapes (U,) and (U, U): by how many nats each unit explains the image worse than
        the winner does, and the covariance of these estimates. See
        :meth:`~synthesight.likelihood.evidence.PairedEvidence.differences`.
    draws
        int64, shape (U,): draws or parts that each unit saw.
    evaluations
        Network evaluations that the decision used, in passes.
    stopped
        Why the gathering of evidence ended: ``"decided"``, ``"draws used up"``, or, of a sequence
        that was seen to its end, ``"all parts seen"``.
    error
        The sentence that says why the stimulus could not be read, else None.
    """

    stimulus: Stimulus
    unit: int
    difference: np.ndarray
    covariance: np.ndarray
    draws: np.ndarray
    evaluations: float
    stopped: str
    error: str | None = None

    @property
    def score(self) -> tuple[np.ndarray, np.ndarray]:
        """Softmax of the evidence and its Monte-Carlo standard error, each of shape (U,)."""
        share, error = softmax(self.difference[None], self.covariance[None])
        return share[0], error[0]

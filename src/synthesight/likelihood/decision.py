"""What a decision rule made of one stimulus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthesight.likelihood.evidence import posterior
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
    mean, covariance
        float64, shapes (U,) and (U, U): mean paired error difference of each unit to the winner,
        over the draws that the unit saw, and the covariance of these means.
    draws
        int64, shape (U,): draws that each unit saw.
    stopped
        Why the gathering of evidence ended: ``"decided"`` or ``"draws used up"``.
    error
        The sentence that says why the stimulus could not be read, else None.
    errors
        float64, shape (max_draws, U): the weighted error of each draw, NaN where there was none;
        only from an engine that keeps errors.
    """

    stimulus: Stimulus
    unit: int
    mean: np.ndarray
    covariance: np.ndarray
    draws: np.ndarray
    stopped: str
    error: str | None = None
    errors: np.ndarray | None = None

    @property
    def evaluations(self) -> int:
        """Network evaluations that the decision used."""
        return int(self.draws.sum())

    @property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Posterior under a flat prior and its Monte-Carlo standard error, each of shape (U,)."""
        probability, error = posterior(self.mean[None], self.covariance[None])
        return probability[0], error[0]

"""Stop when all draws are unlikely to say otherwise: a prediction, and no promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import stdtr

from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.rules.rule import (
    Kind,
    check_delta,
    check_draws,
    ever_more_rarely,
    staying,
)
from synthesight.likelihood.rules.sequential import lent_variance


@dataclass(frozen=True)
class Predictive:
    """Decide once the predicted probability that ``exhaustive`` would decide otherwise is small.

    Of the N differences d = e_k − e_j = μ + β·φ(t) + σ · normal that the exhaustive rule would see,
    n are known. Under flat priors on μ, β and log σ the others are predicted by Student's t: the
    sum of all is negative, so that class k beats the leader after all, with probability

        p_k = T_f(−(S/σ̂) √(N / (g (N − g)))),

    S, g, σ̂² and f being the sum, the number and the variance of the differences without their
    trend, and its degrees of freedom, some of them lent by the other classes as in
    :class:`~synthesight.likelihood.rules.sequential.Sequential`. An image is decided when the p_k
    of all R rivals left add up to ``delta`` at most; a class is dropped before where its own p_k
    is ``delta`` / R at most.

    Such a probability is right on average over images whose differences are as the priors say; it
    bounds nothing for one image, or for a set of images that are all hard. It is looked at after
    each draw, and a prediction may be looked at as often as one likes (Berry 1985), where the level
    of a test may not. On dead heats it spends far less than a test that must hold for them.
    docs/explanation/sequential-test.md has what it decided on recorded errors.

    Parameters
    ----------
    max_draws
        N: where draws run out, the class of least error so far is chosen, as ``exhaustive`` does.
    delta
        Predicted probability, at the end, that ``exhaustive`` would choose another class.
    min_draws
        Draws before the first review.
    """

    name: ClassVar[str] = "predictive"
    holds_for: ClassVar[tuple[Kind, ...]] = ("draws",)
    max_draws: int = 200
    delta: float = 0.01
    min_draws: int = 6

    def __post_init__(self) -> None:
        check_draws(self.max_draws)
        check_delta(self.delta)

    def review_at(self, n: np.ndarray) -> np.ndarray:
        return ever_more_rarely(n, self.min_draws, self.max_draws)

    def review(self, evidence: PairedEvidence, slots: np.ndarray) -> np.ndarray:
        leader, freedom, weight, total, square = evidence.without_trend(slots)
        others = evidence.alive_[slots]
        others[np.arange(len(slots)), leader] = False
        chance = np.where(others, self.chance(others, freedom[:, None], weight, total, square), 0.0)
        rivals = np.maximum(evidence.rivals(slots), 1)[:, None]
        worse = chance <= self.delta / rivals
        worse |= (chance * evidence.units_[slots]).sum(axis=1, keepdims=True) <= self.delta
        return staying(evidence, slots, worse, leader, self.max_draws)

    def chance(
        self,
        others: np.ndarray,
        freedom: np.ndarray,
        weight: np.ndarray,
        total: np.ndarray,
        square: np.ndarray,
    ) -> np.ndarray:
        """Return p_k of classes, float64 (B, K); arguments as in :func:`lent_variance`."""
        lent, variance = lent_variance(others, freedom, weight, total, square)
        freedom = freedom - 1 + lent  # one more has gone to estimate the mean
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = np.maximum(square - total**2 / weight, 0.0)
            spread = np.sqrt((residual + lent * variance) / freedom)
            left = np.maximum(self.max_draws - weight, 0.0)
            score = total / spread * np.sqrt(self.max_draws / (weight * left))
        # Without degrees of freedom, nothing can be said yet; nor of classes that are the same.
        known = ~np.isnan(score) & (freedom > 0)
        below = stdtr(np.where(known, freedom, 1.0), -np.where(known, score, 0.0))
        return np.where(known, below, 0.5)

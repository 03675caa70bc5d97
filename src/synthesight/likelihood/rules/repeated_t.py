"""The published way to stop early, to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.rules.rule import Kind, check_draws, staying


@dataclass(frozen=True)
class RepeatedTTest:
    """Repeat the paired t-test of Clark & Jaini (2023) after each draw.

    Its error grows with the number of tests. It is here to be compared with.

    Parameters
    ----------
    max_draws, min_draws, p
        Published values: 2000, 20 and 2e-3 (two-sided).
    """

    name: ClassVar[str] = "repeated-t"
    holds_for: ClassVar[tuple[Kind, ...]] = ("draws",)
    max_draws: int = 2000
    min_draws: int = 20
    p: float = 2e-3

    def __post_init__(self) -> None:
        check_draws(self.max_draws)

    def review_at(self, n: np.ndarray) -> np.ndarray:
        return np.where(n < self.min_draws, np.minimum(self.min_draws, self.max_draws), n + 1)

    def review(self, evidence: PairedEvidence, slots: np.ndarray) -> np.ndarray:
        from scipy.special import stdtr

        leader = evidence.leader(slots)
        n = evidence.n_[slots, None]
        total = evidence.total_[slots, :, leader]
        square = evidence.square_[slots, :, leader]
        variance = np.maximum(square - total**2 / n, 0.0) / np.maximum(n - 1, 1)
        statistic = total / np.sqrt(np.maximum(variance * n, 1e-300))
        worse = (total > 0) & (2 * stdtr(np.maximum(n - 1, 1), -statistic) < self.p)
        return staying(evidence, slots, worse, leader, self.max_draws)

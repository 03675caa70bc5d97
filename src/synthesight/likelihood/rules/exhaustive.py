"""All increments for all classes: the reference, and the rule for exact models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.rules.rule import Kind, check_draws


@dataclass(frozen=True)
class Exhaustive:
    """Give all draws, or all parts, to all classes: the reference.

    Parameters
    ----------
    max_draws
        Draws a class, N.
    """

    name: ClassVar[str] = "exhaustive"
    holds_for: ClassVar[tuple[Kind, ...]] = ("draws", "parts")
    max_draws: int = 200

    def __post_init__(self) -> None:
        check_draws(self.max_draws)

    def review_at(self, n: np.ndarray) -> np.ndarray:
        return np.full_like(n, self.max_draws)

    def review(self, evidence: PairedEvidence, slots: np.ndarray) -> np.ndarray:
        return evidence.alive_[slots]

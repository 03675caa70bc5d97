"""The best few classes after fixed shares of the draws or parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.rules.rule import Kind, check_draws


@dataclass(frozen=True)
class Staged:
    """Keep the best few classes after fixed numbers of draws (Li et al. 2023, algorithm 2).

    Of a sequence, stages are shares of the parts. A class that was dropped is compared with the
    winner over the parts that both saw, and its score has the standard error NaN.

    Parameters
    ----------
    max_draws
        Draws of the classes that stay to the end.
    stages
        Pairs (share of the draws, share of the classes kept). The default keeps half of the
        classes after a tenth of the draws and one at the end, the proportions of Li et al.
    """

    name: ClassVar[str] = "staged"
    holds_for: ClassVar[tuple[Kind, ...]] = ("draws", "parts")
    max_draws: int = 200
    stages: Sequence[tuple[float, float]] = ((0.1, 0.5),)

    def __post_init__(self) -> None:
        check_draws(self.max_draws)
        shares = [draws for draws, _ in self.stages]
        if shares != sorted(set(shares)) or not all(
            0 < draws < 1 and 0 < kept <= 1 for draws, kept in self.stages
        ):
            raise SynthesightError(
                "The stages must be pairs (share of the draws, share of the classes kept), "
                "with increasing shares of the draws between 0 and 1."
            )

    def _ends(self) -> np.ndarray:
        ends = [max(1, round(share * self.max_draws)) for share, _ in self.stages]
        return np.array([*ends, self.max_draws])

    def review_at(self, n: np.ndarray) -> np.ndarray:
        ends = self._ends()
        return ends[np.searchsorted(ends, n, side="right")]

    def review(self, evidence: PairedEvidence, slots: np.ndarray) -> np.ndarray:
        alive = evidence.alive_[slots]
        classes = alive.shape[1]
        keep = np.full(len(slots), classes)
        for (_, kept), end in zip(self.stages, self._ends(), strict=False):
            keep[evidence.n_[slots] >= end] = max(1, round(kept * classes))
        _, mean = evidence.means(slots)
        rank = np.where(alive, mean, np.inf).argsort(axis=1, kind="stable").argsort(axis=1)
        return alive & (rank < keep[:, None])

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

    Of a sequence, stages are parts. A class that was dropped is compared with the winner over the
    parts that both saw, and its score has the standard error NaN.

    Parameters
    ----------
    max_draws
        Draws of the classes that stay to the end.
    stages
        Pairs (draws, classes kept). Whole numbers count; fractions are shares of all draws and all
        classes. The default keeps half of the classes after a tenth of the draws and one at the
        end, the proportions of Li et al.

    Examples
    --------
    What A-VARC+ (Chen, Inouye & Gao 2025) does with a VAR of ten scales: ten candidates are left
    after six scales, and three after all ten, which then see two more copies of the image
    (``smoothing=3``):

    >>> Staged(30, stages=((6, 10), (10, 3)))
    Staged(max_draws=30, stages=((6, 10), (10, 3)))
    """

    name: ClassVar[str] = "staged"
    holds_for: ClassVar[tuple[Kind, ...]] = ("draws", "parts")
    max_draws: int = 200
    stages: Sequence[tuple[float, float]] = ((0.1, 0.5),)

    def __post_init__(self) -> None:
        check_draws(self.max_draws)
        try:
            valid = all(
                _counts(draws) and (_counts(kept) or kept == 1) for draws, kept in self.stages
            )
        except (TypeError, ValueError):
            valid = False
        if not valid or (np.diff(self._ends()) < 0).any():
            raise SynthesightError(
                f"`stages={self.stages}` cannot be: give pairs (draws, classes kept), as whole "
                f"numbers or as shares below 1, with increasing draws of at most {self.max_draws}."
            )

    def _ends(self) -> np.ndarray:
        ends = [max(1, round(_number(draws, self.max_draws))) for draws, _ in self.stages]
        return np.array([*ends, self.max_draws])

    def review_at(self, n: np.ndarray) -> np.ndarray:
        ends = self._ends()
        return ends[np.searchsorted(ends, n, side="right")]

    def review(self, evidence: PairedEvidence, slots: np.ndarray) -> np.ndarray:
        alive = evidence.alive_[slots]
        classes = alive.shape[1]
        keep = np.full(len(slots), classes)
        for (_, kept), end in zip(self.stages, self._ends(), strict=False):
            keep[evidence.n_[slots] >= end] = max(1, round(_number(kept, classes)))
        _, mean = evidence.means(slots)
        rank = np.where(alive, mean, np.inf).argsort(axis=1, kind="stable").argsort(axis=1)
        return alive & (rank < keep[:, None])


def _number(given: float, of: int) -> float:
    return given if isinstance(given, int | np.integer) else given * of


def _counts(given: float) -> bool:
    """Whether it is a whole number from 1, or a share."""
    return given >= 1 if isinstance(given, int | np.integer) else 0 < given < 1

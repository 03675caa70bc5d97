"""What a decision rule is: when to look at the evidence, and which classes then stay."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar, Literal, Protocol

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.likelihood.evidence import PairedEvidence

# All times of an image in work are in memory; fifty times what was ever published is room enough.
MOST_DRAWS = 100_000

Kind = Literal["draws", "parts"]
"""Exchangeable draws without end, or a sequence of parts that ends."""


class Rule(Protocol):
    """How evidence is gathered and when it is enough. A rule is a frozen dataclass.

    Attributes
    ----------
    name
        How options and trials call the rule.
    holds_for
        The kinds of increments for which the rule does what it says.
    """

    name: ClassVar[str]
    holds_for: ClassVar[tuple[Kind, ...]]

    @property
    def max_draws(self) -> int:
        """Draws or parts of a class at most."""
        ...

    def review_at(self, n: np.ndarray) -> np.ndarray:
        """Return after how many draws to look again, given ``n``: int64, shape (B,), > n."""
        ...

    def review(self, evidence: PairedEvidence, slots: np.ndarray) -> np.ndarray:
        """Return the classes that stay in the running: bool, shape (B, K), at least one each."""
        ...


def check_draws(max_draws: int) -> None:
    """Refuse numbers of draws that cannot be."""
    if not isinstance(max_draws, int | np.integer) or not 1 <= max_draws <= MOST_DRAWS:
        raise SynthesightError(
            f"`max_draws={max_draws}` cannot be: give a whole number from 1 to {MOST_DRAWS}."
        )


def check_delta(delta: float) -> None:
    """Refuse what is no probability of error."""
    if not (isinstance(delta, Real) and 0 < delta < 0.5):
        raise SynthesightError(
            f"`delta={delta}` is not a probability of error: choose one between 0 and 0.5, such as "
            "0.01."
        )


def staying(
    evidence: PairedEvidence,
    slots: np.ndarray,
    worse: np.ndarray,
    leader: np.ndarray,
    max_draws: int,
) -> np.ndarray:
    """Return the classes that are not ``worse``; after the last draw, exhaustive's choice alone.

    ``worse`` is bool, (B, K), and ``leader``, which always stays, int64, (B,).
    """
    spent = evidence.n_[slots] >= max_draws
    leader = np.where(spent, evidence.leader(slots), leader)
    worse = worse | spent[:, None]
    worse[np.arange(len(slots)), leader] = False
    return evidence.alive_[slots] & ~worse


def ever_more_rarely(n: np.ndarray, least: int, most: int) -> np.ndarray:
    """Return when to look again after n draws: after ``least``, after each, and then n/32 apart."""
    following = np.where(n < least, least, n + np.maximum(1, n // 32))
    return np.minimum(following, most)

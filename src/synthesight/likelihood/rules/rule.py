"""What a decision rule is: when to look at the evidence, and which classes then stay."""

from __future__ import annotations

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
    """Refuse numbers of draws that cannot be.

    Raises
    ------
    SynthesightError
        If it is no whole number from 1 to ``MOST_DRAWS``.
    """
    if not isinstance(max_draws, int | np.integer) or not 1 <= max_draws <= MOST_DRAWS:
        raise SynthesightError(
            f"`max_draws={max_draws}` cannot be: give a whole number from 1 to {MOST_DRAWS}."
        )

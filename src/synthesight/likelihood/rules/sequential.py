"""A test that stays valid under constant peeking, and decides as all draws would."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.rules.rule import (
    Kind,
    check_delta,
    check_draws,
    ever_more_rarely,
    staying,
)

ALIKE = 6.0  # degrees of freedom: how alike the variances of classes' differences are thought to be


@dataclass(frozen=True)
class Sequential:
    """Drop a class as soon as a test that stays valid under constant peeking says it is worse.

    The promise: the class that ``exhaustive`` would choose with the same ``max_draws`` is dropped
    with probability at most ``delta``. Four things make the test cheap. It is *paired*: all
    classes share their draws. It is for a *finite horizon*: what matters is the sign of S_N, the
    sum of the N differences that the exhaustive rule would see, of which n are known. It knows
    the draws' *times*: how differences change with them is no noise, since N draws cover them all.
    And classes *lend each other their noise*: how much one of them varies says how much another
    may.

    For differences d = e_k − e_j = μ + β·φ(t) + σ · normal with S_N = 0, what the first n say
    whatever β may be is a Brownian bridge, whose likelihood can be set against that of
    unconstrained draws with μ = θσ, θ ~ N(0, 1/c²). With the same prior on σ and Haar's measure on
    β in both, the ratio is a non-negative martingale of initial value 1:

        M_n = √((N − g)/N) · √(c²/(g + c²)) · ((Q + S²/(N − g)) / (Q − S²/(g + c²)))^(f/2),

    S and g being Σ d and n without the least-squares trend in the F functions φ
    (:meth:`~synthesight.likelihood.evidence.PairedEvidence.without_trend`), f = n − F + ν, and Q
    what is left of Σ d² plus ν s²: σ² is thought to lie about s², the mean variance of the other
    classes' differences, with ν degrees of freedom (the moderated t of Smyth 2004; see
    :func:`lent_variance`). By Ville's inequality M ever reaches a level L with probability at most
    1/L, and by symmetry half of that with S > 0, which S_N < 0 only makes rarer. So class k goes
    when S > 0 against the leader and M_n ≥ R / (2δ): a union bound over the R rivals that k has.
    Where it is exact and where measured: docs/explanation/sequential-test.md. For two classes,
    N → ∞ and no trend, M_n is the anytime-valid t-test of Lai (1976) in the form of Wang & Ramdas
    (2024).

    An indifference zone η ends the search among classes that are all but level: an image is also
    decided once the same test, of S_N ≤ −ηN, says of every class left that it is not better than
    the leader by more than η. The promise is then that, with probability 1 − ``delta``, the class
    chosen is within ``eta`` of the one that ``exhaustive`` would choose, in evidence.

    Clark & Jaini (2023) repeat a t-test at p < 2e-3 after each draw instead, which has no such
    promise: :class:`RepeatedTTest`.

    Parameters
    ----------
    max_draws
        N: where draws run out, the class of least error so far is chosen, as ``exhaustive`` does.
    delta
        Probability of dropping the exhaustive rule's choice.
    eta
        η, in units of evidence: nats under the weighting ``elbo`` and of models of tokens, else
        those of the model's scores. By 0, no two classes are level.
    min_draws
        Draws before the first review. The test is exact for normal differences; a few draws more
        protect it where they are skewed.
    effect
        c⁻¹: the effect size (mean difference over its standard deviation) that the test is
        sharpest for. It changes the cost, not the promise.
    """

    name: ClassVar[str] = "sequential"
    holds_for: ClassVar[tuple[Kind, ...]] = ("draws",)
    max_draws: int = 200
    delta: float = 0.01
    eta: float = 0.0
    min_draws: int = 6
    effect: float = 1.0

    def __post_init__(self) -> None:
        check_draws(self.max_draws)
        check_delta(self.delta)
        if not (isinstance(self.eta, Real) and 0 <= self.eta < float("inf")):
            raise SynthesightError(
                f"`eta={self.eta}` is no indifference zone: give by how much less evidence the "
                "class chosen may have, such as 0.5; 0 for not at all."
            )

    def review_at(self, n: np.ndarray) -> np.ndarray:
        return ever_more_rarely(n, self.min_draws, self.max_draws)

    def review(self, evidence: PairedEvidence, slots: np.ndarray) -> np.ndarray:
        leader, freedom, weight, total, square = evidence.without_trend(slots)
        freedom = freedom[:, None]
        others = evidence.alive_[slots]
        others[np.arange(len(slots)), leader] = False
        lent, variance = lent_variance(others, freedom, weight, total, square)
        level = np.log(np.maximum(evidence.rivals(slots), 1)) - np.log(2 * self.delta)

        def no_better_by(zone: float) -> np.ndarray:
            """Whether each class is said not to beat the leader by more than ``zone``."""
            # Adding the zone to each difference adds as much of it as there is of the constant 1.
            sums = total + zone * weight, square + zone * (2 * total + zone * weight)
            with np.errstate(divide="ignore", invalid="ignore"):
                log_m = self.log_martingale(
                    freedom + lent, weight, sums[0], sums[1] + lent * variance
                )
            return (sums[0] > 0) & (log_m >= level[:, None])

        worse = no_better_by(0.0)
        if self.eta:
            # Not class by class: of a chain of classes, each within η of the next, the last would
            # be chosen in place of the first. Only the whole image is decided.
            level_with = no_better_by(self.eta) | ~others
            worse |= level_with.all(axis=1, keepdims=True)
        return staying(evidence, slots, worse, leader, self.max_draws)

    def log_martingale(
        self, freedom: np.ndarray, weight: np.ndarray, total: np.ndarray, square: np.ndarray
    ) -> np.ndarray:
        """log M_n for f, g, S and Q (broadcast together); see the class."""
        c2 = self.effect**-2
        left = self.max_draws - weight
        return 0.5 * (
            np.log(left / self.max_draws)
            + np.log(c2 / (weight + c2))
            + freedom
            * (np.log(square + total**2 / left) - np.log(square - total**2 / (weight + c2)))
        )


def lent_variance(
    others: np.ndarray,
    freedom: np.ndarray,
    weight: np.ndarray,
    total: np.ndarray,
    square: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what other classes' differences to the leader say about the variance of one's own.

    Variances are spread about their mean s² as if each were one of ``ALIKE`` degrees of freedom
    (Smyth 2004). Since s² is itself estimated, from m others of f each, what is lent is less:
    1/ν = (1 + 1/m) / ``ALIKE`` + 1/(m f), in which variances of log variances, 2/ν, add up.

    ``others``, bool (B, K), are classes in the running but the leader; n − F, g, Σ d and Σ d² are
    from :meth:`~synthesight.likelihood.evidence.PairedEvidence.without_trend`. Returns ν and s² of
    each class, float64 (B, K); ν = 0 for one that has no others to learn from.
    """
    own = np.maximum(freedom - 1, 1)
    residual = np.maximum(square - total**2 / np.maximum(weight, 1e-300), 0.0) / own
    count = others.sum(axis=1, keepdims=True) - others
    known = np.where(others, residual, 0.0)
    some = np.maximum(count, 1)
    variance = (known.sum(axis=1, keepdims=True) - known) / some
    lent = 1 / ((1 + 1 / some) / ALIKE + 1 / (some * own))
    return np.where(count > 0, lent, 0.0), variance

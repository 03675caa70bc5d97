"""Paired evidence: running sums of error differences between classes, for many images at once.

All classes see the same draws, so what decides between two of them is the paired difference
d = e_k − e_j, whose variance is far below that of either error. The sums here are all that the
decision rules and the scores need; no error is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthesight.likelihood.draws import TREND

CELLS = 2**16  # pairs of classes worked on at a time, if an image does not have more than that


class PairedEvidence:
    """Sums over draws of d and d² for each pair of classes, in ``slots`` places for images.

    Parameters
    ----------
    slots, classes
        S places, and K classes in each.
    parts
        Whether increments are parts of a sequence, whose sum is the evidence, rather than draws,
        whose mean is. Several parts may be added as one error.

    Attributes
    ----------
    alive_
        bool, shape (S, K): classes still in the running.
    n_
        int64, shape (S,): draws or parts that the classes in the running have seen.
    draws_
        int64, shape (S, K): those that each class has seen; fixed once it is dropped.
    total_, square_
        float64, shape (S, K, K): Σ (e_k − e_j) and Σ (e_k − e_j)² over the draws that both saw.
    waves_ : float64, shape (S, K, F)
        Σ e_k φ_f over the draws that each class saw, φ being the trend functions of the draws.
    gram_ : float64, shape (S, 1 + F, 1 + F)
        Σ φ φᵀ of the constant 1 and the trend functions over the n draws.
    units_ : int64, shape (S, K)
        How many may each make a class look good by chance: 1, or those of a class made of several.
    """

    def __init__(self, slots: int, classes: int, *, parts: bool = False) -> None:
        self.parts = parts
        self.units_ = np.ones((slots, classes), dtype=np.int64)
        self.alive_ = np.zeros((slots, classes), dtype=bool)
        self.n_ = np.zeros(slots, dtype=np.int64)
        self.draws_ = np.zeros((slots, classes), dtype=np.int64)
        self.total_ = np.zeros((slots, classes, classes))
        self.square_ = np.zeros((slots, classes, classes))
        self.waves_ = np.zeros((slots, classes, TREND))
        self.gram_ = np.zeros((slots, 1 + TREND, 1 + TREND))

    def clear(self, slots: Sequence[int] | np.ndarray) -> None:
        """Make places ready for new images."""
        self.alive_[slots] = True
        self.n_[slots] = 0
        self.draws_[slots] = 0
        self.total_[slots] = 0.0
        self.square_[slots] = 0.0
        self.waves_[slots] = 0.0
        self.gram_[slots] = 0.0

    def add(
        self,
        slots: np.ndarray,
        errors: np.ndarray,
        draws: np.ndarray,
        trend: np.ndarray | None = None,
    ) -> None:
        """Take in the weighted errors of further draws of distinct ``slots``, int64 (B,).

        ``errors``, float64 (B, C, K), are of draws n, n + 1, …; what stands for dropped classes or
        beyond ``draws`` is ignored. Of parts, C is 1: their sum. ``draws``, int64 (B,), is how many
        of the C draws, or how many parts, are there for each image. ``trend``, float64 (B, C, F),
        are the functions of :func:`~synthesight.likelihood.draws.trend_basis`; None where errors
        have no trend.
        """
        seen = np.arange(errors.shape[1])[None, :] < draws[:, None]
        alive = self.alive_[slots]
        known = np.where(seen[:, :, None] & alive[:, None, :], errors, 0.0)
        # Images with as many in the running as others are worked on together.
        count = alive.sum(axis=1)
        order = count.argsort(kind="stable")[::-1]
        while len(order):
            size = _block(count[order[0]])
            part, order = order[:size], order[size:]
            self._add_pairs(slots[part], known[part], alive[part], count[part])
        if trend is not None:
            functions = np.concatenate([np.ones((*trend.shape[:2], 1)), trend], axis=2)
            functions = np.where(seen[:, :, None], functions, 0.0)
            self.gram_[slots] += functions.transpose(0, 2, 1) @ functions
            self.waves_[slots] += known.transpose(0, 2, 1) @ functions[:, :, 1:]
        self.n_[slots] += draws
        self.draws_[slots] += np.where(alive, draws[:, None], 0)

    def _add_pairs(
        self, slots: np.ndarray, errors: np.ndarray, alive: np.ndarray, count: np.ndarray
    ) -> None:
        """Add to the sums of pairs in the running: ``count`` an image, the first the most."""
        unit = (~alive).argsort(axis=1, kind="stable")[:, : count[0]]
        # Those that an image has fewer than the first stand for its first one once more: what is
        # added to a pair's sums is then written several times, but is always the same.
        unit = np.where(np.arange(count[0]) < count[:, None], unit, unit[:, :1])
        errors = np.take_along_axis(errors, unit[:, None, :], axis=2)
        total = np.zeros((len(slots), count[0], count[0]))
        square = np.zeros_like(total)
        draws = errors.shape[1]
        # All draws at once, or else each by itself: their order is the same, and so are the sums.
        step = draws if draws * total.size <= CELLS else 1
        for start in range(0, draws, step):
            some = errors[:, start : start + step]
            difference = some[:, :, :, None] - some[:, :, None, :]
            total += difference.sum(axis=1)
            square += np.square(difference, out=difference).sum(axis=1)
        # One index of the flattened sums takes a third of the time that three indices take.
        classes = self.total_.shape[1]
        pairs = (slots[:, None, None] * classes + unit[:, :, None]) * classes + unit[:, None, :]
        self.total_.reshape(-1)[pairs] += total
        self.square_.reshape(-1)[pairs] += square

    def rivals(self, slots: np.ndarray) -> np.ndarray:
        """How many in the running may look better than a class by chance: int64, shape (B,)."""
        return np.where(self.alive_[slots], self.units_[slots], 0).sum(axis=1) - 1

    def leader(self, slots: np.ndarray) -> np.ndarray:
        """The class of least mean error among those in the running: int64, shape (B,)."""
        alive = self.alive_[slots]
        # Those in the running share their draws, so any of them serves as the origin.
        origin = alive.argmax(axis=1)
        relative = self.total_[slots, :, origin]
        return np.where(alive, relative, np.inf).argmin(axis=1)

    def without_trend(
        self, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sums of d = e_k − e_leader with the least-squares trend over the draws taken out.

        Of a model d = μ + β·φ + noise, the part of the data that does not depend on β: what is
        left of n draws when F of them, in effect, have gone to estimate β. The trend functions
        add up to 0 over all N draws, so that after the last one the sums are the plain ones.

        Returns
        -------
        leader : int64, shape (B,)
            The class, of those in the running, of least μ.
        freedom : int64, shape (B,)
            n, less the number of trend functions.
        weight : float64, shape (B, 1)
            What n is in the plain sums: Σ (1 − its fit by φ)².
        total, square : float64, shape (B, K)
            What Σ d and Σ d² are in the plain sums.
        """
        slots = np.asarray(slots)
        alive = self.alive_[slots]
        rows = np.arange(len(slots))
        origin = alive.argmax(axis=1)
        gram, n = self.gram_[slots], self.n_[slots]
        inverse = np.linalg.pinv(gram[:, 1:, 1:], hermitian=True)
        fit = np.einsum("bf,bfg->bg", gram[:, 0, 1:], inverse)
        waves = self.waves_[slots]
        total = self.total_[slots, :, origin] - np.einsum(
            "bg,bkg->bk", fit, waves - waves[rows, origin][:, None]
        )
        leader = np.where(alive, total, np.inf).argmin(axis=1)
        total = total - total[rows, leader][:, None]
        waves = waves - waves[rows, leader][:, None]
        square = self.square_[slots, :, leader]
        square = square - np.einsum("bkf,bfg,bkg->bk", waves, inverse, waves)
        weight = n - np.einsum("bg,bg->b", fit, gram[:, 0, 1:])
        trending = gram[:, 0, 0] > 0
        return leader, n - np.where(trending, TREND, 0), weight[:, None], total, square

    def terms(self, slots: np.ndarray) -> np.ndarray:
        """What sums are divided by to give evidence: int64, shape (B, K); 1 for parts."""
        draws = self.draws_[slots]
        return np.ones_like(draws) if self.parts else np.maximum(draws, 1)

    def means(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Leader and differences to it, as :meth:`differences` gives them."""
        leader = self.leader(slots)
        return leader, self.total_[slots, :, leader] / self.terms(slots)

    def differences(self, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return by how much each class is worse than the leader, with covariance.

        Returns
        -------
        leader : int64, shape (B,)
        mean : float64, shape (B, K)
            Mean of e_k − e_leader over the draws that class k saw, or the sum over its parts.
        covariance : float64, shape (B, K, K)
            Of those means, from cov(d_k, d_j) = (v_k + v_j − v_kj) / 2. Zero where fewer than two
            draws leave nothing to estimate it from. Parts leave nothing to chance: zero, but NaN
            for a class that did not see as many of them as the leader, of whose rest nothing is
            known.
        """
        slots = np.asarray(slots)
        leader, mean = self.means(slots)
        rows = np.arange(len(slots))
        if self.parts:
            seen = self.draws_[slots]
            pruned = seen < seen[rows, leader][:, None]
            unknown = pruned[:, :, None] | pruned[:, None, :]
            return leader, mean, np.where(unknown, np.nan, 0.0)
        draws = np.maximum(self.draws_[slots], 1)
        shared = np.minimum(draws[:, :, None], draws[:, None, :])
        centred = self.square_[slots] - np.square(self.total_[slots]) / shared
        variance = np.maximum(centred, 0.0) / np.maximum(shared - 1, 1)
        to_leader = variance[rows, :, leader]
        covariance = 0.5 * (to_leader[:, :, None] + to_leader[:, None, :] - variance)
        # Two means that share m of their n_k and n_j draws covary as cov · m / (n_k n_j).
        covariance *= shared / (draws[:, :, None] * draws[:, None, :])
        return leader, mean, covariance


def blocks(images: np.ndarray, classes: int) -> list[np.ndarray]:
    """Parts of ``images`` small enough to work on all pairs of that many classes together."""
    size = _block(classes)
    return [images[start : start + size] for start in range(0, len(images), size)]


def _block(classes: int) -> int:
    return max(1, CELLS // max(1, classes) ** 2)


def softmax(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of each class, ∝ exp(−mean), with its standard error by the delta method.

    It is a posterior under a flat prior only where the evidence is log p(x given class), without
    noise; else it is a score. Both are float64 (B, K), and the arguments as
    :meth:`PairedEvidence.differences` gives them. A class whose covariance is NaN has the standard
    error NaN; the others', it does not enter.
    """
    share = np.exp(-(mean - mean.min(axis=1, keepdims=True)))
    share /= share.sum(axis=1, keepdims=True)
    unknown = np.isnan(np.einsum("bkk->bk", covariance))
    covariance = np.nan_to_num(covariance)
    # The variance of Σ_i p_k (δ_ki − p_i) d_i. These coefficients add up to 0, so the d may be
    # differences to any class: to the greatest one, nothing cancels where it is all but
    # certain. Spelt out, it takes K² steps and not the K³ of a product with the Jacobian.
    rows, top = np.arange(len(mean)), mean.argmin(axis=1)
    rest = share.copy()
    rest[rows, top] = 0.0
    to_top = covariance[rows, :, top]
    of_top = to_top[rows, top][:, None]
    own = np.einsum("bkk->bk", covariance) - 2 * to_top + of_top
    shared = (covariance @ rest[:, :, None])[:, :, 0] - (to_top * rest).sum(axis=1, keepdims=True)
    shared -= (to_top - of_top) * rest.sum(axis=1, keepdims=True)
    variance = own - 2 * shared + (shared * rest).sum(axis=1, keepdims=True)
    error = share * np.sqrt(np.maximum(variance, 0.0))
    return share, np.where(unknown, np.nan, error)

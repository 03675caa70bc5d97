"""Evidence of classes that are made of several units, such as the labels of ImageNet in a category.

A class's likelihood is the mean of its units', so that with mean errors m its evidence is
F = log mean exp(−m). By Gibbs' variational principle F = −(p·m + Σ p log(p U)), p ∝ exp(−m) being
the units' shares and U their number: to first order around what is known so far, a class is one
unit whose error on each draw is the shares' mean of its units' errors, plus a constant. Sums of
differences between such classes follow from those between units, so that every decision rule
works on classes as it does on units.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from synthesight.likelihood.evidence import PairedEvidence


def class_evidence(mean: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evidence of classes, F = log mean exp(−m) over their units, and the shares of these.

    The mean errors m are float64 (…, U), inf for a unit that does not count; ``groups``, int64
    (U,), is the class of each, from 0. F is (…, K), −inf for a class none of whose units counts.
    The shares, (…, K, U), are ∂F/∂(−m): of a class's likelihood, what each unit gives.
    """
    member = groups == np.arange(groups.max() + 1)[:, None]
    score = np.where(member, -mean[..., None, :], -np.inf)
    total = logsumexp(score, axis=-1)
    share = np.exp(score - np.where(np.isfinite(total), total, 0.0)[..., None])
    return total - np.log(member.sum(axis=1)), share


def of_classes(evidence: PairedEvidence, slots: np.ndarray, groups: np.ndarray) -> PairedEvidence:
    """The evidence of classes, in places 0 to B − 1 for the images in ``slots``.

    Of the units of a class, all are in the running or none; ``groups``, int64 (U,), is the class of
    each. The shares are estimated from the same draws, as if each unit were tried for its luck:
    tests of classes must allow for as many rivals as there are units.
    """
    alive = evidence.alive_[slots]
    origin = alive.argmax(axis=1)
    n = evidence.terms(slots)[np.arange(len(slots)), origin]
    total = evidence.total_[slots, :, origin]
    mean = np.where(alive, total / n[:, None], np.inf)
    found, share = class_evidence(mean, groups)
    running = np.isfinite(found)
    # What a class's error has besides that of its units, on each draw.
    summed = np.einsum("bku,bu->bk", share, np.where(alive, total, 0.0))
    extra = np.where(running, -found - summed / n[:, None], 0.0)
    summed += n[:, None] * extra
    # Σ (a·e)² = −½ Σ a_l a_m Σ (e_l − e_m)² for coefficients a that add up to 0.
    cross = share @ evidence.square_[slots] @ share.transpose(0, 2, 1)
    own = np.einsum("bkk->bk", cross)
    square = cross - 0.5 * (own[:, :, None] + own[:, None, :])
    gap = extra[:, :, None] - extra[:, None, :]
    difference = summed[:, :, None] - summed[:, None, :]
    square += 2 * gap * (difference - n[:, None, None] * gap) + n[:, None, None] * gap**2

    classes = PairedEvidence(len(slots), found.shape[1], parts=evidence.parts)
    classes.alive_ = running
    classes.n_ = evidence.n_[slots]
    classes.gram_ = evidence.gram_[slots]
    members = (groups == np.arange(found.shape[1])[:, None]).astype(np.int64)
    classes.units_ = np.broadcast_to(members.sum(axis=1), running.shape)
    classes.draws_ = (evidence.draws_[slots][:, None, :] * members).max(axis=2)
    both = running[:, :, None] & running[:, None, :]
    classes.total_ = np.where(both, difference, 0.0)
    classes.square_ = np.where(both, np.maximum(square, 0.0), 0.0)
    trend = classes.gram_[:, None, 0, 1:]
    classes.waves_ = share @ evidence.waves_[slots] + extra[:, :, None] * trend
    return classes

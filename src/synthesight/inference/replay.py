"""Apply a decision rule to errors that are already there, recorded or simulated."""

from __future__ import annotations

import numpy as np

from synthesight.inference.evidence import PairedEvidence
from synthesight.inference.rules import Rule


def replay(rule: Rule, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a rule would have decided, and at what cost.

    Parameters
    ----------
    rule
        The decision rule; its ``max_draws`` must not exceed N.
    errors
        float64, shape (B, N, K): weighted error of each image, draw and class.

    Returns
    -------
    response : int64, shape (B,)
        The class chosen.
    evaluations : int64, shape (B,)
        Network evaluations that the rule would have needed.
    """
    images, _, classes = errors.shape
    evidence = PairedEvidence(images, classes)
    slots = np.arange(images)
    evidence.clear(slots)
    while len(slots):
        n = evidence.n_[slots]
        chunk = rule.review_at(n) - n
        ahead = n[:, None] + np.arange(chunk.max())[None, :]
        ahead = np.minimum(ahead, errors.shape[1] - 1)
        evidence.add(slots, errors[slots[:, None], ahead], chunk)
        alive = rule.review(evidence, slots)
        evidence.alive_[slots] = alive
        slots = slots[(alive.sum(axis=1) > 1) & (evidence.n_[slots] < rule.max_draws)]
    return evidence.leader(np.arange(images)), evidence.draws_.sum(axis=1)

"""Apply a decision rule to errors that are already there, recorded or simulated."""

from __future__ import annotations

import numpy as np

from synthesight.likelihood.draws import trend_basis
from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.rules.rule import Rule


def replay(
    rule: Rule, errors: np.ndarray, positions: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a rule would have decided about draws, and at what cost.

    Parameters
    ----------
    rule
        The decision rule; its ``max_draws`` must not exceed N.
    errors
        float64, shape (B, N, K): weighted error of each image, draw and class, such as
        :func:`synthesight.score` measures.
    positions
        float64, shape (B, N): of the draws in (0, 1), where errors change with them.

    Returns
    -------
    response : int64, shape (B,)
        The class chosen.
    evaluations : int64, shape (B,)
        Network evaluations that the rule would have needed.
    """
    evidence = replayed(rule, errors, positions)
    return evidence.leader(np.arange(len(errors))), evidence.draws_.sum(axis=1)


def replayed(rule: Rule, errors: np.ndarray, positions: np.ndarray | None = None) -> PairedEvidence:
    """Return the evidence with which a rule ends; see :func:`replay`."""
    images, _, classes = errors.shape
    evidence = PairedEvidence(images, classes)
    slots = np.arange(images)
    evidence.clear(slots)
    if positions is not None:
        waves = trend_basis(positions[:, : rule.max_draws])
    while len(slots):
        n = evidence.n_[slots]
        chunk = rule.review_at(n) - n
        ahead = n[:, None] + np.arange(chunk.max())[None, :]
        ahead = np.minimum(ahead, errors.shape[1] - 1)
        trend = None
        if positions is not None:
            trend = waves[slots[:, None], np.minimum(ahead, rule.max_draws - 1)]
        evidence.add(slots, errors[slots[:, None], ahead], chunk, trend)
        alive = rule.review(evidence, slots)
        evidence.alive_[slots] = alive
        slots = slots[(alive.sum(axis=1) > 1) & (evidence.n_[slots] < rule.max_draws)]
    return evidence

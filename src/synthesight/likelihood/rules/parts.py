"""What a rule costs a model of parts, and what it misses."""

from __future__ import annotations

import numpy as np

from synthesight.likelihood.protocol import PartModel, passes_of
from synthesight.likelihood.rules.replay import replayed
from synthesight.likelihood.rules.rule import Rule


def spent(model: PartModel, rule: Rule) -> np.ndarray:
    """Return the passes of a class that saw the first 0, 1, …, n parts, up to each review.

    Parameters
    ----------
    model
        A model of n parts.
    rule
        A rule that asks for no more.

    Returns
    -------
    float64, shape (n + 1,).
    """
    found, start = np.zeros(model.horizon + 1), 0
    while start < rule.max_draws:
        stop = int(rule.review_at(np.array([start]))[0])
        found[start + 1 :] = found[start] + passes_of(model, range(start, stop))
        start = stop
    return found


def agreement(model: PartModel, rule: Rule, nats: np.ndarray) -> tuple[float, float]:
    """Return how often a rule decides as all parts do, and what it costs.

    Parameters
    ----------
    model
        A model of n parts.
    rule
        A rule that drops classes by the first of them, such as :class:`Staged`.
    nats
        float64, shape (B, n, K): log p of each image, part and class.

    Returns
    -------
    agreement : float
        Share of the images.
    passes : float
        Mean number of an image, over all classes; without the rule it is K.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from synthesight.likelihood.rules import Staged
    >>> halves = SimpleNamespace(horizon=2, cost=(0.25, 0.75))
    >>> nats = -np.array([[[1.0, 2, 3, 4], [0, 0, 0, 0]], [[1.0, 2, 3, 4], [9, 9, 9, 0]]])
    >>> agreement(halves, Staged(2, stages=((1, 2),)), nats)
    (0.5, 2.5)
    """
    evidence = replayed(rule, -nats)
    chosen, whole = evidence.leader(np.arange(len(nats))), nats.sum(axis=1).argmax(axis=1)
    passes = spent(model, rule)[evidence.draws_].sum(axis=1)
    return float((chosen == whole).mean()), float(passes.mean())

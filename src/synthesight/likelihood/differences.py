"""Evidence between two prompts, taken apart: by place, by frequency, or whatever else adds up.

The evidence is a mean over draws (or a sum over parts) of differences of nats, and each of those is
itself a sum, over the places of an image for instance. What is added up in another order adds up to
the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from synthesight.likelihood.evaluator import Evaluator


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of which an evidence is the sum, float64, with their Monte-Carlo standard errors.

    These are 0 where nothing is left to chance, and NaN where one draw leaves nothing to estimate
    them from. The evidence has an error of its own: the terms of one draw go together.
    """

    values: np.ndarray
    standard_error: np.ndarray
    evidence_error: float

    @property
    def evidence(self) -> float:
        """What the terms add up to."""
        return float(self.values.sum())


def draw_terms(
    evaluator: Evaluator,
    x: torch.Tensor,
    key: np.ndarray,
    rows: np.ndarray,
    coefficients: np.ndarray,
) -> Terms:
    """Return the terms of Σ c_kn · nats_kn over classes k and draws n.

    The evaluator asks a model of draws for arrays, such as ``nat_maps``, of the encoded image ``x``
    (1, ...) and its ``key``, uint64 (2,). ``rows``, int64 (K, P), are the prompts of each class, of
    which draw n uses n mod P. ``coefficients`` are float64 (K, N), those of a draw adding up to 0:
    a mean over n draws has 1 / n in n columns. Draws are alike where their columns are: the
    standard error is that of strata.
    """
    draws = coefficients.shape[1]
    used = np.argwhere(coefficients.T != 0)  # by draw, so that a draw's classes are together
    strata, stratum = np.unique(coefficients, axis=1, return_inverse=True)
    stratum = stratum.ravel()
    total: dict[int, np.ndarray] = {}
    square: dict[int, np.ndarray] = {}
    # Whole draws at a time, as many as a batch holds, and at least one.
    ends = np.flatnonzero(np.diff(used[:, 0], append=draws)) + 1
    width = max(1, evaluator.usage.batch_size // len(coefficients))
    bounds = [0, *ends[width - 1 :: width], len(used)]
    for draw, unit in (used[i:j].T for i, j in pairwise(bounds) if j > i):
        none = np.zeros(len(draw), dtype=np.int64)
        nats = evaluator(x, key[None], none, draw, rows[unit, draw % rows.shape[1]])
        shape = nats.shape[1:]
        weighted = nats.reshape(len(nats), -1) * coefficients[unit, draw][:, None]
        own, first = np.unique(draw, return_index=True)
        terms = np.add.reduceat(weighted, first)
        terms = np.concatenate([terms, terms.sum(axis=1, keepdims=True)], axis=1)
        for which in np.unique(stratum[own]):
            some = terms[stratum[own] == which]
            total[which] = total.get(which, 0.0) + some.sum(axis=0)
            square[which] = square.get(which, 0.0) + np.square(some).sum(axis=0)
    counts = np.bincount(stratum, minlength=strata.shape[1])
    variance = np.zeros(int(np.prod(shape)) + 1)
    for which, sums in total.items():
        n = counts[which]
        centred = np.maximum(square[which] - sums**2 / n, 0.0)
        variance += n / (n - 1) * centred if n > 1 else np.nan
    error = np.sqrt(variance)
    values = np.sum(list(total.values()), axis=0)[:-1].reshape(shape)
    return Terms(values, error[:-1].reshape(shape), float(error[-1]))


def part_terms(
    evaluator: Evaluator, x: torch.Tensor, rows: np.ndarray, parts: np.ndarray, signs: np.ndarray
) -> Terms:
    """Return the terms of Σ s_k · nats_k over classes k, each over its own first parts: exact.

    The evaluator asks a model of parts, as in :func:`draw_terms`. Of each of K classes, ``rows`` is
    the prompt, ``parts`` how many of the parts count, and ``signs`` s_k.
    """
    one, keys = np.zeros(1, dtype=np.int64), np.zeros((1, 2), dtype=np.uint64)
    values = sum(
        sign * evaluator(x, keys, one, range(int(count)), np.array([row]))[0]
        for row, count, sign in zip(rows, parts, signs, strict=True)
    )
    assert isinstance(values, np.ndarray)
    return Terms(values, np.zeros_like(values), 0.0)

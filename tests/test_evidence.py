"""Paired evidence: what the sums and the posterior are, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest

from synthesight.inference.evidence import PairedEvidence, posterior


@pytest.mark.parametrize("classes", [1, 2, 10, 60])
@pytest.mark.parametrize("size", [1e-3, 1.0, 40.0], ids=lambda s: f"size {s}")
@pytest.mark.parametrize("best_dropped", [False, True], ids=["", "best dropped"])
def test_the_posteriors_error_is_that_of_the_delta_method(classes, size, best_dropped):
    """Against the plain formula, also where one class is all but certain."""
    rng = np.random.default_rng(4)
    errors = rng.normal(size=(5, 30, classes)) + size * np.arange(classes)
    evidence = PairedEvidence(5, classes)
    slots = np.arange(5)
    evidence.clear(slots)
    evidence.add(slots, errors, np.full(5, 30))
    if best_dropped and classes > 1:
        evidence.alive_[slots, evidence.leader(slots)] = False
        evidence.add(slots, rng.normal(size=(5, 20, classes)), np.full(5, 20))
    _, mean, covariance = evidence.differences(slots)
    probability, error = posterior(mean, covariance)
    expected = np.exp(-mean) / np.exp(-mean).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probability, expected, rtol=1e-12)
    jacobian = expected[:, :, None] * (np.eye(classes) - expected[:, None, :])
    variance = np.einsum("bki,bij,bkj->bk", jacobian, covariance, jacobian)
    np.testing.assert_allclose(error, np.sqrt(np.maximum(variance, 0)), rtol=1e-9, atol=1e-12)

"""Classes of several labels, whose likelihoods are averaged: sums, and what a rule promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from synthesight.likelihood.draws import TREND
from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.grouped import class_evidence, of_classes
from synthesight.likelihood.rules import RepeatedTTest, Sequential

GROUPS = np.array([0, 0, 0, 1, 2, 2])


def evidence_of(errors: np.ndarray, trend: np.ndarray | None = None) -> PairedEvidence:
    """Of errors (B, N, U)."""
    images, draws, units = errors.shape
    evidence = PairedEvidence(images, units)
    slots = np.arange(images)
    evidence.clear(slots)
    evidence.add(slots, errors, np.full(images, draws), trend)
    return evidence


def log_mean_exp(errors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Exhaustive's evidence of classes: shape (B, K), of errors (B, N, U)."""
    unit = -errors.mean(axis=1)
    parts = [unit[:, groups == k] for k in range(groups.max() + 1)]
    return np.stack([logsumexp(p, axis=1) - np.log(p.shape[1]) for p in parts], axis=1)


def test_sums_of_classes_are_those_of_their_units_errors():
    rng = np.random.default_rng(0)
    errors = rng.normal(scale=3, size=(4, 30, 6)) + rng.normal(size=(4, 1, 6)) + 1000.0
    trend = rng.normal(size=(4, 30, TREND))
    classes = of_classes(evidence_of(errors, trend), np.arange(4), GROUPS)
    found = log_mean_exp(errors, GROUPS)
    _, share = class_evidence(errors.mean(axis=1), GROUPS)
    np.testing.assert_allclose(share.sum(axis=2), 1)
    each = np.einsum("bku,bnu->bnk", share, errors)
    each += (-found - each.mean(axis=1))[:, None]
    difference = each[:, :, :, None] - each[:, :, None, :]
    np.testing.assert_allclose(classes.total_, difference.sum(axis=1), atol=1e-8)
    np.testing.assert_allclose(classes.square_, np.square(difference).sum(axis=1), rtol=1e-8)
    waves = np.einsum("bnk,bnf->bkf", each, trend)
    np.testing.assert_allclose(
        classes.waves_ - classes.waves_[:, :1], waves - waves[:, :1], atol=1e-6
    )
    np.testing.assert_array_equal(classes.leader(np.arange(4)), found.argmax(axis=1))


def test_classes_of_one_unit_are_that_unit():
    errors = np.random.default_rng(1).normal(size=(3, 20, 5))
    units = evidence_of(errors, np.random.default_rng(2).normal(size=(3, 20, TREND)))
    classes = of_classes(units, np.arange(3), np.arange(5))
    for rule in (Sequential(60), RepeatedTTest()):
        np.testing.assert_array_equal(
            rule.review(classes, np.arange(3)), rule.review(units, np.arange(3))
        )
    np.testing.assert_allclose(classes.total_, units.total_, atol=1e-10)
    np.testing.assert_allclose(classes.square_, units.square_, atol=1e-10)


def test_evidence_of_classes_does_not_underflow():
    found, share = class_evidence(np.array([0.0, 900.0, 2000.0, 2001.0]), np.array([0, 1, 2, 2]))
    np.testing.assert_allclose(found[:2], [0, -900])
    assert found[2] == pytest.approx(-2000 + np.log((1 + np.exp(-1)) / 2))
    np.testing.assert_allclose(share[2, 2:].sum(), 1)


def losses(rule, errors: np.ndarray, groups: np.ndarray) -> float:
    """How often a rule drops the class that all draws would choose."""
    images, draws, units = errors.shape
    best = log_mean_exp(errors, groups).argmax(axis=1)
    evidence = PairedEvidence(images, units)
    slots = np.arange(images)
    evidence.clear(slots)
    for draw in range(draws - 1):
        evidence.add(slots, errors[slots, draw : draw + 1], np.ones(len(slots), dtype=int))
        if draw + 1 < rule.min_draws:
            continue
        kept = rule.review(of_classes(evidence, slots, groups), np.arange(len(slots)))
        evidence.alive_[slots] &= kept[:, groups]
        slots = slots[kept.sum(axis=1) > 1]
    return (
        1
        - evidence.alive_[np.arange(images), [np.flatnonzero(groups == b)[0] for b in best]].mean()
    )


@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0], ids=lambda s: f"scale {s}")
@pytest.mark.parametrize("labels", [(1, 1, 1), (20, 1, 3), (1, 40, 40)], ids=str)
def test_the_promise_holds_for_classes_of_many_labels(scale, labels):
    """Near ties, where chance is greatest, whether one label makes a class or all of them do."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(len(labels)), labels)
    images, draws, delta = 400, 60, 0.05
    common = rng.normal(size=(images, draws, 1))
    errors = scale * (common + rng.normal(size=(images, draws, len(groups))))
    # The same evidence for all classes, but for chance.
    errors += log_mean_exp(errors, groups)[:, None, groups]
    errors[:, :, groups == 0] -= 1e-3 * scale
    lost = losses(Sequential(draws, delta=delta), errors, groups)
    assert lost <= delta + 2 * np.sqrt(delta * (1 - delta) / images)

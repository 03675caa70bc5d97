"""Decision rules on simulated evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthesight.errors import SynthesightError
from synthesight.inference.evidence import PairedEvidence, posterior
from synthesight.inference.replay import replay
from synthesight.inference.rules import Exhaustive, RepeatedTTest, Sequential, Staged

DRAWS = 1000


def simulated(images: int, classes: int, draws: int, kind: str, seed: int = 0) -> np.ndarray:
    """Errors of hard images: several classes are all but tied, where a rule can go wrong."""
    rng = np.random.default_rng(seed)
    shape = (images, draws, classes)
    noise = {
        "normal": lambda: rng.normal(size=shape),
        "skewed": lambda: rng.exponential(size=shape) - 1.0,
        "heavy-tailed": lambda: rng.standard_t(3, size=shape) / np.sqrt(3),
    }[kind]()
    shared = 5.0 * rng.normal(size=(images, draws, 1))
    return np.abs(rng.normal(size=(images, 1, classes))) * 0.08 + noise + shared


@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy-tailed"])
@pytest.mark.parametrize("delta", [0.01, 0.1])
def test_sequential_keeps_its_promise(kind, delta):
    errors = simulated(1500, 5, 200, kind)
    reference, _ = replay(Exhaustive(200), errors)
    response, evaluations = replay(Sequential(200, delta), errors)
    wrong = np.mean(response != reference)
    # Three standard errors above the promise would be chance in 1 of 700 runs.
    assert wrong <= delta + 3 * np.sqrt(delta * (1 - delta) / len(errors))
    assert evaluations.mean() < 200 * 5


def test_a_repeated_t_test_breaks_the_promise_that_sequential_keeps(capsys):
    errors = simulated(800, 10, DRAWS, "normal")
    reference, full = replay(Exhaustive(DRAWS), errors)
    ours, our_cost = replay(Sequential(DRAWS, 0.01), errors)
    theirs, their_cost = replay(RepeatedTTest(DRAWS), errors)
    our_error, their_error = np.mean(ours != reference), np.mean(theirs != reference)
    with capsys.disabled():
        print(
            f"\n  exhaustive winner dropped: sequential (δ = 0.01) {our_error:.4f}, repeated t-test"
            f" {their_error:.4f}; evaluations {our_cost.mean() / full.mean():.2f} and "
            f"{their_cost.mean() / full.mean():.2f} of exhaustive"
        )
    assert our_error <= 0.01
    assert their_error > 0.01


def test_the_null_martingale_has_mean_one():
    """E[M_n] = 1 on Brownian bridges, which Ville's inequality rests on."""
    rng = np.random.default_rng(0)
    rule = Sequential(60)
    d = rng.normal(size=(200_000, 60))
    d -= d.mean(axis=1, keepdims=True)
    for n in (2, 5, 8):
        part = d[:, :n]
        log_m = rule.log_martingale(np.array(n), part.sum(axis=1), np.square(part).sum(axis=1))
        np.testing.assert_allclose(np.exp(log_m).mean(), 1.0, atol=0.02)


@pytest.mark.parametrize("classes", [2, 10])
def test_ville_bounds_the_crossing_of_the_worst_case(classes):
    """Two classes with equal sums over N draws: the leader is a toss, and rarely is one dropped."""
    rng = np.random.default_rng(3)
    d = rng.normal(size=(20_000, 200))
    d -= d.mean(axis=1, keepdims=True)
    rule = Sequential(200, 0.05)
    n = np.arange(1, 200)
    log_m = rule.log_martingale(n, d.cumsum(axis=1)[:, :-1], np.square(d).cumsum(axis=1)[:, :-1])
    crossed = (log_m >= np.log((classes - 1) / (2 * 0.05))) & (d.cumsum(axis=1)[:, :-1] > 0)
    assert crossed[:, 5:].any(axis=1).mean() <= 0.05 / (classes - 1) + 0.003


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 7), draws=st.integers(1, 70))
def test_rules_agree_where_nothing_is_in_doubt(seed, classes, draws):
    rng = np.random.default_rng(seed)
    errors = rng.normal(scale=0.01, size=(4, draws, classes)) + rng.permutation(classes)
    expected = errors.mean(axis=1).argmin(axis=1)
    for rule in (Exhaustive(draws), Staged(draws), Sequential(draws), RepeatedTTest(draws)):
        response, evaluations = replay(rule, errors)
        np.testing.assert_array_equal(response, expected)
        assert np.all(evaluations <= draws * classes)


def test_staged_in_published_proportions_costs_what_it_says():
    errors = simulated(3, 10, 200, "normal")
    _, evaluations = replay(Staged(200), errors)
    np.testing.assert_array_equal(evaluations, 20 * 10 + 180 * 5)


def test_sequential_with_all_draws_is_exhaustive():
    errors = simulated(50, 4, 40, "normal") * 1e-3 + np.random.default_rng(0).normal(
        size=(50, 40, 1)
    )
    response, _ = replay(Sequential(40, 1e-9), errors)
    reference, _ = replay(Exhaustive(40), errors)
    np.testing.assert_array_equal(response, reference)


def test_paired_sums_equal_plain_ones():
    errors = simulated(6, 5, 37, "normal")
    evidence = PairedEvidence(6, 5)
    slots = np.arange(6)
    evidence.clear(slots)
    for start in range(0, 37, 10):
        part = errors[:, start : start + 10]
        padded = np.full((6, 10, 5), np.nan)
        padded[:, : part.shape[1]] = part
        evidence.add(slots, padded, np.full(6, part.shape[1]))
    leader, mean, covariance = evidence.differences(slots)
    np.testing.assert_array_equal(leader, errors.mean(axis=1).argmin(axis=1))
    difference = errors - errors[slots, :, leader][:, :, None]
    np.testing.assert_allclose(mean, difference.mean(axis=1), atol=1e-12)
    expected = np.stack([np.cov(d.T) / 37 for d in difference])
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_posterior_error_is_that_of_repeated_measurements():
    rng = np.random.default_rng(5)
    truth = np.array([0.0, 0.4, 1.0])
    posteriors, errors = [], []
    for _ in range(400):
        evidence = PairedEvidence(1, 3)
        evidence.clear([0])
        evidence.add(np.array([0]), truth + rng.normal(size=(1, 100, 3)), np.array([100]))
        _, mean, covariance = evidence.differences(np.array([0]))
        probability, error = posterior(mean, covariance)
        posteriors.append(probability[0])
        errors.append(error[0])
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(posteriors, axis=0), rtol=0.12)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, 0.5])
def test_delta_must_be_a_probability_of_error(delta):
    with pytest.raises(SynthesightError, match="--delta"):
        Sequential(delta=delta)


def test_draws_must_be_positive():
    for rule in (Exhaustive, Staged, Sequential, RepeatedTTest):
        with pytest.raises(SynthesightError, match="--max-draws"):
            rule(max_draws=0)

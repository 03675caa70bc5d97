"""Decision rules on simulated evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaussian_mixture import GaussianMixtures
from synthesight.errors import SynthesightError
from synthesight.likelihood.draws import GOLDEN, TREND, trend_basis
from synthesight.likelihood.evidence import PairedEvidence, softmax
from synthesight.likelihood.rules import (
    Exhaustive,
    Predictive,
    RepeatedTTest,
    Sequential,
    Staged,
    find_rule,
    make_rule,
    replay,
    sequential,
)

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


def golden(images: int, draws: int, seed: int = 0) -> np.ndarray:
    """Positions of draws, as images have them."""
    offset = np.random.default_rng(seed).random((images, 1))
    return (offset + np.arange(draws) * GOLDEN) % 1.0


def of_two(d: np.ndarray, positions: np.ndarray, n: int) -> PairedEvidence:
    """Evidence after n draws between a class without error and one of error d."""
    evidence = PairedEvidence(len(d), 2)
    slots = np.arange(len(d))
    evidence.clear(slots)
    errors = np.stack([np.zeros_like(d[:, :n]), d[:, :n]], axis=2)
    evidence.add(slots, errors, np.full(len(d), n), trend_basis(positions)[:, :n])
    return evidence


def test_without_trend_is_least_squares():
    rng = np.random.default_rng(4)
    positions, n = golden(5, 40), 17
    d = rng.normal(size=(5, 40)) + 0.5
    leader, freedom, weight, total, square = of_two(d, positions, n).without_trend(np.arange(5))
    assert (freedom == n - TREND).all()
    sign = np.where(leader == 0, 1, -1)
    for image in range(5):
        phi = trend_basis(positions[image : image + 1])[0, :n]
        one, of_d = (
            y - phi @ np.linalg.lstsq(phi, y, rcond=None)[0] for y in (np.ones(n), d[image, :n])
        )
        other = 1 - leader[image]
        np.testing.assert_allclose(weight[image, 0], one @ one)
        np.testing.assert_allclose(total[image, other], sign[image] * (one @ of_d), atol=1e-12)
        np.testing.assert_allclose(square[image, other], of_d @ of_d)


def test_after_the_last_draw_the_trend_adds_up_to_nothing():
    d = np.random.default_rng(1).normal(size=(20, 30))
    evidence = of_two(d, golden(20, 30), 30)
    leader, _, weight, total, _ = evidence.without_trend(np.arange(20))
    np.testing.assert_array_equal(leader, evidence.leader(np.arange(20)))
    np.testing.assert_allclose(weight, 30)
    np.testing.assert_allclose(total.max(axis=1), np.abs(d.sum(axis=1)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.floats(0.1, 100.0), n=st.integers(6, 49))
def test_what_is_said_does_not_depend_on_the_trend(seed, size, n):
    rng = np.random.default_rng(seed)
    d, positions = rng.normal(size=(3, 50)), golden(3, 50, seed)
    phi = trend_basis(positions)
    bent = d + size * np.einsum("bnf,bf->bn", phi, rng.normal(size=(3, TREND)))
    plain = of_two(d, positions, n).without_trend(np.arange(3))
    for found, expected in zip(
        of_two(bent, positions, n).without_trend(np.arange(3)), plain, strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-9 * size**2, rtol=1e-6)


def null(images: int, draws: int, seed: int = 0) -> np.ndarray:
    """Differences whose sum over N draws is 0: Brownian bridges."""
    d = np.random.default_rng(seed).normal(size=(images, draws))
    return d - d.mean(axis=1, keepdims=True)


def test_the_null_martingale_has_mean_one():
    """E[M_n] = 1 on Brownian bridges, which Ville's inequality rests on."""
    rule = Sequential(60)
    d = null(200_000, 60)
    positions = golden(len(d), 60)
    for n in (2, 5, 8):
        part = d[:, :n]
        sums = np.array(n), np.array(n), part.sum(axis=1), np.square(part).sum(axis=1)
        np.testing.assert_allclose(np.exp(rule.log_martingale(*sums)).mean(), 1.0, atol=0.02)
    for n in (TREND + 2, 8):
        evidence = of_two(d, positions, n)
        leader, freedom, weight, total, square = evidence.without_trend(np.arange(len(d)))
        with np.errstate(divide="ignore", invalid="ignore"):  # of the leader with itself
            log_m = rule.log_martingale(freedom[:, None], weight, total, square)
        other = np.take_along_axis(log_m, 1 - leader[:, None], axis=1)
        np.testing.assert_allclose(np.exp(other).mean(), 1.0, atol=0.02)


@pytest.mark.parametrize("classes", [2, 10])
def test_ville_bounds_the_crossing_of_the_worst_case(classes):
    """Two classes with equal sums over N draws: the leader is a toss, and rarely is one dropped."""
    d = null(20_000, 200, seed=3)
    rule = Sequential(200, 0.05)
    n = np.arange(1, 200)
    total, square = d.cumsum(axis=1)[:, :-1], np.square(d).cumsum(axis=1)[:, :-1]
    log_m = rule.log_martingale(n, n, total, square)
    crossed = (log_m >= np.log((classes - 1) / (2 * 0.05))) & (total > 0)
    assert crossed[:, 5:].any(axis=1).mean() <= 0.05 / (classes - 1) + 0.003


NOISES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: (rng.gamma(4.0, size=shape) - 4.0) / 2.0,
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, size=shape) / np.sqrt(3),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1.0,
}


def tied(
    kind: str, images: int, ties: int, gap: float, winner: float, *, spread: float = 0.0
) -> np.ndarray:
    """Errors (B, 200, 10) where the first class wins by a hair: the worst case of the promise.

    ``ties`` others are level with it over all draws, and the rest worse by ``gap`` times the noise
    of a difference. The winner's noise is ``winner`` times that of the others, and skewed towards
    looking bad; theirs has log-normal ``spread``.
    """
    rng = np.random.default_rng(11)
    noise = NOISES[kind](rng, (images, 200, 10))
    noise *= np.exp(spread * rng.normal(size=(images, 1, 10)))
    noise[:, :, 0] *= winner
    noise -= noise.mean(axis=1, keepdims=True)
    gaps = np.concatenate([np.zeros(ties), np.full(9 - ties, gap)])
    noise[:, :, 1:] += gaps * np.hypot(1, winner) + 1e-6
    return noise


@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy-tailed"])
@pytest.mark.parametrize("winner", [0.5, 1.0, 2.0], ids=lambda w: f"noise x{w}")
@pytest.mark.parametrize(("ties", "gap"), [(9, 0.0), (3, 0.7), (1, 0.4), (1, 2.0)])
def test_the_promise_holds_where_the_winner_is_level_with_others(kind, winner, ties, gap):
    """However many are level, how soon the rest are gone, and whoever is noisier than whom."""
    images, delta = 1200, 0.05
    errors = tied(kind, images, ties, gap, winner, spread=0.2)
    response, _ = replay(Sequential(200, delta), errors, golden(images, 200))
    assert np.mean(response != 0) <= delta + 2 * np.sqrt(delta * (1 - delta) / images)


@pytest.mark.parametrize(
    ("kind", "winner", "ties", "gap", "delta"),
    [
        ("exponential", 0.5, 9, 0.0, 0.05),
        ("heavy-tailed", 0.5, 9, 0.0, 0.01),
        ("heavy-tailed", 1.0, 9, 0.0, 0.01),
        ("skewed", 0.5, 1, 2.0, 0.01),
    ],
)
def test_what_is_beyond_the_promise(kind, winner, ties, gap, delta, capsys):
    """Known limits, in docs/explanation/sequential-test.md: should this fail, a limit is gone."""
    errors = tied(kind, 4000, ties, gap, winner, spread=0.2)
    response, _ = replay(Sequential(200, delta), errors, golden(4000, 200))
    lost = np.mean(response != 0)
    with capsys.disabled():
        print(
            f"\n  {kind} noise, the winner's x{winner:g}, {ties} level: δ = {delta:g}, winner lost "
            f"{lost:.4f}"
        )
    assert lost > delta


def test_classes_lend_each_other_their_noise(monkeypatch):
    """Sixteen classes that are plainly apart need few draws, once their noise is known."""
    rng = np.random.default_rng(2)
    apart = 2 + 3 * rng.random((200, 1, 16))
    apart[:, :, 0] = 0
    errors = rng.normal(size=(200, 100, 16)) + apart
    response, cost = replay(Sequential(100), errors)
    monkeypatch.setattr(sequential, "ALIKE", 1e-9)
    alone, alone_cost = replay(Sequential(100), errors)
    assert (response == 0).all()
    assert (alone == 0).all()
    assert cost.mean() < 0.8 * alone_cost.mean()


def test_a_class_without_others_borrows_nothing():
    d = np.random.default_rng(3).normal(size=(20, 40)) + 0.5
    evidence = of_two(d, golden(20, 40), 12)
    slots = np.arange(20)
    leader, freedom, weight, total, square = evidence.without_trend(slots)
    others = np.ones((20, 2), dtype=bool)
    others[slots, leader] = False
    lent, _ = sequential.lent_variance(others, freedom[:, None], weight, total, square)
    assert (lent[slots, 1 - leader] == 0).all()


def test_what_is_lent_is_the_mean_variance_of_the_others():
    rng = np.random.default_rng(7)
    errors = rng.normal(size=(4, 12, 5)) * np.array([1.0, 1.0, 2.0, 3.0, 4.0])
    evidence = PairedEvidence(4, 5)
    slots = np.arange(4)
    evidence.clear(slots)
    evidence.add(slots, errors, np.full(4, 12))
    leader, freedom, weight, total, square = evidence.without_trend(slots)
    others = np.ones((4, 5), dtype=bool)
    others[slots, leader] = False
    lent, variance = sequential.lent_variance(others, freedom[:, None], weight, total, square)
    for image in range(4):
        rest = [k for k in range(5) if k != leader[image]]
        for k in rest:
            lenders = [j for j in rest if j != k]
            d = errors[image][:, lenders] - errors[image][:, leader[image], None]
            assert variance[image, k] == pytest.approx(d.var(axis=0, ddof=1).mean())
            assert 2 / lent[image, k] == pytest.approx(
                2 * (4 / 3) / sequential.ALIKE + 2 / (3 * 11)
            )


def test_knowing_the_times_keeps_the_promise_at_less_cost():
    """Errors that change with the draws' times, as those of networks do."""
    delta, positions = 0.05, golden(1500, 200)
    phi = trend_basis(positions)
    rng = np.random.default_rng(8)
    bend = 1.5 * rng.normal(size=(1500, TREND, 5))
    errors = simulated(1500, 5, 200, "normal") + np.einsum("bnf,bfk->bnk", phi, bend)
    errors = errors + 0.4 * rng.random((1500, 1, 5))
    reference, _ = replay(Exhaustive(200), errors)
    blind, blind_cost = replay(Sequential(200, delta), errors)
    response, cost = replay(Sequential(200, delta), errors, positions)
    limit = delta + 3 * np.sqrt(delta * (1 - delta) / len(errors))
    assert np.mean(blind != reference) <= limit
    assert np.mean(response != reference) <= limit
    assert cost.mean() < 0.9 * blind_cost.mean()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 7), draws=st.integers(1, 70))
def test_rules_agree_where_nothing_is_in_doubt(seed, classes, draws):
    rng = np.random.default_rng(seed)
    errors = rng.normal(scale=0.01, size=(4, draws, classes)) + rng.permutation(classes)
    expected = errors.mean(axis=1).argmin(axis=1)
    rules = Exhaustive, Staged, Sequential, Predictive, RepeatedTTest
    for rule in (kind(draws) for kind in rules):
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


def gap(errors: np.ndarray, response: np.ndarray) -> np.ndarray:
    """By how much a choice is worse than that of all draws."""
    mean = errors.mean(axis=1)
    return np.take_along_axis(mean, response[:, None], axis=1)[:, 0] - mean.min(axis=1)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_a_choice_is_within_the_indifference_zone(kind):
    """The worst case: a staircase of classes, each just within η of the next."""
    images, draws, eta, delta = 500, 60, 0.5, 0.05
    noise = NOISES[kind](np.random.default_rng(1), (images, draws, 5))
    noise -= noise.mean(axis=1, keepdims=True)
    for steps in ([0.0, 0.9, 1.8, 2.7, 3.6], [0.0, 1.01, 1.02, 1.03, 1.04]):
        errors = noise + eta * np.array(steps)
        plain, plain_cost = replay(Sequential(draws, delta), errors, golden(images, draws))
        response, cost = replay(Sequential(draws, delta, eta), errors, golden(images, draws))
        beyond = np.mean(gap(errors, response) > eta)
        assert beyond <= delta + 2 * np.sqrt(delta * (1 - delta) / images)
        assert cost.mean() < 0.9 * plain_cost.mean()
        assert np.mean(plain != 0) <= delta + 2 * np.sqrt(delta * (1 - delta) / images)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), eta=st.floats(0.0, 3.0), more=st.floats(0.0, 3.0))
def test_a_wider_zone_never_costs_more(seed, eta, more):
    errors = simulated(20, 4, 60, "normal", seed)
    narrow, narrow_cost = replay(Sequential(60, 0.05, eta), errors, golden(20, 60))
    _, wide_cost = replay(Sequential(60, 0.05, eta + more), errors, golden(20, 60))
    assert (wide_cost <= narrow_cost).all()
    if not eta:
        assert (narrow == replay(Sequential(60, 0.05), errors, golden(20, 60))[0]).all()


@pytest.mark.parametrize("eta", [-0.1, float("nan"), float("inf"), "wide"])
def test_the_indifference_zone_must_be_a_number_from_0(eta):
    with pytest.raises(SynthesightError, match=r"`eta=.*` is no indifference zone"):
        Sequential(eta=eta)


def test_what_is_predicted_is_how_often_it_happens():
    """Where differences are as wide as the flat prior says, of two classes and of eight."""
    rng = np.random.default_rng(6)
    for classes, delta in ((2, 0.2), (8, 0.1)):
        errors = 3.0 * rng.normal(size=(800, 1, classes)) + rng.normal(size=(800, 40, classes))
        errors -= rng.normal(size=(800, 40, 1))
        response, cost = replay(Predictive(40, delta), errors, golden(800, 40))
        reference, _ = replay(Exhaustive(40), errors)
        assert np.mean(response != reference) <= delta
        _, certain = replay(Sequential(40, delta), errors, golden(800, 40))
        assert cost.mean() < certain.mean()


def test_the_prediction_is_students(monkeypatch):
    """Against draws of the posterior: the sum of what is left, given what was seen."""
    monkeypatch.setattr(sequential, "ALIKE", 1e-9)
    d = np.random.default_rng(9).normal(size=(1, 30)) + 0.25
    n, most = 12, 30
    evidence = of_two(d, golden(1, 30), n)
    leader, freedom, weight, total, square = evidence.without_trend(np.arange(1))
    others = np.arange(2)[None, :] != leader[:, None]
    found = Predictive(most).chance(others, freedom[:, None], weight, total, square)[others][0]
    rng = np.random.default_rng(0)
    phi = np.column_stack([np.ones(most), trend_basis(golden(1, 30))[0]])
    y = d[0] if leader[0] == 0 else -d[0]
    fit, *_ = np.linalg.lstsq(phi[:n], y[:n], rcond=None)
    left = n - phi.shape[1]
    variance = np.square(y[:n] - phi[:n] @ fit).sum() / rng.chisquare(left, size=100_000)
    root = np.linalg.cholesky(np.linalg.inv(phi[:n].T @ phi[:n]))
    beta = fit + np.sqrt(variance)[:, None] * (rng.normal(size=(100_000, 4)) @ root.T)
    rest = beta @ phi[n:].sum(axis=0)
    rest += np.sqrt(variance * (most - n)) * rng.normal(size=100_000)
    assert found == pytest.approx(np.mean(y[:n].sum() + rest < 0), abs=0.005)


def test_score_error_is_that_of_repeated_measurements():
    rng = np.random.default_rng(5)
    truth = np.array([0.0, 0.4, 1.0])
    scores, errors = [], []
    for _ in range(400):
        evidence = PairedEvidence(1, 3)
        evidence.clear([0])
        evidence.add(np.array([0]), truth + rng.normal(size=(1, 100, 3)), np.array([100]))
        _, mean, covariance = evidence.differences(np.array([0]))
        probability, error = softmax(mean, covariance)
        scores.append(probability[0])
        errors.append(error[0])
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(scores, axis=0), rtol=0.12)


@pytest.mark.filterwarnings("error")
def test_the_least_delta_that_can_be_written():
    rule = Sequential(20, delta=5e-324)
    response, _ = replay(rule, simulated(20, 3, 20, "normal"))
    assert len(response) == 20


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, 0.5])
def test_delta_must_be_a_probability_of_error(delta):
    for rule in (Sequential, Predictive):
        with pytest.raises(SynthesightError, match="`delta="):
            rule(delta=delta)


@pytest.mark.parametrize("draws", [0, 2.5, 10**12])
def test_draws_must_be_so_many_as_can_be(draws):
    for rule in (Exhaustive, Staged, Sequential, Predictive, RepeatedTTest):
        with pytest.raises(SynthesightError, match=r"`max_draws=.* whole number from 1 to 100000"):
            rule(max_draws=draws)


def test_another_package_adds_a_rule_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "hasty.py").write_text(
        "from dataclasses import dataclass\n"
        "from synthesight.likelihood import Exhaustive\n\n"
        "@dataclass(frozen=True)\n"
        "class Hasty(Exhaustive):\n"
        "    name = 'hasty'\n"
        "    max_draws: int = 3\n"
    )
    metadata = tmp_path / "hasty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hasty\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[synthesight.rules]\nhasty = hasty:Hasty\n")
    monkeypatch.syspath_prepend(tmp_path)
    rule = find_rule("hasty")()
    _, evaluations = replay(rule, simulated(2, 4, 5, "normal"))
    assert evaluations.tolist() == [12, 12]
    with pytest.raises(SynthesightError, match="no `rule='hasti'`: did you mean hasty"):
        find_rule("hasti")


def test_rules_are_made_by_name_with_their_own_options():
    model = GaussianMixtures(np.zeros((2, 1, 12)))
    assert make_rule(None, model) == Sequential()
    assert make_rule("staged", model, max_draws=40, delta=None) == Staged(40)
    assert make_rule("sequential", model, delta=0.1, eta=0.5) == Sequential(delta=0.1, eta=0.5)
    assert make_rule("predictive", model, delta=0.1) == Predictive(delta=0.1)
    with pytest.raises(SynthesightError, match=r"exhaustive has no `delta=0\.1`: leave it out"):
        make_rule("exhaustive", model, delta=0.1)
    with pytest.raises(SynthesightError, match="`max_draws=9` was given beside a rule"):
        make_rule(Sequential(), model, max_draws=9)
    with pytest.raises(SynthesightError, match="no `rule='best'`: choose among sequential, "):
        make_rule("best", model)
    with pytest.raises(SynthesightError, match="did you mean sequential"):
        make_rule("sequentiel", model)


def test_stages_count_draws_and_classes_or_share_them():
    errors = simulated(50, 8, 20, "normal")
    shares, counts = Staged(20, ((0.25, 0.5), (0.5, 0.25))), Staged(20, ((5, 4), (10, 2)))
    for first, second in zip(replay(shares, errors), replay(counts, errors), strict=True):
        np.testing.assert_array_equal(first, second)
    kept = np.argsort(errors[:, :5].sum(axis=1), axis=1)[:, :4]
    response, evaluations = replay(Staged(20, ((5, 4), (20, 1))), errors)
    best = np.take_along_axis(errors.sum(axis=1), kept, axis=1).argmin(axis=1)
    np.testing.assert_array_equal(response, kept[np.arange(50), best])
    assert (evaluations == 4 * 5 + 4 * 20).all()
    # More candidates than classes are all of them.
    assert (replay(Staged(20, ((5, 10),)), errors)[1] == 8 * 20).all()


@pytest.mark.parametrize(
    "stages", [((6, 0),), ((0, 3),), ((12, 3),), ((6, 3), (4, 2)), ((6, 1.5),), (6, 3)]
)
def test_stages_that_cannot_be_are_refused(stages):
    with pytest.raises(SynthesightError, match=r"`stages=.*` cannot be: give pairs"):
        Staged(10, stages)

"""Paired evidence: what the sums and the score are, and what they cost."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from builders import noise_stimuli
from gaussian_mixture import GaussianMixtures
from synthesight.likelihood import evidence as module
from synthesight.likelihood import queue as work
from synthesight.likelihood.diffusion import DenoiserLikelihood
from synthesight.likelihood.draws import TREND
from synthesight.likelihood.engine import Engine
from synthesight.likelihood.evidence import PairedEvidence, softmax
from synthesight.likelihood.rules import Exhaustive, RepeatedTTest, Rule, Sequential, Staged
from synthesight.stimuli.stimulus import Stimulus

TEMPORARY = 2**27  # bytes, a quarter of the ceiling of the paired sums


def peak(work: Callable[[], object]) -> int:
    """Bytes of numpy's arrays that a piece of work needs at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def few_left(images: int, classes: int, left: int) -> PairedEvidence:
    """Evidence without draws, a few random classes of each image in the running."""
    evidence = PairedEvidence(images, classes)
    evidence.clear(np.arange(images))
    order = np.random.default_rng(0).permuted(np.tile(np.arange(classes), (images, 1)), axis=1)
    evidence.alive_[:] = order < left
    return evidence


@pytest.mark.parametrize(
    ("images", "draws", "left"),
    [(8, 1, 3), (8, 32, 3), (8, 1, 1000), (1, 32, 1000)],
    ids=lambda n: str(n),
)
def test_draws_of_a_thousand_classes_are_taken_in_within_bounds(images, draws, left):
    evidence = few_left(images, 1000, left)
    errors = np.random.default_rng(1).normal(size=(images, draws, 1000))
    trend = np.zeros((images, draws, TREND))
    slots, count = np.arange(images), np.full(images, draws)
    assert peak(lambda: evidence.add(slots, errors, count, trend)) < TEMPORARY


@pytest.mark.parametrize(
    "rule", [Sequential(60), Staged(60), RepeatedTTest(60)], ids=lambda r: r.name
)
def test_a_thousand_classes_are_reviewed_within_bounds(rule):
    evidence = few_left(20, 1000, 1000)
    slots = np.arange(20)
    evidence.add(slots, np.random.default_rng(1).normal(size=(20, 2, 1000)), np.full(20, 2))
    assert peak(lambda: rule.review(evidence, slots)) < TEMPORARY


def engine(rule: Rule, classes: int, **options) -> tuple[Engine, list[Stimulus]]:
    rng = np.random.default_rng(2)
    model = GaussianMixtures(rng.normal(scale=0.4, size=(classes, 1, 12)))
    rows = np.arange(classes)[:, None]
    stimuli = noise_stimuli(rng, 40)
    conditioning = model.prepare([str(k) for k in range(classes)])
    likelihood = DenoiserLikelihood(model, "uniform")
    return Engine(likelihood, rows, conditioning, rule, **options), stimuli


@pytest.mark.parametrize("averaged", [False, True], ids=["classes", "labels"])
def test_the_engine_keeps_within_the_ceiling_of_memory(monkeypatch, averaged):
    """Forty images of 200 units are reviewed and decided together, in a ceiling of 32 MiB."""
    monkeypatch.setattr(work, "PAIRED_BYTES", 2**25)
    groups = np.repeat(np.arange(10), 20) if averaged else None
    found, stimuli = engine(
        Exhaustive(8), 200, batch_size=40 * 8 * 200, groups=groups, averaged=averaged
    )
    count = 0

    def run() -> None:
        nonlocal count
        for decision in found.run(stimuli):
            count += decision.error is None

    assert peak(run) < 2**25 + TEMPORARY
    assert count == 40


def test_unreadable_images_take_no_memory_of_pairs():
    found, _ = engine(Exhaustive(8), 1000, batch_size=256)
    broken = [Stimulus(id=f"b{i}.png", source=b"not an image") for i in range(40)]
    assert peak(lambda: list(found.run(broken))) < work.PAIRED_BYTES + TEMPORARY


@pytest.mark.parametrize("rule", [Staged(60), RepeatedTTest(60)], ids=lambda r: r.name)
def test_only_the_draws_that_are_there_are_taken_in(monkeypatch, rule):
    """One at a time after twenty, and the last of a stage after chunks of 32."""
    widths = []
    whole = PairedEvidence.add

    def add(self, slots, errors, draws, trend=None):
        widths.append((errors.shape[1], trend.shape[1], draws.max()))
        whole(self, slots, errors, draws, trend)

    monkeypatch.setattr(PairedEvidence, "add", add)
    found, stimuli = engine(rule, 5, batch_size=16)
    assert len(list(found.run(stimuli))) == 40
    assert len({width for _, _, width in widths}) > 1
    assert all(errors == trend == width for errors, trend, width in widths)


@pytest.mark.parametrize("cells", [1, 60, 2**16])
@pytest.mark.parametrize("classes", [2, 7])
def test_sums_are_over_the_draws_that_both_classes_saw(monkeypatch, cells, classes):
    """However the images are cut into blocks, and whoever is in the running in each of them."""
    monkeypatch.setattr(module, "CELLS", cells)
    rng = np.random.default_rng(3)
    images, width = 9, 4
    evidence = PairedEvidence(images + 2, classes)
    evidence.clear(np.arange(images + 2))
    slots = rng.permutation(images + 2)[:images]
    total = np.zeros((images + 2, classes, classes))
    square = total.copy()
    for _ in range(5):
        errors = 100 + rng.normal(size=(images, width, classes))
        draws = rng.integers(1, width + 1, size=images)
        for image, slot in enumerate(slots):
            errors[image, draws[image] :] = np.nan
            errors[image][:, ~evidence.alive_[slot]] = np.nan
            d = errors[image, : draws[image], :, None] - errors[image, : draws[image], None, :]
            total[slot] += np.nan_to_num(d.sum(axis=0))
            square[slot] += np.nan_to_num(np.square(d).sum(axis=0))
        evidence.add(slots, errors, draws)
        kept = evidence.alive_[slots] & (rng.random((images, classes)) < 0.8)
        kept[np.arange(images), rng.integers(classes, size=images)] = True
        evidence.alive_[slots] &= kept | ~(evidence.alive_[slots] & kept).any(axis=1)[:, None]
    np.testing.assert_allclose(evidence.total_, total, atol=1e-11)
    np.testing.assert_allclose(evidence.square_, square, atol=1e-11)


@pytest.mark.parametrize("classes", [1, 2, 10, 60])
@pytest.mark.parametrize("size", [1e-3, 1.0, 40.0], ids=lambda s: f"size {s}")
@pytest.mark.parametrize("best_dropped", [False, True], ids=["", "best dropped"])
def test_the_score_error_is_that_of_the_delta_method(classes, size, best_dropped):
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
    probability, error = softmax(mean, covariance)
    expected = np.exp(-mean) / np.exp(-mean).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probability, expected, rtol=1e-12)
    jacobian = expected[:, :, None] * (np.eye(classes) - expected[:, None, :])
    variance = np.einsum("bki,bij,bkj->bk", jacobian, covariance, jacobian)
    np.testing.assert_allclose(error, np.sqrt(np.maximum(variance, 0)), rtol=1e-9, atol=1e-12)

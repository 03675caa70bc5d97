"""Watching a race changes neither the answer nor its cost, and shows the evidence it had."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import synthesight
from coloured_noise import CLASSES, Colours
from synthesight.observers import GenerativeClassifier
from synthesight.observers.observer import Observer
from synthesight.observers.watching import watch
from synthesight.stimuli.stimulus import Stimulus
from token_models import CountingModel


def dull(seed: int = 3) -> Stimulus:
    """An image half way between red and grey, so that green and blue are dropped before these."""
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal([186, 69, 69], 20, (8, 8, 3)), 0, 255).astype(np.uint8)
    return Stimulus(f"dull-{seed}.png", Image.fromarray(pixels))


def colours(**how) -> GenerativeClassifier:
    return GenerativeClassifier(Colours(), classes=CLASSES, batch_size=3, **how)


@pytest.mark.parametrize("rule", ["sequential", "exhaustive"])
def test_watching_changes_nothing_and_ends_at_the_evidence_of_the_answer(rule):
    told = []
    answer, race = watch(colours(rule=rule, max_draws=60), dull(), tell=told.append)
    (alone,) = colours(rule=rule, max_draws=60).respond([dull()])
    assert answer.response == alone.response == race.leader
    assert answer.evaluations == alone.evaluations == race.evaluations
    assert np.array_equal(answer.evidence, alone.evidence)
    assert race.evidence[-1] == pytest.approx(answer.evidence, rel=1e-9)
    assert race.running.sum(axis=0).tolist() == answer.draws.tolist()
    spent = [each.evaluations for each in told]
    assert spent == sorted(set(spent))
    assert len(told) > 5
    # What is told on the way is what the end knows of those draws.
    early = told[len(told) // 2]
    both = early.running[-1]
    later = race.evidence[len(early.nats) - 1]
    earlier = early.evidence[-1]
    assert np.diff(earlier[both]) == pytest.approx(np.diff(later[both]), rel=1e-9)


def test_a_class_that_is_dropped_has_no_later_rows():
    answer, race = watch(colours(max_draws=60), dull())
    last = dict(race.frame().group_by("class").len().iter_rows())
    assert last == dict(zip(CLASSES, answer.draws.tolist(), strict=True))
    assert min(last.values()) < max(last.values())


@pytest.mark.parametrize("combine", ["logsumexp", "best"])
def test_classes_of_several_labels_race_as_classes(combine):
    model = GenerativeClassifier(
        Colours(), labels={"warm": ["red"], "cold": ["green", "blue"]}, classes=["warm", "cold"],
        combine=combine, rule="exhaustive", max_draws=12, batch_size=5,
    )  # fmt: skip
    answer, race = watch(model, dull())
    assert race.evidence.shape == (12, 2)
    assert race.evidence[-1] == pytest.approx(answer.evidence, rel=1e-9)


def test_parts_add_up(tmp_path):
    counts = np.random.default_rng(0).integers(1, 9, (3, 4, 2))
    model = GenerativeClassifier(CountingModel(counts), classes=["0", "1", "2"])
    answer, race = watch(model, Stimulus("grey.png", Image.new("L", (2, 2), 200)))
    assert race.parts
    assert race.evidence[-1] == pytest.approx(answer.evidence)


def test_who_has_no_likelihood_answers_at_once():
    network: Observer = synthesight.load("natural-32-cnn", device="cpu")
    answer, race = watch(network, dull(), ["cat", "dog"], tell=pytest.fail)
    assert answer.response in ("cat", "dog")
    assert race is None


def test_what_the_watcher_raises_ends_the_work():
    class EnoughError(Exception):
        pass

    def tell(race):
        raise EnoughError

    with pytest.raises(EnoughError):
        watch(colours(max_draws=60), dull(), tell=tell)


def test_an_image_that_cannot_be_read_has_no_race():
    answer, race = watch(colours(max_draws=4), Stimulus("broken.png", b"nothing"))
    assert race is None
    assert "broken.png" in answer.error

"""What is chosen by measurement: it never changes an answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import synthesight
from synthesight.inference import tuning
from synthesight.inference.rules import Exhaustive
from synthesight.observers.generative import classifier
from synthesight.stimuli.drawn import drawn_objects

CLASSES = ["car", "cat"]


@pytest.fixture
def observer():
    return synthesight.load(
        "natural-32", classes=CLASSES, device="cpu", rule=Exhaustive(4), batch_size=8
    )


@pytest.fixture
def stimuli():
    return drawn_objects(shapes=CLASSES, per_category=3, size=32)


def answers(observer, stimuli):
    return {r.stimulus.id: r.evidence for r in observer.respond(stimuli)}


def test_short_work_is_not_compiled(observer, stimuli):
    network = observer.model.network
    answers(observer, stimuli)
    assert observer.model.network is network


@pytest.mark.parametrize("outcome", ["faster", "slower", "fails"])
def test_compilation_is_kept_only_if_it_pays(observer, stimuli, monkeypatch, outcome):
    plain = answers(observer, stimuli)
    network = observer.model.network
    replacement = torch.nn.Module()
    replacement.forward = network.forward

    def compiled(module, dynamic):
        if outcome == "fails":
            raise RuntimeError("no compiler")
        return replacement

    times = iter([1.0, 0.5 if outcome == "faster" else 1.0])
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(tuning, "LONG", 0.0)
    monkeypatch.setattr(tuning, "_seconds", lambda *_: next(times))
    found = answers(observer, stimuli)
    assert observer.model.network is (replacement if outcome == "faster" else network)
    for key, evidence in plain.items():
        np.testing.assert_allclose(found[key], evidence, atol=1e-3)


def test_other_errors_in_measuring_are_not_swallowed(observer, monkeypatch):
    conditioning = observer.model.prepare(["a cat"])

    def errors(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(observer.model, "errors", errors)
    with pytest.raises(RuntimeError, match="a bug"):
        tuning.best_batch_size(observer.model, conditioning)


def test_transformers_keep_their_memory_format(observer):
    conditioning = observer.model.prepare(["a cat"])
    assert tuning.choose_memory_format(observer.model, conditioning) == "contiguous"


def test_what_was_measured_is_kept_for_later_calls(observer, stimuli, monkeypatch):
    observer.batch_size = None
    measured = []
    monkeypatch.setattr(classifier, "best_batch_size", lambda *_: measured.append(1) or 8)
    answers(observer, stimuli)
    answers(observer, stimuli)
    assert len(measured) == 1


def test_a_compiled_network_keeps_its_one_shape_in_short_work(observer, stimuli, monkeypatch):
    """Compiled for one shape, it would be compiled again for each ragged batch."""
    monkeypatch.setattr(classifier, "compile_network", lambda *_: True)
    answers(observer, stimuli)
    monkeypatch.setattr(classifier, "compile_network", lambda *_: False)
    sizes = []
    whole = observer.model.errors
    monkeypatch.setattr(
        observer.model, "errors", lambda x, *rest: sizes.append(len(x)) or whole(x, *rest)
    )
    observer.rule = Exhaustive(5)
    answers(observer, stimuli[:1])
    assert set(sizes) == {8}

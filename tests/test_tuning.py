"""What is chosen by measurement: it never changes an answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import synthesight
from synthesight.errors import SynthesightError
from synthesight.likelihood import tuning
from synthesight.likelihood.packing import pack, unpack
from synthesight.likelihood.rules import Exhaustive
from synthesight.observers.generative import GenerativeClassifier
from synthesight.stimuli.make.drawn import drawn_objects

CLASSES = ["car", "cat"]


def load(batch_size=8):
    return synthesight.load(
        "natural-32", classes=CLASSES, device="cpu", rule=Exhaustive(4), batch_size=batch_size
    )


@pytest.fixture
def observer():
    return load()


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
    plain = answers(load(), stimuli)
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
    monkeypatch.setattr(tuning, "SHARE", 1e6)
    monkeypatch.setattr(tuning, "choose_packing", lambda *_: False)
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
        tuning.best_batch_size(observer.likelihood, conditioning)


def test_transformers_keep_their_memory_format(observer):
    conditioning = observer.model.prepare(["a cat"])
    assert tuning.choose_memory_format(observer.likelihood, conditioning) == "contiguous"


@pytest.mark.parametrize(("batch_size", "largest"), [(1, 1), (4, 4), (None, 8), (64, 8)])
def test_the_memory_format_is_measured_with_no_more_than_is_asked_for(
    observer, monkeypatch, batch_size, largest
):
    sizes = []
    monkeypatch.setattr(observer.model, "network", torch.nn.Conv2d(3, 3, 3))
    monkeypatch.setattr(tuning, "_seconds", lambda *given: sizes.append(given[-1]) or 1.0)
    monkeypatch.setattr(tuning, "best_batch_size", lambda *_: (16, True))
    tuning.Tuner(batch_size).tune(observer.likelihood, None, 1e6)
    assert sizes[:2] == [largest] * 2


def test_what_was_measured_is_kept_for_later_calls(observer, stimuli, monkeypatch):
    observer.tuner.batch_size = None
    measured = []
    monkeypatch.setattr(tuning, "best_batch_size", lambda *_: (measured.append(1) or 8, True))
    answers(observer, stimuli)
    answers(observer, stimuli)
    assert len(measured) == 1


def test_a_compiled_network_keeps_its_one_shape_in_short_work(observer, stimuli, monkeypatch):
    """Compiled for one shape, it would be compiled again for each ragged batch."""
    monkeypatch.setattr(tuning, "compile_network", lambda *_: True)
    monkeypatch.setattr(tuning, "SHARE", 1e6)
    answers(observer, stimuli)
    monkeypatch.setattr(tuning, "compile_network", lambda *_: False)
    sizes = []
    whole = observer.model.errors
    monkeypatch.setattr(
        observer.model, "errors", lambda x, *rest: sizes.append(len(x)) or whole(x, *rest)
    )
    observer.rule = Exhaustive(5)
    answers(observer, stimuli[:1])
    assert set(sizes) == {8}


def test_nothing_is_measured_or_encoded_again(observer, stimuli, monkeypatch):
    """Three calls, and only the first measures, or reads the prompts."""
    evaluated, prepared = [], []
    errors, prepare = observer.model.errors, observer.model.prepare
    monkeypatch.setattr(
        observer.model, "errors", lambda x, *rest: evaluated.append(len(x)) or errors(x, *rest)
    )
    monkeypatch.setattr(
        observer.model, "prepare", lambda texts: prepared.append(texts) or prepare(texts)
    )
    answers(observer, stimuli[:1])
    evaluated.clear()
    answers(observer, stimuli[:1])
    answers(observer, stimuli[:2])
    assert sum(evaluated) == 3 * len(CLASSES) * 4
    assert len(prepared) == 1
    list(observer.respond(stimuli[:1], ["car", "dog"]))
    assert len(prepared) == 2


@pytest.mark.parametrize(
    ("work", "measured", "size"), [(8, 0, 8), (160, 9, 16), (4000, 189, 32), (1e5, 573, 64)]
)
def test_measuring_costs_a_share_of_the_work_to_come(observer, monkeypatch, work, measured, size):
    """One image of ten classes is 200 evaluations; measured to the end, it would be 600 more."""
    spent = []
    monkeypatch.setattr(
        tuning, "_seconds", lambda *given: spent.append(tuning.RUNS * given[-1]) or 0.01
    )
    monkeypatch.setattr(tuning, "choose_packing", lambda *_: False)
    monkeypatch.setattr(tuning, "LARGEST", 64)
    tuner = tuning.Tuner()
    assert tuner.tune(observer.likelihood, None, work) == size
    assert sum(spent) == measured
    assert sum(spent) <= tuning.SHARE * work
    # Short work leaves it to longer work to measure.
    assert tuner.tune(observer.likelihood, None, 1e6) == 64


def test_a_batch_is_small_where_one_evaluation_takes_long(observer, monkeypatch):
    monkeypatch.setattr(tuning, "_seconds", lambda *given: 0.5 * given[-1])
    size, measured = tuning.best_batch_size(observer.likelihood, None, tuning.Purse(8))
    assert (size, measured) == (4, False)


def test_a_busy_machine_does_not_make_batches_smaller_than_is_usual(observer, monkeypatch):
    """Where each run takes as long as others leave it: single evaluations looked fastest."""
    monkeypatch.setattr(
        tuning, "_seconds", lambda *given: given[-1] * (0.001 if given[-1] <= 2 else 0.05)
    )
    assert tuning.best_batch_size(observer.likelihood, None) == (tuning.USUAL["cpu"], True)


@pytest.mark.parametrize(
    ("seconds", "packed"),
    [([1.0, 0.5, 1.0], True), ([1.0, 0.99], False), ([1.0, 0.5, 0.5], False)],
)
def test_weights_are_packed_only_if_it_pays(observer, monkeypatch, seconds, packed):
    times = iter(seconds)
    monkeypatch.setattr(tuning, "_seconds", lambda *_: next(times))
    assert tuning.choose_packing(observer.likelihood, None) is packed
    assert unpack(observer.model.network) is packed


def test_what_was_packed_is_recorded_and_undone_where_bits_count(observer, stimuli, monkeypatch):
    def packing(model, *_):
        return bool(pack(model.denoiser.network))

    monkeypatch.setattr(tuning, "choose_packing", packing)
    monkeypatch.setattr(tuning, "SHARE", 1e6)
    plain = answers(load(), stimuli[:2])
    found = answers(observer, stimuli[:2])
    assert observer.computing()["packed"]
    for key, evidence in plain.items():
        np.testing.assert_allclose(found[key], evidence, atol=1e-3)
    observer.tuner.fixed(observer.likelihood)
    assert not unpack(observer.model.network)
    assert not observer.computing()["packed"]


def test_a_batch_that_does_not_fit_is_halved_and_the_size_kept(observer, stimuli, monkeypatch):
    """The measurement before the engine starts may run out of memory as well."""
    plain = answers(observer, stimuli)
    observer = load(16)
    errors, sizes = observer.model.errors, []

    def limited(x, *rest):
        sizes.append(len(x))
        if len(x) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return errors(x, *rest)

    monkeypatch.setattr(observer.model, "errors", limited)
    for _ in range(2):
        sizes.clear()
        found = answers(observer, stimuli)
        for key, evidence in plain.items():
            np.testing.assert_allclose(found[key], evidence, atol=1e-3)
    assert max(sizes) == 4


def test_a_model_that_does_not_fit_is_one_sentence(monkeypatch):
    def too_large(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.nn.Module, "to", too_large)
    with pytest.raises(SynthesightError, match="natural-32 does not fit in the memory of cpu"):
        synthesight.load("natural-32", device="cpu")


def test_an_image_that_does_not_fit_is_one_sentence(observer, stimuli, monkeypatch):
    def too_large(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(observer.model, "errors", too_large)
    with pytest.raises(SynthesightError, match="not even one image fits in memory"):
        answers(observer, stimuli)
    monkeypatch.setattr(observer.model, "encode", too_large)
    observer = GenerativeClassifier(observer.model, classes=CLASSES)
    with pytest.raises(SynthesightError, match="not even one image fits in memory"):
        answers(observer, stimuli)


@pytest.mark.parametrize("device", ["xpu", "meta"])
def test_devices_that_cannot_be_used(device):
    with pytest.raises(SynthesightError, match="choose `device=cpu`"):
        synthesight.load("natural-32", device=device)

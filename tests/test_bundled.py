"""The two models that ship, through the API that users call."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

import synthesight
from synthesight.errors import SynthesightError
from synthesight.evaluation import evaluate
from synthesight.likelihood.denoiser import NonFiniteOutput
from synthesight.likelihood.rules import Exhaustive, Sequential
from synthesight.observers import registry
from synthesight.stimuli.categories import SHARED_SEVEN
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.make.drawn import drawn_objects

CLASSES = ["car", "cat", "boat"]


@pytest.fixture(scope="module")
def stimuli():
    return drawn_objects(shapes=CLASSES, per_category=4, size=64)


@pytest.fixture(scope="module")
def images(stimuli) -> list[Image.Image]:
    return [stimulus.open() for stimulus in stimuli]


def test_bundled_models_are_small_and_pickle_nothing():
    for entry in registry.entries().values():
        if entry.source != "bundled":
            continue
        folder = registry.ZOO / entry.name
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= 16e6
        assert {path.suffix for path in files} <= {".json", ".safetensors", ".md"}
        assert (folder / "README.md").is_file()


def test_natural_32_is_an_ordinary_diffusers_folder():
    index = json.loads((registry.ZOO / "natural-32" / "model_index.json").read_text())
    assert index["transformer"] == ["diffusers", "PixArtTransformer2DModel"]
    assert index["scheduler"] == ["diffusers", "FlowMatchEulerDiscreteScheduler"]
    observer = synthesight.load("natural-32", device="cpu")
    assert type(observer.model.pipeline).__name__ == "PixArtSigmaPipeline"
    assert observer.model.resolution == 32
    parameters = sum(p.numel() for p in observer.model.network.parameters()) / 1e6
    assert registry.entries()["natural-32"].parameters == pytest.approx(parameters, abs=0.06)
    small = synthesight.load("natural-32-cnn", device="cpu")
    parameters = sum(p.numel() for p in small.network.parameters()) / 1e6
    assert registry.entries()["natural-32-cnn"].parameters == pytest.approx(parameters, abs=0.06)


@pytest.mark.slow
def test_natural_32_gives_the_same_answers_in_any_batches(stimuli):
    found = {}
    for size in (1, 7, 64):
        observer = synthesight.load(
            "natural-32", classes=CLASSES, device="cpu", rule=Sequential(16), batch_size=size
        )
        found[size] = {
            r.stimulus.id: r for r in observer.respond(stimuli[:4][:: -1 if size == 7 else 1])
        }
    for size in (7, 64):
        for key, response in found[1].items():
            assert found[size][key].response == response.response
            np.testing.assert_array_equal(found[size][key].draws, response.draws)
            np.testing.assert_allclose(found[size][key].evidence, response.evidence, atol=2e-3)


@pytest.mark.parametrize("model", ["natural-32", "natural-32-cnn"])
def test_classify_and_scikit_learns_way(images, model):
    options = {"rule": Exhaustive(4)} if model == "natural-32" else {}
    observer = synthesight.load(model, classes=CLASSES, device="cpu", **options)
    result = observer.classify(images)
    assert set(result.labels) <= set(CLASSES)
    assert result.score.shape == result.evidence.shape == result.score_se.shape == (12, 3)
    np.testing.assert_allclose(result.score.sum(axis=1), 1)
    assert np.all(result.evidence <= 0)
    assert result.frame().height == 36
    assert result.evaluations == (12 * 12 if model == "natural-32" else 12)
    np.testing.assert_array_equal(observer.predict(images), result.labels)
    np.testing.assert_allclose(observer.predict_proba(images), result.score, atol=1e-5)
    np.testing.assert_array_equal(observer.classes_, CLASSES)
    one = observer.classify(images[3])
    np.testing.assert_allclose(one.score[0], result.score[3], atol=1e-5)
    array = observer.classify(np.asarray(images[3]))
    np.testing.assert_allclose(array.score[0], result.score[3], atol=1e-5)


@pytest.mark.slow
def test_both_models_see_drawn_objects_better_than_chance():
    shown = drawn_objects(shapes=SHARED_SEVEN, per_category=2)
    for model in ("natural-32", "natural-32-cnn"):
        options = {"rule": Sequential(20)} if model == "natural-32" else {}
        observer = synthesight.load(model, classes=SHARED_SEVEN, device="cpu", **options)
        right = [r.response == r.stimulus.category for r in observer.respond(shown)]
        assert np.mean(right) > 2 / 7


@pytest.mark.slow
def test_both_models_know_photographs(data_folder):
    shown = sample(find_stimuli(data_folder / "cifar10" / "test.parquet"), limit=30, seed=0)
    for model in ("natural-32", "natural-32-cnn"):
        options = {"rule": Sequential(30)} if model == "natural-32" else {}
        observer = synthesight.load(model, device="cpu", **options)
        right = [r.response == r.stimulus.category for r in observer.respond(shown)]
        assert np.mean(right) > 0.5


def test_a_network_that_overflows_says_what_to_try(images):
    observer = synthesight.load("natural-32", classes=CLASSES, device="cpu")
    with torch.no_grad():
        for parameter in observer.model.network.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(NonFiniteOutput, match=r"natural-32.*float32.*timestep"):
        observer.classify(images[0])


def test_bad_input_to_the_api(images):
    observer = synthesight.load("natural-32-cnn", device="cpu")
    assert len(observer.classes_) == 10
    with pytest.raises(SynthesightError, match="channels first or last"):
        observer.classify(np.zeros((3, 4, 4)))
    with pytest.raises(SynthesightError, match="at least two classes"):
        observer.classify(images[0], classes=["cat"])
    with pytest.raises(SynthesightError, match="did you mean natural-32"):
        synthesight.load("natural-31")
    with pytest.raises(SynthesightError, match="combine"):
        synthesight.load("natural-32", combine="mean", device="cpu")
    assert issubclass(NonFiniteOutput, SynthesightError)


def test_a_run_of_other_stimuli_is_not_resumed(tmp_path):
    observer = synthesight.load("natural-32-cnn", device="cpu")
    shown = drawn_objects(shapes=CLASSES, per_category=1, size=48)
    for stimuli in (shown[:2], shown[1::-1]):
        run = evaluate(observer, stimuli, tmp_path, classes=CLASSES)
        assert len(run.trials()) == 2
    with pytest.raises(SynthesightError, match="holds a run of other stimuli: 1 of its 2"):
        evaluate(observer, shown[1:], tmp_path, classes=CLASSES)

"""Which weights made a run: other weights are another run, wherever and however they are kept."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import synthesight
from builders import noise
from synthesight.errors import SynthesightError
from synthesight.evaluation import evaluate
from synthesight.observers import registry
from synthesight.observers.weights import weights_hash
from synthesight.stimuli.find import find_stimuli


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU())


def test_the_hash_is_of_the_weights_and_not_of_how_they_are_stored():
    expected = weights_hash(network())
    assert expected is not None
    assert len(expected) == 32
    assert weights_hash(network().to(memory_format=torch.channels_last)) == expected
    assert weights_hash(torch.compile(network())) == expected
    other = network()
    with torch.no_grad():
        other[0].weight += 1e-6
    assert weights_hash(other) != expected
    trained = network()
    trained[1].running_mean += 1.0
    assert weights_hash(trained) != expected
    assert weights_hash(object()) is None


def test_a_run_of_one_network_is_not_gone_on_with_by_another_of_the_same_name(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        noise(rng).save(tmp_path / "photos" / name / "1.png")
    stimuli = find_stimuli(tmp_path / "photos")
    first, second = tmp_path / "a" / "model", tmp_path / "b" / "model"
    location, _ = registry.resolve("natural-32-cnn")
    for folder in (first, second):
        shutil.copytree(location, folder)
    weights = load_file(second / "model.safetensors")
    save_file({key: value * 1.01 for key, value in weights.items()}, second / "model.safetensors")
    evaluate(synthesight.load(first, device="cpu"), stimuli, tmp_path / "run")
    evaluate(synthesight.load(first, device="cpu"), stimuli, tmp_path / "run")
    with pytest.raises(SynthesightError, match="holds a run of other weights"):
        evaluate(synthesight.load(second, device="cpu"), stimuli, tmp_path / "run")

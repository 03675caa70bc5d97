"""Image–text matching: each image has captions of its own."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import synthesight
from builders import noise, trial_table
from synthesight.analysis import accuracy, group_accuracy
from synthesight.errors import SynthesightError
from synthesight.observers import ImageTextNetwork
from synthesight.stimuli import Stimulus
from test_toolbox import Letters

PAIRS = [
    ("a cat beside a truck", "a truck beside a cat"),
    ("a red bird", "a blue bird"),
    ("a cat beside a truck", "a red bird"),
]
THREE = ("a cat", "a dog", "a frog")


@pytest.fixture(scope="module")
def stimuli() -> list[Stimulus]:
    rng = np.random.default_rng(0)
    shown = [
        Stimulus(f"pairs/{n}.png", noise(rng), "pairs", category=pair[0], captions=pair)
        for n, pair in enumerate(PAIRS)
    ]
    return [*shown, Stimulus("pairs/3.png", noise(rng), "pairs", captions=THREE)]


@pytest.fixture(scope="module")
def natural():
    return synthesight.load(
        "natural-32", rule="exhaustive", max_draws=8, batch_size=16, device="cpu", dtype="float32"
    )


def asked_alone(observer, stimulus):
    """Ask for one image's captions as classes with whole prompts."""
    observer.prompts = {caption: [caption] for caption in stimulus.captions}
    return observer.classify([stimulus], list(stimulus.captions))[0]


def test_a_generative_model_chooses_as_if_asked_for_each_image_alone(stimuli, natural):
    found = {response.stimulus.id: response for response in natural.respond(stimuli, [])}
    assert len(found) == 4
    for stimulus in stimuli:
        alone = asked_alone(natural, stimulus)
        matched = found[stimulus.id]
        assert matched.response == alone.response
        np.testing.assert_allclose(matched.evidence, alone.evidence, atol=2e-3)
        assert matched.evaluations == alone.evaluations


def test_a_network_of_images_and_text_chooses_among_captions(stimuli):
    observer = ImageTextNetwork(
        Letters(), name="letters", resolution=8, mean=(0, 0, 0), std=(1, 1, 1), prompt="{class}"
    )
    for response in observer.respond(stimuli, []):
        alone = asked_alone(observer, response.stimulus)
        assert response.response == alone.response
        np.testing.assert_allclose(response.evidence, alone.evidence, atol=1e-4)
        np.testing.assert_allclose(response.score, alone.score, atol=1e-6)


def test_a_network_without_text_refuses(stimuli):
    with pytest.raises(SynthesightError, match="reads no text"):
        list(synthesight.load("natural-32-cnn", device="cpu").respond(stimuli, []))


def test_images_without_a_choice_are_refused(stimuli, natural):
    for captions in ((), ("one",), ("one", "one")):
        with pytest.raises(SynthesightError, match="no choice of captions"):
            list(natural.respond([replace(stimuli[0], captions=captions)], []))


def test_a_run_keeps_captions_and_goes_on(stimuli, natural, tmp_path):
    run = synthesight.evaluate(natural, stimuli[:2], tmp_path / "run", progress=False)
    run = synthesight.evaluate(natural, stimuli, tmp_path / "run", progress=False)
    trials = run.trials()
    assert trials["captions"].to_list() == [*map(list, PAIRS), list(THREE)]
    assert trials["category"].to_list() == [*(pair[0] for pair in PAIRS), None]
    for row in trials.iter_rows(named=True):
        assert row["response"] == row["captions"][int(np.argmax(row["evidence"]))]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["classes"] == []


def test_the_text_score_counts_pairs_of_which_both_are_right():
    rng = np.random.default_rng(0)
    right = rng.random((400, 2)) < [0.8, 0.7]
    table = trial_table(right.ravel().tolist(), pair=np.repeat(np.arange(400), 2))
    score = group_accuracy(table, resamples=4000)
    assert score["estimate"].item() == pytest.approx(right.all(axis=1).mean())
    assert score["n"].item() == 400
    # The interval is that of 400 independent pairs.
    pairs = trial_table(right.all(axis=1).tolist())
    expected = accuracy(pairs, resamples=4000)
    for edge in ("low", "high"):
        assert score[edge].item() == pytest.approx(expected[edge].item(), abs=0.01)

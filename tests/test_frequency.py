"""Evidence by spatial frequency: bands that add up to it, and gratings in their own band."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import synthesight
from builders import noise_stimuli
from coloured_noise import CLASSES, Blind, Colours
from synthesight.errors import SynthesightError
from synthesight.observers import GenerativeClassifier
from synthesight.probes.frequency import band_edges, band_powers, frequency
from synthesight.stimuli.stimulus import Stimulus


def observer(**how) -> GenerativeClassifier:
    return GenerativeClassifier(Colours(), classes=CLASSES, rule="exhaustive", **how)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_bands_add_up_to_the_squared_error(height, width, seed):
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 3, height, width)))
    powers = band_powers(x, band_edges(None, min(height, width)))
    np.testing.assert_allclose(powers.sum(1), x.square().flatten(1).sum(1), rtol=1e-12)


@pytest.mark.parametrize(("cycles", "band"), [(0, 0), (1, 1), (3, 2), (5, 3), (12, 4), (16, 5)])
def test_a_grating_is_in_its_band(cycles, band):
    wave = np.cos(2 * np.pi * cycles * np.arange(32) / 32)
    for image in (np.tile(wave, (32, 1)), np.tile(wave, (32, 1)).T):
        powers = band_powers(torch.from_numpy(image)[None, None], band_edges(None, 32))[0]
        assert float(powers[band]) == pytest.approx(float(powers.sum()), rel=1e-9)


def test_the_bands_of_an_image_add_up_to_its_evidence():
    rng = np.random.default_rng(0)
    stimuli = noise_stimuli(rng, 3, size=8)
    model = observer(max_draws=12)
    section = frequency(model, stimuli)
    images = section.tables["frequency-images"]
    found = model.classify([stimulus.source for stimulus in stimuli])
    answers = {r.stimulus.id: r for r in model.respond(stimuli)}
    for stimulus in stimuli:
        own = images.filter(image=stimulus.id)
        evidence = dict(zip(CLASSES, answers[stimulus.id].evidence, strict=True))
        expected = evidence[own["for"][0]] - evidence[own["against"][0]]
        assert own["evidence"].sum() == pytest.approx(expected, abs=1e-6)
        assert own["from"].to_list() == [0, 1, 2, 4]
    assert len(found) == 3
    table = section.tables["frequency"]
    assert table["n"].to_list() == [3] * 4
    assert table["estimate"].sum() == pytest.approx(images["evidence"].sum() / 3)
    assert (table["low"] <= table["estimate"]).all()
    spec = section.figures["frequency"].to_dict()
    assert spec["layer"]


def test_a_plain_colour_speaks_at_frequency_0():
    pixels = np.full((8, 8, 3), (255, 0, 0), dtype=np.uint8)
    section = frequency(observer(max_draws=8), synthesight.stimuli.as_stimuli([pixels]))
    evidence = section.tables["frequency"]["estimate"]
    assert evidence[0] > 0.99 * evidence.sum()


def test_it_compares_the_image_s_category_and_texture():
    pixels = np.full((8, 8, 3), (255, 0, 0), dtype=np.uint8)
    (plain,) = synthesight.stimuli.as_stimuli([pixels])
    cues = Stimulus("d/green/green1-blue1.png", plain.source, "d", category="green")
    images = frequency(observer(max_draws=4), [cues]).tables["frequency-images"]
    assert images.select("for", "against").unique().row(0) == ("green", "blue")
    images = frequency(observer(max_draws=4), [cues], of="red").tables["frequency-images"]
    assert images.select("for", "against").unique().row(0) == ("red", "blue")


def test_what_cannot_be_is_refused():
    rng = np.random.default_rng(0)
    stimuli = noise_stimuli(rng, 1, size=8)
    for bands in ("1,x", "4,2", [0, 0], "-1,3", []):
        with pytest.raises(SynthesightError, match=r"`bands=.*` cannot be"):
            frequency(observer(max_draws=2), stimuli, bands=bands)
    with pytest.raises(SynthesightError, match="blind tells errors, and not where they are"):
        frequency(GenerativeClassifier(Blind(), classes=CLASSES, max_draws=2), stimuli)
    network = synthesight.load("natural-32-cnn", device="cpu")
    with pytest.raises(SynthesightError, match="natural-32-cnn makes no image out of noise"):
        frequency(network, stimuli)

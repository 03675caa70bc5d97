"""The panels of the demo's picture; the whole of it is run by ``make demo``."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from builders import noise
from synthesight.demo import (
    BETWEEN,
    MODELS,
    ambiguous,
    map_and_race,
    published,
    run_demo,
    said,
    whole_figure,
)
from synthesight.observers import EvidenceMap
from synthesight.report.saving import save_figure
from synthesight.stimuli.make.dial import dial_stimuli, pairs_of
from synthesight.stimuli.stimulus import Stimulus


def a_map() -> EvidenceMap:
    image = np.asarray(noise(np.random.default_rng(0)))
    nats = np.random.default_rng(1).normal(size=(32, 32))
    stimulus = Stimulus("ship-0.png", Image.fromarray(image))
    return EvidenceMap(stimulus, "ship", "bird", nats, nats**2, nats.sum(), 1.0, "score", 9, image)


def a_race() -> pl.DataFrame:
    """Evidence of five classes, one of which is dropped after two draws."""
    rows = [
        {"draw": draw, "class": name, "evidence": -float(worse)}
        for worse, name in enumerate(("ship", "bird", "cat", "dog", "truck"))
        for draw in range(1, 3 if name == "truck" else 6)
    ]
    return pl.DataFrame(rows)


def row(**changes) -> dict:
    return {
        "observer": MODELS[0], "cutoff": 2.2, "cutoff_low": 1.8, "cutoff_high": 2.6, "beyond": None
    } | changes  # fmt: skip


def test_points_of_equality_are_said_in_cycles():
    assert said(row()).endswith("seen equally often at 2.2 cycles an image (95 %: 1.8 to 2.6).")
    assert said(row(beyond="above")) == "natural-32: no point of equality within the dial."


def test_the_most_ambiguous_hybrid_is_shown():
    images = [
        Stimulus(f"{name}-{n}.png", noise(np.random.default_rng(n)), category=name)
        for n, name in enumerate(BETWEEN)
    ]
    stimuli = dial_stimuli(pairs_of(images, BETWEEN), steps=6)
    chosen = ambiguous(stimuli, pl.DataFrame([row(cutoff=4.0)]))
    cutoffs = sorted({float(one.factors["cutoff"]) for one in stimuli})
    assert chosen.factors["cutoff"] == min(cutoffs, key=lambda c: abs(np.log(c / 4.0)))
    assert chosen.factors["toward"] == BETWEEN[0]


def test_the_leading_classes_of_the_race_have_colours():
    spec = json.dumps(map_and_race(a_map(), a_race()).to_dict())
    assert '"domain": ["ship", "bird", "cat"]' in spec
    assert "for ship, against bird" in spec
    assert "data:image/png;base64," in spec


def test_people_and_published_models_are_in_the_picture(tmp_path):
    panel = map_and_race(a_map(), a_race())
    figure = whole_figure(panel, panel, published(), published())
    save_figure(figure.to_dict(), tmp_path / "demo.svg")
    drawn = (tmp_path / "demo.svg").read_text()
    for text in ("people", "Imagen", "ResNet-50", "96%", "21%", "Jaini et al. (2024), Figure 1"):
        assert text in drawn


@pytest.mark.stress
def test_the_demo_draws_one_picture(tmp_path, capsys):
    run_demo(tmp_path)
    assert (tmp_path / "demo.png").stat().st_size > 50_000
    said = capsys.readouterr().out
    assert all(name in said for name in MODELS)
    assert len(said.splitlines()) < 12

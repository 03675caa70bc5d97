"""Classic illusions: the pictures, and the evidence for their readings."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import synthesight
from builders import done, refused
from synthesight.errors import SynthesightError
from synthesight.observers import GenerativeClassifier
from synthesight.probes.classics import Rivals, readings, rivals_of, running
from synthesight.stimuli import Stimulus
from synthesight.stimuli.make import CLASSICS, classic_stimuli, draw_classic


class Brightness:
    """A model of two parts: each prompt says how likely a pixel is bright."""

    name, resolution, device = "brightness", 4, torch.device("cpu")
    horizon, cost = 2, (0.5, 0.5)

    def prepare(self, prompts):
        chance = {"snow": 0.9, "night": 0.2, "dusk": 0.5}
        return torch.tensor([chance[prompt] for prompt in prompts])

    def encode(self, images):
        return images.mean(dim=1) > 0

    def nats(self, x, parts, conditioning, rows):
        bright = conditioning[rows][:, None, None].double()
        chance = torch.where(x[:, 2 * parts.start : 2 * parts.stop], bright, 1 - bright)
        return chance.log().unflatten(1, (len(parts), 2)).sum(dim=(2, 3))


def _grey(name, variant="illusion", size=128):
    return np.asarray(draw_classic(name, variant, size).convert("L")).astype(float)


@pytest.mark.parametrize("name", CLASSICS)
def test_every_variant_is_another_picture(name):
    drawn = [_grey(name, variant, 64) for variant in CLASSICS[name].variants]
    assert len(drawn) == 3
    for n, one in enumerate(drawn):
        assert one.shape == (64, 64)
        assert one.std() > 10
        for other in drawn[n + 1 :]:
            assert np.abs(one - other).mean() > 0.5
    assert np.array_equal(_grey(name, size=64), drawn[0])  # the same whenever it is drawn


def test_the_pictures_are_built_as_they_should_be():
    vase = _grey("vase-faces")
    assert np.abs(vase - vase[:, ::-1]).mean() < 0.5  # both faces are one
    corners = _grey("kanizsa") < 128
    turned = _grey("kanizsa", "turned") < 128
    # As much ink, but none of it where the square would cover the discs.
    assert corners.sum() == pytest.approx(turned.sum(), rel=0.05)
    square = slice(36, 92)
    assert corners[square, square].mean() < 0.01 < turned[square, square].mean()
    # The wire cube has both cubes' edges; each solid one hides some.
    wires = _grey("necker") < 60
    for control in ("above", "below"):
        solid = _grey("necker", control) < 60
        assert solid.sum() < wires.sum()
        assert (solid & ~wires).mean() < 0.002
    rock = _grey("rock-face")
    assert np.array_equal(_grey("rock-face", "inverted"), rock[::-1])


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=60))
def test_evidence_runs_as_the_mean_and_its_error(values):
    advantage = np.array(values)
    run = running(advantage)
    count = len(values)
    assert run["difference"][-1] == pytest.approx(advantage.mean(), abs=1e-9)
    error = advantage.std(ddof=1) / np.sqrt(count)
    assert run["standard_error"][-1] == pytest.approx(error, abs=1e-6)
    first = advantage[:2]
    assert run["standard_error"][1] == pytest.approx(first.std(ddof=1) / np.sqrt(2), abs=1e-5)
    assert run["standard_error"][0] is None
    assert run["score"][-1] == pytest.approx(1 / (1 + np.exp(-advantage.mean())), abs=1e-9)


def test_an_exact_model_gives_nats_and_no_error():
    observer = GenerativeClassifier(Brightness(), seed=0)
    shown = [
        Stimulus(f"{name}.png", Image.new("L", (4, 4), level))
        for name, level in (("white", 255), ("black", 0))
    ]
    rivals = Rivals(("snow", "night"), ("snow", "night"), "dusk")
    section, left_out = readings([observer], shown, rivals)
    assert not left_out
    rows = {row["picture"]: row for row in section.tables["readings"].to_dicts()}
    assert rows["white"]["difference"] == pytest.approx(16 * np.log(0.9 / 0.2))
    assert rows["black"]["difference"] == pytest.approx(16 * np.log(0.1 / 0.8))
    assert [rows[name]["leads"] for name in ("white", "black")] == ["snow", "night"]
    assert rows["white"]["over_neutral"] == pytest.approx(16 * np.log(0.9 / 0.5))
    assert {row["in_the_running"] for row in rows.values()} == {None}
    assert section.tables["readings-by-draw"]["draw"].to_list() == [1, 2] * 2
    for figure in section.figures.values():
        figure.to_dict(validate=True)


def test_models_that_know_few_classes_are_asked_for_the_nearest():
    known = synthesight.load("natural-32-cnn", device="cpu")
    rivals = rivals_of(CLASSICS["duck-rabbit"], known)
    assert rivals.names == ("bird", "deer")
    assert rivals_of(CLASSICS["vase-faces"], known) is None
    section, left_out = readings([known], classic_stimuli(["duck-rabbit", "kanizsa"], size=32))
    assert section.tables["readings"]["difference"].null_count() == 3
    assert section.tables["readings"]["score"].is_between(0, 1).all()
    assert "does not know the readings of kanizsa" in left_out[0]
    free = GenerativeClassifier(Brightness())
    assert rivals_of(CLASSICS["vase-faces"], free).prompts[0] == "a picture of a vase"
    with pytest.raises(SynthesightError, match="does not know the readings of necker"):
        readings([known], classic_stimuli(["necker"], size=32))


def test_the_command_measures_the_readings_and_goes_on(tmp_path):
    command = ["illusion", "classics", "--name", "duck-rabbit", "--draws", 3, "--device", "cpu",
               "--batch-size", 9,
               "--out", tmp_path / "out"]  # fmt: skip
    shown = done(*command)
    assert "duck-rabbit: illusion" in shown
    tables = json.loads((tmp_path / "out" / "section.json").read_text())["tables"]
    assert [row["variant"] for row in tables["readings"]] == ["illusion", "duck", "rabbit"]
    for row in tables["readings"]:
        assert (row["first"], row["second"], row["draws"]) == ("bird", "deer", 3)
        own = [r for r in tables["readings-by-draw"] if r["variant"] == row["variant"]]
        advantage = np.array([r["advantage"] for r in own])
        assert row["difference"] == pytest.approx(advantage.mean())
        assert row["in_the_running"] == (abs(row["difference"]) < 2 * row["standard_error"])
        assert row["share_of_draws"] == pytest.approx((advantage > 0).mean())
    assert (tmp_path / "out" / "figures" / "readings-duck-rabbit.png").stat().st_size > 10_000


def test_pictures_of_ones_own_need_two_prompts(tmp_path):
    Image.new("RGB", (32, 32), "white").save(tmp_path / "mine.png")
    said = refused("illusion", "classics", tmp_path / "mine.png", "--out", tmp_path / "no")
    assert "--prompt twice" in said
    said = refused("illusion", "classics", "--prompt", "a duck", "--out", tmp_path / "no")
    assert "--prompt is given 1 times" in said
    said = refused("illusion", "classics", "--name", "duck", "--out", tmp_path / "no")
    assert "There is no classic 'duck'" in said

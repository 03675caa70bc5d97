"""Reconstructions: of denoisers and of tokens, their distances, and the commands of probes."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import synthesight
from builders import done, noise, refused
from coloured_noise import CLASSES, Blind, Colours
from synthesight.errors import SynthesightError
from synthesight.observers import GenerativeClassifier
from synthesight.probes.distances import rmse, ssim
from synthesight.probes.reconstruct import reconstruct
from synthesight.probes.times import evidence_by_time
from synthesight.report.kept import keep_section, read_section
from synthesight.report.section import named_apart
from token_models import CountingModel


def observer(model=None, classes=("red", "blue"), **how) -> GenerativeClassifier:
    return GenerativeClassifier(model or Colours(), classes=classes, max_draws=4, **how)


@pytest.fixture
def blue():
    return synthesight.stimuli.as_stimuli([Image.new("RGB", (8, 8), (20, 20, 250))])


def test_the_prompt_that_is_true_reconstructs_better(blue):
    section = reconstruct(observer(), blue, noise=[0.4, 0.9], steps=6, draws=4)
    table = section.tables["reconstruct"]
    assert set(table["by"]) == {"one step", "6 steps"}
    wide = table.pivot("prompt", index=["noise", "by"], values="rmse")
    assert (wide["blue"] < wide["red"]).all()
    wide = wide.sort("by", "noise")
    assert wide["red"][1] > wide["red"][0]  # the more noise, the more of the prompt
    assert len(table) == 2 * 2 * 2
    by_time = section.tables["reconstruct-times"]
    evidence = by_time.group_by("prompt").agg(pl.col("evidence").mean())
    assert dict(evidence.iter_rows())["blue"] > 0
    name = blue[0].id
    assert list(section.figures) == [f"reconstruct-{name}", f"reconstruct-times-{name}"]


def test_evidence_by_time_has_the_mean_of_the_evidence(blue):
    model = observer(weighting="uniform")
    table = evidence_by_time(model, blue[0], ["red", "blue"], 64)
    means = dict(table.group_by("prompt").agg(pl.col("evidence").mean()).iter_rows())
    exact = GenerativeClassifier(
        Colours(), classes=["red", "blue"], weighting="uniform", rule="exhaustive", max_draws=2000
    ).classify(blue[0].source)
    expected = exact.evidence[0, 1] - exact.evidence[0, 0]
    assert means["blue"] - means["red"] == pytest.approx(expected, rel=0.05)
    assert means["blue"] + means["red"] == pytest.approx(0, abs=1e-9)


def test_distances_are_those_of_the_literature():
    rng = np.random.default_rng(0)
    image = np.asarray(noise(rng, 32))
    assert rmse(image, image) == 0
    assert ssim(image, image) == pytest.approx(1)
    assert rmse(np.zeros_like(image), np.full_like(image, 255)) == 1
    other = np.asarray(noise(rng, 32))
    assert abs(ssim(image, other)) < 0.1
    # A shift of brightness costs little of SSIM, and noise of the same RMSE much.
    grey = np.tile(np.linspace(60, 180, 32, dtype=np.uint8)[:, None, None], (1, 32, 3))
    shifted = grey + 20
    noisy = np.clip(grey + rng.choice([-20, 20], (32, 32, 1)), 0, 255).astype(np.uint8)
    assert rmse(grey, shifted) == pytest.approx(rmse(grey, noisy), rel=0.01)
    assert ssim(grey, shifted) > 0.9 > 0.5 > ssim(grey, noisy)


def test_tokens_are_drawn_anew():
    class Resampling(CountingModel):
        def decode(self, x):
            grey = (x.float() + 0.5) / self.counts.shape[2] * 2 - 1
            return grey.reshape(-1, 1, 2, 2).expand(-1, 3, 2, 2)

        def resample(self, x, mask, conditioning, rows, seed):
            return torch.where(mask, conditioning[rows].argmax(dim=2), x)

    counts = np.ones((2, 4, 4))
    counts[0, :, 0] = counts[1, :, 3] = 9.0
    model = observer(Resampling(counts), ("0", "1"), prompt="class {class}")
    dark = synthesight.stimuli.as_stimuli([np.zeros((2, 2, 3), dtype=np.uint8)])
    section = reconstruct(model, dark, noise="0.5,1")
    wide = section.tables["reconstruct"].pivot("prompt", index="noise", values="rmse")
    assert wide["0"].to_list() == [0, 0]
    assert 0 < wide["1"][0] < wide["1"][1]
    assert list(section.tables) == ["reconstruct"]


def test_what_cannot_be_reconstructed_says_why(blue):
    for level in ("0,1", "x", [], "1.5"):
        with pytest.raises(SynthesightError, match=r"`noise=.*` cannot be"):
            reconstruct(observer(), blue, noise=level)
    with pytest.raises(SynthesightError, match="7 prompts are too many"):
        reconstruct(observer(classes=[f"{n} red" for n in range(7)]), blue)
    with pytest.raises(SynthesightError, match="blind shows no x̂"):
        reconstruct(observer(Blind(), CLASSES), blue)
    small = Colours(block=2)
    small.encode = lambda images: images[:, :2]
    small.estimate = lambda x, *rest: x
    with pytest.raises(SynthesightError, match="colours encodes images, and has no method"):
        reconstruct(observer(small), blue)
    with pytest.raises(SynthesightError, match="counting reconstructs no images"):
        reconstruct(observer(CountingModel(np.ones((2, 4, 3))), ("0", "1")), blue)


def test_sections_are_read_as_they_were_kept(tmp_path, blue):
    section = reconstruct(observer(), blue, noise=[0.5], steps=2, draws=2)
    keep_section(section, tmp_path / "a", {"seed": 0})
    found = read_section(tmp_path / "a")
    assert found.title == section.title
    assert found.text == section.text
    for name, table in section.tables.items():
        assert found.tables[name].equals(table)
    assert list(found.figures) == list(section.figures)
    first, second = named_apart([found, found])
    assert (first.name, second.name) == ("reconstruct", "reconstruct-2")
    assert not set(first.figures) & set(second.figures)
    (tmp_path / "a" / "section.json").write_text('{"name": "x"}')
    with pytest.raises(SynthesightError, match="is no whole section of a report: run the probe"):
        read_section(tmp_path / "a")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        noise(rng).save(folder / f"{name}.png")
    return folder


HOW = ("--model", "natural-32", "--device", "cpu", "--batch-size", 4, "--max-draws", 2)


@pytest.mark.slow
def test_the_commands_of_probes_and_their_report(tmp_path, photographs):
    prompts = ("--prompt", "a cat", "--prompt", "a dog")
    shown = done(
        "reconstruct", photographs / "one.png", *prompts, *HOW, "--noise", "0.5", "--steps", 2,
        "--draws", 2, "--out", tmp_path / "reconstruct",
    )  # fmt: skip
    assert "a cat" in shown
    shown = done(
        "frequency", photographs / "one.png", "--classes", "cat,dog", *HOW, "--bands", "0,4",
        "--out", tmp_path / "frequency",
    )  # fmt: skip
    assert "natural-32" in shown
    record = json.loads((tmp_path / "frequency" / "section.json").read_text())
    assert record["made with"]["options"]["bands"] == "0,4"
    assert [row["from"] for row in record["tables"]["frequency"]] == [0, 4]
    maps = ("--classes", "cat,dog", *HOW, "--map")
    shown = done("classify", photographs / "one.png", *maps, tmp_path / "maps-1.5")
    assert "one.png" in shown
    arrays = np.load(tmp_path / "maps-1.5" / "arrays" / "one.npz")
    record = json.loads((tmp_path / "maps-1.5" / "section.json").read_text())
    (row,) = record["tables"]["maps"]
    assert arrays["nats"].sum() == pytest.approx(row["evidence"], abs=1e-9)
    assert arrays["standard_error"].shape == (32, 32)
    assert (tmp_path / "maps-1.5" / "figures" / "map-one.svg").read_text().startswith("<svg")

    folders = [tmp_path / name for name in ("reconstruct", "frequency", "maps-1.5")]
    shown = done("report", *folders, "--out", tmp_path / "report")
    assert shown.startswith("3 probes; open ")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Where the evidence is" in page
    assert "Reconstructions under rival prompts" in page
    assert (tmp_path / "report" / "figures" / "map-one.png").is_file()

    assert "is one file for 2 images" in refused(
        "classify", photographs, *maps, tmp_path / "map.png"
    )
    assert "--of no class" not in refused(*maps, tmp_path / "x", "--of", "cow")
    assert "classes of a --map: say where" in refused("classify", photographs, "--of", "cat")

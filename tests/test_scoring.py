"""Errors of every image, draw and prompt: what they are, and how they are kept."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import synthesight
from builders import noise_stimuli, save_pictures
from gaussian_mixture import GaussianMixtures
from synthesight import scoring
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.likelihood.draws import normal_noise, stimulus_key
from synthesight.likelihood.rules import Exhaustive
from synthesight.likelihood.weighting import weights
from synthesight.observers.generative import GenerativeClassifier
from synthesight.stimuli.stimulus import Stimulus
from token_models import CountingModel, MaskedModel

PROMPTS = ["0", "1", "2"]


@pytest.fixture
def model() -> GaussianMixtures:
    return GaussianMixtures(np.random.default_rng(2).normal(scale=0.4, size=(3, 2, 12)))


@pytest.fixture
def stimuli() -> list[Stimulus]:
    return noise_stimuli(np.random.default_rng(3), 9)


def test_a_row_for_each_image_draw_and_prompt(model, stimuli):
    found = synthesight.score(model, stimuli, PROMPTS, draws=4, batch_size=7)
    assert found.schema == pl.Schema(scoring.SCHEMA)
    assert found["stimulus"].to_list() == [s.id for s in stimuli for _ in range(12)]
    assert found["draw"].to_list() == [n for n in range(4) for _ in range(3)] * 9
    assert found["prompt"].to_list() == PROMPTS * 36
    # All prompts of a draw share its time, and times cover (0, 1] evenly.
    times = found["time"].to_numpy().reshape(9, 4, 3)
    assert (times == times[:, :, :1]).all()
    assert np.diff(np.sort(times[:, :, 0], axis=1)).min() > 0.1
    plan = {"draws": 4, "batch_size": 1}
    assert found.equals(synthesight.score(model, stimuli, PROMPTS, **plan))
    assert not found.equals(synthesight.score(model, stimuli, PROMPTS, seed=1, **plan))


def test_errors_are_unweighted_so_that_any_weighting_can_be_applied(model, stimuli):
    """The evidence of a classification under a weighting, from errors without."""
    found = synthesight.score(model, stimuli, PROMPTS, draws=30)
    observer = GenerativeClassifier(
        model, classes=PROMPTS, prompt="{class}", rule=Exhaustive(30), weighting="jaini"
    )
    mean = (
        found.with_columns(pl.col("error") * (-7.0 * pl.col("time")).exp())
        .group_by("stimulus", "prompt", maintain_order=True)
        .agg(pl.col("error").mean())["error"]
        .to_numpy()
        .reshape(9, 3)
    )
    evidence = {r.stimulus.id: r.evidence for r in observer.respond(stimuli)}
    for stimulus, error in zip(stimuli, mean, strict=True):
        np.testing.assert_allclose(evidence[stimulus.id], error.min() - error, atol=1e-9)
    weighted = synthesight.score(model, stimuli, PROMPTS, draws=30, weighting="jaini")
    again = weighted["error"].to_numpy().reshape(9, 30, 3).mean(axis=1)
    np.testing.assert_allclose(again, mean)


def test_with_the_observers_own_weighting_draws_are_its_own(model, stimuli):
    """Its proposal included: what its evidence is the mean of."""
    observer = GenerativeClassifier(
        model, classes=PROMPTS, prompt="{class}", rule=Exhaustive(20), weighting="elbo",
        proposal=[1.0, 3.0, 1.0], batch_size=8,
    )  # fmt: skip
    found = synthesight.score(observer, stimuli, PROMPTS, draws=20, weighting="elbo")
    mean = found["error"].to_numpy().reshape(9, 20, 3).mean(axis=1)
    evidence = {r.stimulus.id: r.evidence for r in observer.respond(stimuli)}
    for stimulus, error in zip(stimuli, mean, strict=True):
        np.testing.assert_allclose(evidence[stimulus.id], error.min() - error, atol=1e-9)


def test_times_can_be_chosen(model, stimuli):
    times = [0.25, 0.5, 0.75]
    found = synthesight.score(model, stimuli[:1], PROMPTS, draws=6, times=times)
    at = found["time"].to_numpy().reshape(6, 3)[:, 0]
    np.testing.assert_allclose(at, times * 2, atol=1e-3)
    key = stimulus_key(0, "s0.png")[None]
    noise = normal_noise(key, np.array([4]), (3, 2, 2))[0].ravel()
    x = np.asarray(stimuli[0].open()).transpose(2, 0, 1).ravel() / 127.5 - 1
    step = int(np.abs(model.schedule.times - 0.5).argmin())
    expected = model.plain_errors(x, noise, step)
    np.testing.assert_allclose(found.filter(draw=4)["error"], expected, rtol=1e-5)
    weighted = synthesight.score(
        model, stimuli[:1], PROMPTS, draws=6, times=times, weighting="elbo"
    )
    factor = weights("elbo", model.schedule)[step]
    np.testing.assert_allclose(
        weighted.filter(draw=4)["error"], factor * found.filter(draw=4)["error"]
    )


def test_parts_of_an_exact_model_are_rows(stimuli):
    counts = np.random.default_rng(1).integers(1, 40, size=(3, 4, 8)).astype(float)
    model = CountingModel(counts)
    found = synthesight.score(model, stimuli, PROMPTS, batch_size=5)
    assert found["time"].null_count() == len(found) == 9 * 4 * 3
    grey = np.stack([np.asarray(s.open()).astype(float).mean(axis=2).ravel() for s in stimuli])
    tokens = np.minimum((grey / 255 * 8).astype(int), 7)
    expected = model.log_p[:, np.arange(4), tokens].transpose(1, 2, 0)
    np.testing.assert_allclose(found["error"].to_numpy().reshape(9, 4, 3), -expected)
    assert sum(count for count, _ in model.passes) <= 9 * 3 + 6
    first = synthesight.score(model, stimuli, PROMPTS, draws=2)
    assert first.equals(found.filter(pl.col("draw") < 2))
    with pytest.raises(
        SynthesightError, match="`draws=5` cannot be: give a whole number from 1 to 4"
    ):
        synthesight.score(model, stimuli, PROMPTS, draws=5)
    with pytest.raises(SynthesightError, match="leave out `weighting`"):
        synthesight.score(model, stimuli, PROMPTS, weighting="elbo")
    with pytest.raises(SynthesightError, match="leave out `times`"):
        synthesight.score(model, stimuli, PROMPTS, times=[0.5])


def test_draws_of_a_masked_model_are_rows(stimuli):
    joint = np.random.default_rng(2).gamma(0.7, size=(3, 2, 2, 2, 2)) + 0.01
    model = MaskedModel(joint / joint.sum(axis=(1, 2, 3, 4), keepdims=True))
    found = synthesight.score(model, stimuli, PROMPTS)
    assert len(found) == 9 * scoring.DRAWS * 3
    assert found["time"].null_count() == len(found)
    assert (found["error"] > 0).all()


def test_what_is_written_goes_on_where_it_stopped(model, stimuli, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "PART_ROWS", 1)
    plan = {"draws": 4, "out": tmp_path / "errors", "batch_size": 1}
    calls = []

    def stop(done: int) -> None:
        calls.append(done)
        if len(calls) == 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesight.score(model, stimuli, PROMPTS, report=stop, **plan)
    kept = pl.scan_parquet(tmp_path / "errors" / "*.parquet").collect()
    assert kept["stimulus"].unique().to_list() != []
    assert (kept.group_by("stimulus").len()["len"] == 12).all()
    model.batches.clear()
    found = synthesight.score(model, stimuli, PROMPTS, **plan)
    assert isinstance(found, pl.LazyFrame)
    assert sum(model.batches) < 9 * 12
    expected = synthesight.score(model, stimuli, PROMPTS, draws=4)
    table = found.collect()
    assert table.schema["error"] == pl.Float32
    assert table.drop("error").equals(expected.drop("error"))
    np.testing.assert_allclose(table["error"], expected["error"], rtol=1e-6)
    assert not list((tmp_path / "errors").glob("*.tmp"))
    with pytest.raises(SynthesightError, match="errors made with another `seed`"):
        synthesight.score(model, stimuli, PROMPTS, seed=1, **plan)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(SynthesightError, match="holds something else"):
        synthesight.score(model, stimuli, PROMPTS, draws=4, out=tmp_path / "other")


def test_an_image_that_cannot_be_read_has_no_rows(model, stimuli):
    broken = Stimulus(id="broken.png", source=b"not an image")
    with pytest.warns(SynthesightWarning, match=r"broken\.png is not an image"):
        found = synthesight.score(model, [broken, *stimuli], PROMPTS, draws=2)
    assert found["stimulus"].unique(maintain_order=True).to_list() == [s.id for s in stimuli]
    with pytest.warns(SynthesightWarning):
        assert synthesight.score(model, [broken], PROMPTS).is_empty()


def test_models_and_images_are_named_as_elsewhere(tmp_path):
    save_pictures(tmp_path, "a.png", "b.png", size=(40, 32), colour="brown")
    one = synthesight.score("natural-32", str(tmp_path), ["a cat", "a dog"], draws=2)
    ids = [stimulus.id for stimulus in synthesight.find_stimuli(tmp_path)]
    assert one["stimulus"].unique(maintain_order=True).to_list() == ids
    observer = synthesight.load("natural-32", device="cpu", batch_size=4)
    other = synthesight.score(observer, tmp_path, ["a cat", "a dog"], draws=2)
    np.testing.assert_allclose(other["error"], one["error"], rtol=1e-4)
    with pytest.raises(SynthesightError, match="discriminative network"):
        synthesight.score("natural-32-cnn", str(tmp_path), ["a cat"])


@pytest.mark.parametrize("prompts", ["a cat", [], ["a cat", "a cat"], [1, 2]])
def test_prompts_are_a_list_of_texts(model, stimuli, prompts):
    with pytest.raises(SynthesightError, match="`prompts` is"):
        synthesight.score(model, stimuli, prompts)


def test_stimuli_of_one_name_are_refused(model, stimuli):
    with pytest.raises(SynthesightError, match=r"called s0\.png"):
        synthesight.score(model, [stimuli[0], stimuli[0]], PROMPTS)

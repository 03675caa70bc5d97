"""What a run's draws tell without a new run, and what makes probabilities of scores."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal

from builders import done, noise_stimuli, refused, trial_table
from gaussian_mixture import GaussianMixtures
from synthesight import draws
from synthesight.analysis import doubt, expected_calibration_error, reliability
from synthesight.draws.by_rule import HEAVY, heaviness
from synthesight.draws.recording import Recording
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.evaluation import evaluate
from synthesight.likelihood.rules import Exhaustive, Sequential
from synthesight.observers.calibration import Calibration, fit_calibration, read_calibration
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.loading import load
from synthesight.stimuli.stimulus import Stimulus

CLASSES = list("0123")
MODEL = GaussianMixtures(np.random.default_rng(0).normal(0, 0.35, (4, 2, 12)), spread=0.3)
DRAWS = 40


def images(count: int) -> list[Stimulus]:
    rng = np.random.default_rng(1)
    made = []
    for n in range(count):
        x = MODEL.means[n % 4, rng.integers(2)] + 0.3 * rng.standard_normal(12)
        pixels = np.clip((x.reshape(3, 2, 2).transpose(1, 2, 0) + 1) * 127.5, 0, 255)
        picture = Image.fromarray(pixels.astype(np.uint8))
        made.append(Stimulus(f"{n}.png", picture, "cue-conflict", category=CLASSES[n % 4]))
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Keep all draws of 60 images, whose times are drawn by a proposal."""
    observer = GenerativeClassifier(
        MODEL, classes=CLASSES, rule=Exhaustive(DRAWS), weighting="uniform",
        proposal=[1.0, 4.0, 1.0], batch_size=512,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("draws") / "run"
    return evaluate(observer, images(60), folder, keep_draws=True, progress=False)


@pytest.fixture(scope="module")
def recording(run) -> Recording:
    return draws.read_recording(run)


def test_evidence_under_the_runs_weighting_is_that_of_its_trials(run, recording):
    trials = run.trials().join(recording.trials.select("stimulus"), on="stimulus")
    expected = np.array(trials["evidence"].to_list())
    np.testing.assert_allclose(recording.evidence(), expected, rtol=1e-4, atol=1e-4)


def test_another_weighting_is_as_if_evaluated_with_it(run, recording):
    """The proposal is divided by: evidence nears that of many draws under the other weighting."""
    many = GenerativeClassifier(
        MODEL, classes=CLASSES, rule=Exhaustive(400), weighting="jaini", seed=5, batch_size=4096
    )
    shown = [each for each in images(60) if each.id in set(recording.trials["stimulus"][:12])]
    found = {each.stimulus.id: each.evidence for each in many.respond(shown)}
    exact = np.stack([found[name] for name in recording.trials["stimulus"][:12]])
    evidence = recording[:12].evidence("jaini")
    gap = exact - exact.mean(1, keepdims=True) - (evidence - evidence.mean(1, keepdims=True))
    assert np.abs(gap).mean() < 0.2 * np.abs(exact - exact.mean(1, keepdims=True)).mean()


def test_weightings_are_compared_in_accuracy_and_calibration(recording):
    table = draws.weighting(recording, {"mine": [0, 1, 0]}, rates=(7.0,), resamples=50)
    wide = table.pivot("measure", index="weighting", values="estimate")
    assert set(wide["weighting"]) == {
        "own", "jaini", "epsilon", "elbo", "uniform", "exp(-7 t)", "1/sigma^2", "mine", "fitted"
    }  # fmt: skip
    row = {each["weighting"]: each for each in wide.to_dicts()}
    assert row["jaini"] == row["exp(-7 t)"] | {"weighting": "jaini"}
    assert row["own"] == row["uniform"] | {"weighting": "own"}
    # A score under this weighting is far from a probability; a temperature mends that.
    assert row["jaini"]["score_ece"] > 0.4 > 0.2 > row["jaini"]["ece"]
    right = (recording.evidence("epsilon").argmax(1) == recording.labels).mean()
    assert row["epsilon"]["accuracy"] == pytest.approx(right)


def test_margins_of_all_times_add_up_to_the_margin(recording):
    table = draws.time(recording, bins=4, resamples=20)
    nats = recording.evidence()
    image = np.arange(len(nats))
    rest = nats.copy()
    rest[image, recording.labels] = -np.inf
    expected = (nats[image, recording.labels] - rest.max(1)).mean()
    margins = table.filter(measure="margin")
    assert len(margins) == 4
    assert margins["estimate"].sum() == pytest.approx(expected, rel=1e-3)


def test_replayed_rules_decide_and_cost_as_evaluated(run, recording, tmp_path):
    observer = GenerativeClassifier(
        MODEL, classes=CLASSES, rule=Sequential(DRAWS), weighting="uniform",
        proposal=[1.0, 4.0, 1.0], batch_size=512,
    )  # fmt: skip
    trials = evaluate(observer, images(60), tmp_path / "run", progress=False).trials()
    table = draws.rules(recording, orders=1)
    row = table.filter(rule="sequential", delta=0.01).row(0, named=True)
    assert row["evaluations"] == pytest.approx(trials["evaluations"].mean())
    assert row["accuracy"] == pytest.approx((trials["response"] == trials["category"]).mean())
    assert row["promise"] == "kept"
    whole = table.filter(rule="exhaustive").row(0, named=True)
    assert (whole["broken"], whole["speedup"], whole["promise"]) == (0.0, 1.0, None)


def test_draws_that_outweigh_all_others_are_warned_of(recording):
    assert heaviness(np.random.default_rng(0).normal(size=(50, 200, 4))) < 0.1
    errors = recording.errors.copy()
    errors[:, 7, 1] += 1e4
    errors[:, 8, 1] -= 1e4
    with pytest.warns(SynthesightWarning, match="may lose the choice"):
        draws.rules(replace(recording, errors=errors), orders=1)
    assert heaviness(errors) > HEAVY


def test_seeds_vary_less_the_more_draws_there_are(recording):
    table = draws.seeds(recording)
    assert table["draws"].to_list() == [5, 10, 20]
    assert table["sets"].to_list() == [8, 4, 2]
    assert table["agreement"].is_sorted()
    same = replace(recording, errors=np.repeat(recording.errors[:, :1], DRAWS, axis=1),
                   steps=np.repeat(recording.steps[:, :1], DRAWS, axis=1))  # fmt: skip
    assert draws.seeds(same).select("sd", "agreement", "changed").row(0) == (0.0, 1.0, 0.0)


def test_a_run_of_a_rule_that_drops_classes_is_told(tmp_path):
    observer = GenerativeClassifier(
        MODEL, classes=CLASSES, rule=Sequential(40, delta=0.2), weighting="epsilon", batch_size=512
    )
    run = evaluate(observer, images(24), tmp_path / "run", keep_draws=True, progress=False)
    assert len(draws.time(run, resamples=0)) > 0  # of the draws that all classes have seen
    with pytest.raises(SynthesightError, match="have all draws of all classes"):
        draws.rules(run)


def test_a_temperature_is_found_again_and_never_changes_the_choice():
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.full(5, 0.4), 3000)
    labels = np.array([rng.choice(5, p=p) for p in truth])
    evidence = 7.0 * np.log(truth)
    counts = np.full(len(labels), 50)
    found = fit_calibration(evidence, counts, labels)
    assert found.draws == 0.0  # all have as many
    probability = found.probability(evidence, counts)
    assert np.median(found.temperature(evidence, counts)) == pytest.approx(7.0, rel=0.1)
    assert np.abs(probability - truth).mean() < 0.02
    assert (probability.argmax(1) == evidence.argmax(1)).all()
    with pytest.raises(SynthesightError, match="too few to calibrate"):
        fit_calibration(evidence[:5], counts[:5], labels[:5])


def test_few_draws_of_a_rule_that_stops_when_sure_are_a_confidence():
    rng = np.random.default_rng(1)
    counts = rng.choice([10, 200], 2000)
    right = rng.random(2000) < np.where(counts == 10, 0.95, 0.5)
    evidence = np.tile([0.0, -3.0], (2000, 1))
    found = fit_calibration(evidence, counts, np.where(right, 0, 1))
    probability = found.probability(np.tile([0.0, -3.0], (2, 1)), np.array([10, 200]))
    np.testing.assert_allclose(probability[:, 0], [0.95, 0.5], atol=0.06)


def test_calibration_from_a_run_makes_probabilities_and_refuses_other_models(run, tmp_path):
    path = tmp_path / "calibration.json"
    said = done("calibrate", "--run", run.folder, "--out", path)
    assert "from 60 labelled images" in said
    observer = GenerativeClassifier(
        MODEL, classes=CLASSES, rule=Exhaustive(DRAWS), weighting="uniform",
        proposal=[1.0, 4.0, 1.0], batch_size=512,
    )  # fmt: skip
    load(observer, calibration=path)
    again = evaluate(observer, images(60), tmp_path / "run", progress=False)
    trials = again.trials()
    found = read_calibration(path)
    evidence = np.array(trials["evidence"].to_list())
    expected = found.probability(evidence, trials["draws"].to_numpy())
    np.testing.assert_allclose(trials["probability"].to_list(), expected)
    assert again.manifest["calibration"]["images"] == 60
    uncalibrated = expected_calibration_error(run.trials(), "observer")["estimate"].item()
    assert expected_calibration_error(trials, "observer")["estimate"].item() < uncalibrated
    with pytest.raises(SynthesightError, match="made with model = mixtures, not natural-32"):
        load("natural-32", calibration=path, device="cpu")


def test_a_network_is_calibrated_too_and_shows_probabilities(tmp_path):
    path = tmp_path / "calibration.json"
    observer = load("natural-32-cnn", classes=["cat", "dog"], device="cpu")
    same = {key: observer.describe().get(key) for key in ("model", "weights")}
    Calibration(np.log(4), made={"observer": same}).save(path)
    picture = tmp_path / "a.png"
    noise_stimuli(np.random.default_rng(0), 1, size=32)[0].source.save(picture)
    said = json.loads(
        done("classify", picture, "--model", "natural-32-cnn", "--classes", "cat,dog",
             "--calibration", path, "--json")
    )  # fmt: skip
    evidence = np.array(said["evidence"]) / 4
    expected = np.exp(evidence) / np.exp(evidence).sum()
    np.testing.assert_allclose(said["probability"], expected, atol=1e-4)
    assert max(said["score"]) > max(said["probability"])


def test_a_weighting_fitted_to_a_run_is_one_that_models_take(run, tmp_path):
    path = tmp_path / "weighting.json"
    done("fit-weighting", "--run", run.folder, "--out", path)
    fitted = json.loads(path.read_text())
    assert fitted["weighting"][0] == 0
    assert max(fitted["proposal"]) == pytest.approx(1, rel=0.01)
    half = np.arange(0, 60, 2)
    recording = draws.read_recording(run)
    accuracy = [
        (recording[half + 1].evidence(each).argmax(1) == recording[half + 1].labels).mean()
        for each in (draws.fit_weighting(recording[half]), "uniform")
    ]
    assert accuracy[0] >= accuracy[1]
    observer = load("natural-32", weighting=path, classes=["cat", "dog"], device="cpu")
    assert observer.weighting == fitted["weighting"]
    assert observer.proposal == fitted["proposal"]


def test_the_command_line_writes_tables_and_figures(run, tmp_path):
    for name in ("weighting", "time", "rules", "seeds"):
        out, figure = tmp_path / f"{name}.parquet", tmp_path / f"{name}.svg"
        assert str(run.folder.name) in done(
            "analyse", name, run.folder, "--out", out, "--figure", figure,
            *(["--resamples", 20] if name in ("weighting", "time") else []),
        )  # fmt: skip
        assert len(pl.read_parquet(out)) > 2
        assert figure.read_text().startswith("<svg")
    assert "end it in .csv" in refused("analyse", "time", run.folder, "--out", "x.txt")


def test_calibration_error_is_the_distance_of_confidence_from_accuracy():
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.full(4, 0.4), 4000)
    labels = np.array([rng.choice(4, p=p) for p in truth])

    def trials(temperature, name):
        evidence = np.log(truth) / temperature
        chosen = [str(k) for k in evidence.argmax(1)]
        return pl.DataFrame(
            {
                "observer": name,
                "stimulus": [f"{n}.png" for n in range(len(labels))],
                "category": [str(k) for k in labels],
                "response": chosen,
                "evidence": (evidence - evidence.max(1, keepdims=True)).tolist(),
            }
        )

    both = pl.concat([trials(1.0, "right"), trials(0.3, "sure")])
    table = expected_calibration_error(both, "observer", resamples=200)
    right, sure = table["estimate"].to_list()
    assert right < 0.03 < 0.1 < sure
    assert (table["low"] <= table["estimate"]).all()
    assert table["low"][0] < 0.01
    bins = reliability(both.filter(observer="right"), "observer")
    assert bins["n"].to_list() == [400] * 10
    inside = (bins["low"] <= bins["confidence"]) & (bins["confidence"] <= bins["high"])
    assert inside.sum() >= 8


def test_evidence_that_is_no_number_does_not_count():
    trials = pl.concat([
        trial_table([True, True, False], evidence=[[0.0, -1.0], [0.0, -2.0], [-1.0, 0.0]]),
        trial_table([True, True, False], "a", kind="human",
                    evidence=pl.Series([None] * 3, dtype=pl.List(pl.Float64))),
    ])  # fmt: skip
    model = pl.col("observer") == "m"
    first = pl.col("stimulus") == trials["stimulus"][0]
    broken = trials.with_columns(
        evidence=pl.when(model & first).then([0.0, float("nan")]).otherwise("evidence")
    )
    left = trials.filter(~first)
    assert_frame_equal(expected_calibration_error(broken), expected_calibration_error(left))
    classes = ["cat", "dog"]
    assert_frame_equal(doubt(broken, classes), doubt(left, classes))


def test_calibration_error_is_uncertain_of_few_images_and_of_shapes_and_textures():
    def of(right, **columns):
        sure = {"probability": [[0.6, 0.4]] * len(right), "evidence": [[0.0, 0.0]] * len(right)}
        trials = trial_table(np.where(right, "cat", "dog"), **sure, **columns)
        return expected_calibration_error(trials, "dataset").row(0, named=True)

    one = of(np.array([True, False]), condition=["0", "1"], stimulus="1.png")
    assert 0 <= one["low"] < one["estimate"] < one["high"] <= 1
    # Every shape is named as often as every texture is: of either, units do not vary.
    shape, texture = (axis.ravel() for axis in np.indices((4, 4)))
    names = [f"cat{s}-dog{t}.png" for s, t in zip(shape, texture, strict=True)]
    crossed = of((shape + texture) % 2 == 0, stimulus=names, texture="dog")
    assert 0 <= crossed["low"] < crossed["estimate"] < crossed["high"] <= 1

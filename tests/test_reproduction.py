"""``reproduce``: a paper's figures beside those measured here."""

from __future__ import annotations

import polars as pl
import pytest

from builders import done, refused, save_pictures, sentence, trial_table
from synthesight.errors import SynthesightError
from synthesight.observers.options import EvaluateOptions
from synthesight.observers.registry import entries
from synthesight.reproduction import figures_beside, plans, read_plan, run_models
from synthesight.trials.schema import conform

PLAN = read_plan("jaini2024")


def cue_conflict(observer: str, kind: str, shapes: int, textures: int) -> pl.DataFrame:
    responses = ["cat"] * shapes + ["dog"] * textures
    return conform(
        trial_table(
            responses, observer, dataset="cue-conflict", kind=kind, texture="dog", category="cat"
        )
    )


def shape_bias(*tables: pl.DataFrame) -> dict[str, dict]:
    table = figures_beside(PLAN, pl.concat(tables), resamples=200)
    rows = table.filter(where="Figure 1")
    return {row["observer"]: row for row in rows.iter_rows(named=True)}


def test_every_open_observer_of_the_plan_is_a_known_model():
    assert plans() == ["jaini2024"]
    known = entries()
    assert PLAN.models == (
        "stable-diffusion-1.4", "deepfloyd-if-xl", "deepfloyd-if-m",
        "anole-7b", "janus-pro-7b", "emu3-gen",
    )  # fmt: skip
    assert {"anole-7b", "janus-pro-7b", "emu3-gen"} == PLAN.exact
    assert all(known[name].kind == "generative" for name in PLAN.models)
    assert len(PLAN.datasets) == 17
    for item in PLAN.items:
        assert bool(item.missing) != bool(item.rows), item.what
        for who, _ in item.rows:
            assert who.name == "people" or who.why or any(name in known for name in who.here), who


def test_verdicts():
    found = shape_bias(
        cue_conflict("subject-01", "human", 96, 4),
        cue_conflict("stable-diffusion-1.4", "generative", 40, 60),
        cue_conflict("deepfloyd-if-m", "generative", 99, 1),
        cue_conflict("resnet50 (mine)", "discriminative", 20, 80),
    )
    assert found["people"]["verdict"] == "agrees"
    assert found["ResNet-50"]["verdict"] == "agrees"
    assert found["ResNet-50"]["here"] == "resnet50 (mine)"
    assert found["Stable Diffusion"]["verdict"] == "differs by -0.530"
    assert found["Imagen"]["verdict"] == "an open kin, not the paper's model"
    assert found["Imagen"]["estimate"] == pytest.approx(0.99)
    assert "never published" in found["Parti"]["verdict"]
    alone = shape_bias(cue_conflict("subject-01", "human", 9, 1))
    assert alone["Stable Diffusion"]["verdict"] == "not run here"


def test_a_mean_of_other_datasets_is_not_compared():
    both = [
        conform(trial_table([True, False, True, True], name, dataset="contrast", kind=kind))
        for name, kind in (("s1", "human"), ("s2", "human"), ("clip", "discriminative"))
    ]
    table = figures_beside(PLAN, pl.concat(both), resamples=50)
    clip = table.filter(observer="CLIP ViT-B (400M)")
    assert len(clip) == 4
    assert set(clip["verdict"]) == {"of 1 of 17 datasets: not the same mean"}


def test_an_unknown_paper_is_one_sentence():
    with pytest.raises(SynthesightError, match=r"There is no paper 'jaini2023'.*jaini2024"):
        read_plan("jaini2023")


def test_the_published_trials_agree_with_the_paper(data_folder, tmp_path):
    out = tmp_path / "out"
    printed = done("reproduce", "jaini2024", "--data", data_folder, "--out", out, "--resamples", 50)
    assert "Shape bias" in printed
    table = pl.read_csv(out / "tables" / "reproduction.csv")
    people = table.filter(where="Figure 1", observer="people").row(0, named=True)
    assert people["verdict"] == "agrees"
    assert people["estimate"] == pytest.approx(0.96, abs=0.005)
    assert "Figure 1: Shape bias" in (out / "index.html").read_text("utf-8")


def test_models_are_run_where_told(tmp_path):
    photographs = tmp_path / "photographs"
    save_pictures(photographs, "cat/1.png", "truck/2.png")
    out = tmp_path / "out"
    command = ["reproduce", "jaini2024", "--out", out, "--data", tmp_path, "--run"]
    assert "no GPU" in sentence(refused(*command))
    command += ["--model", "natural-32-cnn", "--stimuli", photographs, "--limit", 2]
    printed = done(*command, "--device", "cpu")
    assert "not run here" in printed
    assert len(pl.read_parquet(out / "runs" / "natural-32-cnn" / "*.parquet")) == 2


def test_exact_kin_are_asked_without_the_papers_rule(tmp_path, monkeypatch):
    asked = {}

    def noted(name, shown, folder, options, **_):
        asked[name] = options.rule

    monkeypatch.setattr("synthesight.evaluation.run_evaluation", noted)
    options = EvaluateOptions(rule="repeated-t", device="cpu")
    run_models(PLAN, tmp_path, datasets=["edge"], options=options)
    assert asked["stable-diffusion-1.4"] == asked["deepfloyd-if-xl"] == "repeated-t"
    assert asked["anole-7b"] is asked["janus-pro-7b"] is asked["emu3-gen"] is None

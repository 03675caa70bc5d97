"""Doubt: distributions over classes beside people's; shape and texture beyond the ratio."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from builders import trial_table
from synthesight.analysis import (
    doubt,
    read_answers,
    response_entropy,
    shape_bias,
    shape_match,
    shape_preference,
    texture_match,
    with_people,
)
from synthesight.errors import SynthesightError
from synthesight.report.provenance import Provenance
from synthesight.report.times import doubt_section
from synthesight.trials.schema import conform

CLASSES = ["cat", "dog", "car"]


def asked(count=200, seed=0):
    """Return people's shares of each image, their answers, and a model that knows the shares."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet([4.0, 1.0, 0.5], count)
    counts = np.array([rng.multinomial(50, row) for row in share])
    name = [f"{n}.png" for n in range(count)]
    answers = pl.DataFrame({"category": "cat", "image": name}).with_columns(
        pl.Series(each, counts[:, place].astype(float)) for place, each in enumerate(CLASSES)
    )
    model = trial_table(["cat"] * count, "m", stimulus=name).with_columns(
        evidence=pl.Series(np.log(share + 1e-9).tolist())
    )
    return share, answers, model


def long(answers):
    return answers.unpivot(
        index=["category", "image"], variable_name="response", value_name="count"
    ).filter(pl.col("count") > 0)


def test_who_knows_peoples_shares_has_the_least_cross_entropy():
    share, answers, model = asked()
    found = doubt(model, CLASSES, long(answers))
    rows = {row["measure"]: row for row in found.iter_rows(named=True)}
    direct = -(share * np.log(share)).sum(axis=1).mean()
    assert rows["cross_entropy"]["estimate"] == pytest.approx(direct, abs=0.02)
    # People's own entropy is below it, and probabilities that are too sure are worse.
    assert rows["cross_entropy"]["people"] < rows["cross_entropy"]["estimate"]
    sure = share**2 / (share**2).sum(axis=1, keepdims=True)
    calibrated = model.with_columns(probability=pl.Series(sure.tolist()))
    other = doubt(calibrated, CLASSES, long(answers), resamples=0)
    assert other["estimate"][0] == pytest.approx(
        -(share * np.log(sure)).sum(axis=1).mean(), abs=0.05
    )
    assert other["estimate"][0] > rows["cross_entropy"]["estimate"]
    assert other["low"].null_count() == 3
    assert rows["entropy_correlation"]["estimate"] > rows["entropy_correlation"]["people"] > 0.5
    assert rows["second_choice"]["estimate"] > 0.8
    assert rows["second_choice"]["n"] <= 200
    assert (found["low"] <= found["estimate"]).all()
    assert (found["estimate"] <= found["high"]).all()


def test_answers_of_people_in_the_trials_are_taken():
    _, _, model = asked(12)
    people = [
        trial_table(
            [CLASSES[(n * k) % 3] for n in range(12)], f"p{k}", kind="human",
            stimulus=[f"{n}.png" for n in range(12)],
        )
        for k in range(4)
    ]  # fmt: skip
    trials = pl.concat([*people, model], how="diagonal_relaxed")
    found = doubt(trials, CLASSES, resamples=0)
    assert found["n"][0] == 12
    # The report takes the classes from the record of the run.
    made = Provenance("m", "discriminative", None, {"classes": CLASSES}, [], 12, None, None, ())
    everyone = with_people(conform(trials))
    section = doubt_section(everyone, [made], 0, "these")
    assert section.tables["doubt"]["estimate"].to_list() == found["estimate"].to_list()
    assert set(section.tables["doubt"]["population"]) == {"these"}
    assert section.population == "these"
    assert section.figures["doubt-d"].to_dict()["concat"][2]
    assert doubt_section(everyone, [], 0, "these") is None
    with pytest.raises(SynthesightError, match="answers of people"):
        doubt(model, CLASSES)


def test_what_cannot_be_is_one_sentence():
    _, answers, model = asked(5)
    with pytest.raises(SynthesightError, match="2 classes, but for 3"):
        doubt(model, ["cat", "dog"], long(answers))
    with pytest.raises(SynthesightError, match="none of the images"):
        doubt(model, CLASSES, long(answers).with_columns(image=pl.lit("other.png")))
    with pytest.raises(SynthesightError, match="does not name those of 'm'"):
        doubt(model, {"other": CLASSES}, long(answers))


def test_a_table_of_counts_is_read_by_its_labels(tmp_path):
    table = pl.DataFrame({
        "name": ["0.jpg", "1.jpg"], "label": ["automobile", "cat"], "index": [3, 4],
        "automobile": [7, 0], "cat": [1, 9],
    })  # fmt: skip
    table.write_csv(tmp_path / "answers.csv")
    found = read_answers(tmp_path / "answers.csv").sort("image", "response")
    assert found.rows() == [
        ("automobile", "0.jpg", "automobile", 7.0),
        ("automobile", "0.jpg", "cat", 1.0),
        ("cat", "1.jpg", "cat", 9.0),
    ]
    table.drop("name").write_csv(tmp_path / "unnamed.csv")
    with pytest.raises(SynthesightError, match="label and name"):
        read_answers(tmp_path / "unnamed.csv")


def test_people_doubt_cifar_images(data_folder):
    answers = read_answers(data_folder / "cifar10h.parquet")
    total = answers.group_by("category", "image").agg(pl.col("count").sum())
    assert len(total) == 10_000
    assert total["count"].mean() == pytest.approx(51.1, abs=0.1)
    best = answers.sort("count").group_by("category", "image", maintain_order=True).last()
    assert (best["response"] == best["category"]).mean() == pytest.approx(0.992, abs=1e-3)


def conflict(responses, evidence=None):
    names = [f"c/cat/cat{n}-dog1.png" for n in range(len(responses))]
    trials = trial_table(responses, "m", texture="dog", stimulus=names)
    return trials if evidence is None else trials.with_columns(evidence=pl.Series(evidence))


def test_matches_and_bias_belong_together():
    trials = conflict(["cat", "cat", "dog", "car", None])
    shape, texture, bias = (
        measure(trials, resamples=0)["estimate"].item()
        for measure in (shape_match, texture_match, shape_bias)
    )
    assert (shape, texture) == (0.4, 0.2)
    assert bias == pytest.approx(shape / (shape + texture))


def test_preference_counts_images_where_neither_cue_was_named():
    evidence = [[0.0, -1.0, 5.0], [-1.0, 0.0, 5.0], [0.0, 0.0, 5.0], [1.0, -2.0, 5.0]]
    trials = conflict(["car"] * 4, evidence)
    assert shape_bias(trials, resamples=0)["estimate"].item() is None
    found = shape_preference(trials, CLASSES)
    assert (found["estimate"].item(), found["n"].item()) == (0.625, 4)
    with pytest.raises(SynthesightError, match="2 classes"):
        shape_preference(trials, ["cat", "dog"])


def test_entropy_with_missing_responses_is_the_toolboxs():
    trials = trial_table(["cat", "dog", "dog", None], "m")
    left_out = response_entropy(trials, by="observer", resamples=0)
    counted = response_entropy(trials, by="observer", missing="counted", resamples=0)
    assert left_out["estimate"].item() == pytest.approx(np.log2(3) - 2 / 3)
    assert counted["estimate"].item() == pytest.approx(0.25 * 2 + 0.5)
    assert (left_out["n"].item(), counted["n"].item()) == (3, 4)
    with pytest.raises(SynthesightError, match="missing"):
        response_entropy(trials, missing="no")


def test_entropies_of_people_are_those_that_the_toolbox_prints(data_folder):
    from synthesight.trials.people import load_human_trials

    people = load_human_trials(data_folder, ["eidolonIII"])
    each = response_entropy(people, by=["observer", "condition"], missing="counted", resamples=0)
    mean = each.filter(condition="64-0-10")["estimate"].mean()
    assert mean == pytest.approx(3.0899, abs=1e-4)

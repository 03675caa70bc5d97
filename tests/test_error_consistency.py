"""Error consistency: its definition, its symmetries, and people against people."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthesight.analysis.conditions import CONDITIONS, LEFT_OUT, benchmark_trials
from synthesight.analysis.error_consistency import error_consistency, kappa, mean_consistency
from synthesight.errors import SynthesightError
from synthesight.observers.human import load_human_trials, load_model_trials
from synthesight.trials.schema import conform

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def plain_kappa(first: np.ndarray, second: np.ndarray) -> float:
    observed = np.mean(first == second)
    p, q = first.mean(), second.mean()
    expected = p * q + (1 - p) * (1 - q)
    return float("nan") if expected == 1 else (observed - expected) / (1 - expected)


@settings(deadline=None)
@given(ANSWERS)
def test_kappa_is_its_definition_and_symmetric(answers):
    first, second = np.array(answers).T
    np.testing.assert_allclose(kappa(first, second), plain_kappa(first, second), atol=1e-12)
    np.testing.assert_allclose(kappa(first, second), kappa(second, first), atol=1e-12)
    if 0 < first.mean() < 1:
        assert kappa(first, first) == pytest.approx(1)


def test_independent_observers_have_kappa_near_zero():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 20_000)) < np.array([[0.7], [0.4]])
    assert abs(kappa(first, second)) < 0.02


def test_kappa_is_undefined_where_chance_explains_all():
    assert np.isnan(kappa(np.ones(5), np.ones(5)))
    assert np.isnan(kappa(np.zeros(5), np.zeros(5)))
    assert kappa(np.ones(5), np.zeros(5)) == 0


def test_observers_without_an_image_in_common():
    with pytest.raises(SynthesightError, match="same images"):
        kappa(np.ones(3), np.ones(4))


def test_pairs_of_a_table_equal_the_definition():
    rng = np.random.default_rng(1)
    rows = [
        {
            "observer": observer, "dataset": "edge", "condition": "0", "stimulus": f"{image}.png",
            "image": f"{image}.png", "category": "cat",
            "response": rng.choice(["cat", "dog", None]),
        }
        for observer in "abc"
        for image in range(30)
        if not (observer == "c" and image < 10)
    ]  # fmt: skip
    trials = conform(pl.DataFrame(rows))
    pairs = error_consistency(trials)
    assert pairs.height == 3
    correct = trials.with_columns(right=(pl.col("response") == "cat").fill_null(False))
    for first, second, n, value in pairs.select("first", "second", "n", "kappa").iter_rows():
        both = correct.filter(observer=first).join(correct.filter(observer=second), on="image")
        assert n == both.height == (20 if "c" in (first, second) else 30)
        expected = plain_kappa(both["right"].to_numpy(), both["right_right"].to_numpy())
        assert value == pytest.approx(expected)


def test_people_are_more_consistent_with_people_than_networks_are(data_folder):
    datasets = ["edge", "silhouette", "cue-conflict"]
    trials = pl.concat(
        [load_human_trials(data_folder, datasets), load_model_trials(data_folder, datasets)]
    )
    kinds = dict(trials.select("observer", "kind").unique().iter_rows())
    table = mean_consistency(error_consistency(trials), kinds)
    people = table.filter(kind="human")["kappa"]
    networks = table.filter(kind="discriminative")["kappa"]
    assert len(people) == 10
    assert len(networks) == 4
    assert people.min() > networks.max()


def test_conditions_are_those_of_the_published_trials(data_folder):
    trials = load_human_trials(data_folder)
    assert set(trials["dataset"].unique()) == set(CONDITIONS)
    found = trials.group_by("dataset").agg(pl.col("condition").unique())
    for dataset, conditions in found.iter_rows():
        assert set(conditions) == set(CONDITIONS[dataset])
        assert set(LEFT_OUT.get(dataset, ())) < set(conditions) | {""}
    kept = benchmark_trials(trials)
    assert "c100" not in kept.filter(dataset="contrast")["condition"].unique()
    assert kept.filter(dataset="edge").height == trials.filter(dataset="edge").height

"""Reaction time: effort of models beside people's times, and accuracy by deadline."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from builders import trial_table
from synthesight.analysis import reaction_time, speed_accuracy, with_people
from synthesight.analysis._stats.correlations import rank_correlations  # noqa: PLC2701 - tested here
from synthesight.errors import SynthesightError
from synthesight.report.times import time_section
from synthesight.trials.people import load_human_trials

IMAGES = 60


def study(seed=0, noise=0.2, people=4, **columns):
    """People whose times follow the images' difficulty, and a model whose effort does."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=IMAGES)
    tables = [
        trial_table(["cat"] * IMAGES, f"p{n}", kind="human").with_columns(
            rt=pl.Series(np.exp(0.2 * hard + noise * rng.normal(size=IMAGES) + 0.1 * n))
        )
        for n in range(people)
    ]
    model = trial_table(["cat"] * IMAGES, "m", kind="generative").with_columns(
        evaluations=pl.Series(np.round(200 + 50 * hard))
    )
    return pl.concat([*tables, model], how="diagonal_relaxed")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=3, max_size=30))
def test_the_correlation_is_scipys(pairs):
    seconds, passes = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    answers = ["cat"] * len(pairs)
    person = trial_table(answers, "p", kind="human").with_columns(rt=pl.Series(seconds / 5))
    model = trial_table(answers, "m").with_columns(evaluations=pl.Series(passes))
    trials = pl.concat([person, model], how="diagonal_relaxed")
    row = reaction_time(trials, effort="evaluations", resamples=0).row(0, named=True)
    assert row["n"] == len(pairs)
    if len(set(seconds)) > 1 and len(set(passes)) > 1:
        assert row["estimate"] == pytest.approx(spearmanr(seconds, passes).statistic, abs=1e-9)
    else:
        assert (row["estimate"], row["undefined"]) == (None, 1)


def test_a_model_that_takes_as_long_as_people_is_near_the_ceiling():
    rows = {row["observer"]: row for row in reaction_time(study(noise=0.05)).iter_rows(named=True)}
    assert rows["m"]["estimate"] > 0.95
    assert rows["m"]["low"] < rows["m"]["estimate"] < rows["m"]["high"]
    assert rows["people"]["estimate"] > 0.9
    assert rows["m"]["ceiling"] > rows["people"]["estimate"]
    assert rows["m"]["n"] == rows["people"]["n"] == IMAGES


def test_a_persons_own_speed_and_missed_images_shift_nothing():
    trials = study(noise=0.0)
    slow = pl.when(pl.col("observer") == "p1").then(pl.col("rt") * 3).otherwise("rt")
    same = reaction_time(trials.with_columns(rt=slow), resamples=0)
    assert same.equals(reaction_time(trials, resamples=0))
    missed = pl.when((pl.col("observer") == "p1") & (pl.col("stimulus").hash() % 3 == 0))
    partly = reaction_time(trials.with_columns(rt=missed.then(None).otherwise("rt")), resamples=0)
    assert partly.filter(observer="m")["estimate"].item() > 0.97


def test_effort_is_chosen_by_name():
    rng = np.random.default_rng(0)
    lead = rng.uniform(0, 3, IMAGES)
    evidence = [[0.0, -float(each)] for each in lead]
    network = trial_table(["cat"] * IMAGES, "m", kind="discriminative").with_columns(
        evidence=pl.Series(evidence), surely=pl.Series(lead)
    )
    people = study().filter(kind="human")
    trials = pl.concat([people, network], how="diagonal_relaxed")

    def of(effort):
        table = reaction_time(trials, effort=effort, resamples=0)
        return table.filter(observer="m")["estimate"].item()

    # Two classes: margin, entropy and auto order the images alike.
    assert of("auto") == pytest.approx(of("margin")) == pytest.approx(of("entropy"))
    assert of("-surely") == pytest.approx(of("margin")) == pytest.approx(-of("surely"))
    for wrong in ("nothing", "response"):
        with pytest.raises(SynthesightError, match=f"effort='{wrong}'"):
            of(wrong)


def test_without_times_of_people_it_says_what_is_missing():
    with pytest.raises(SynthesightError, match="rt"):
        reaction_time(study().filter(kind="generative"))
    with pytest.raises(SynthesightError, match="No trial has a time"):
        speed_accuracy(trial_table(["cat"], "m"))


def test_one_person_has_no_halves():
    table = reaction_time(study(people=1), resamples=0)
    assert table["observer"].to_list() == ["m"]
    assert table["ceiling"].item() is None


def test_the_influence_of_an_image_is_what_leaving_it_out_changes():
    rng = np.random.default_rng(0)
    first = np.round(rng.normal(size=(200, 1)), 1)  # with ties
    second = first + rng.normal(size=(200, 1))
    found = rank_correlations(first, second)
    left_out = np.array([
        spearmanr(np.delete(first, row), np.delete(second, row)).statistic for row in range(200)
    ])  # fmt: skip
    jackknife = (found.estimate[0] - left_out) * 199 / 200
    np.testing.assert_allclose(found.effects[:, 0], jackknife, atol=1e-4)
    assert np.ptp(jackknife) > 0.01


def test_intervals_cover_what_they_promise():
    # In studies of one population, how often does the interval hold the mean estimate?
    tables = [reaction_time(study(seed, people=2), seed=seed) for seed in range(40)]
    rows = pl.concat(tables).filter(observer="m")
    truth = rows["estimate"].mean()
    held = ((rows["low"] <= truth) & (rows["high"] >= truth)).mean()
    assert 0.85 <= held <= 1.0


def test_intervals_speak_of_the_population_that_is_asked_for():
    populations = ["these", "new-stimuli", "new-people", "new-people-and-stimuli"]
    rows = [
        reaction_time(study(noise=0.5), population=each).row(0, named=True) for each in populations
    ]
    assert [row["population"] for row in rows] == populations
    width = [row["high"] - row["low"] for row in rows]
    assert width[0] <= width[1] <= width[3]
    assert width[2] <= width[3]
    # One person tells nothing of people.
    alone = reaction_time(study(people=1), population="new-people").row(0, named=True)
    assert (alone["low"], alone["high"]) == (None, None)
    with pytest.raises(SynthesightError, match="population="):
        reaction_time(study(), population="everyone")


def test_early_answers_are_judged_by_those_given_by_then():
    trials = trial_table(["cat", "cat", "dog", None], "a", category="cat").with_columns(
        rt=pl.Series([0.4, 0.5, 0.6, None])
    )
    table = speed_accuracy(trials, by="observer", shares=[0.5, 1.0], resamples=0)
    assert table.select("share", "deadline", "estimate", "n").rows() == [
        (0.5, 0.5, 1.0, 2), (1.0, 0.6, pytest.approx(2 / 3), 3),
    ]  # fmt: skip
    assert speed_accuracy(trials, by=[], shares=[1.0], resamples=0)["n"].item() == 3
    with pytest.raises(SynthesightError, match="shares"):
        speed_accuracy(trials, shares=[0.0])


def test_the_report_shows_accuracy_by_deadline():
    section = time_section(with_people(study()), 0, "new-people")
    assert set(section.tables) == {"reaction-time", "speed-accuracy"}
    curves = section.tables["speed-accuracy"]
    assert set(curves["observer"]) == {"m", "people"}
    assert section.tables["reaction-time"]["population"].unique().to_list() == ["new-people"]
    assert list(section.figures) == ["reaction-time-bars", "speed-accuracy"]
    assert time_section(with_people(study().drop("rt")), 0) is None


def test_people_are_as_slow_as_each_other_on_the_published_images(data_folder):
    people = load_human_trials(data_folder, ["edge", "silhouette"])
    table = reaction_time(people, by="dataset", trivial=True, resamples=0)
    found = dict(table.select("dataset", "estimate").iter_rows())
    assert found["edge"] == pytest.approx(0.519, abs=1e-3)
    assert found["silhouette"] == pytest.approx(0.562, abs=1e-3)
    # Quick answers are the right ones: 100 against 89 % on edges.
    curve = speed_accuracy(people.filter(dataset="edge"), by="dataset", resamples=0)
    assert curve["estimate"].is_sorted(descending=True)
    assert curve["estimate"].to_list()[0] == 1.0

"""Accuracy, its interval, and the mean over conditions and datasets."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from builders import trial_table
from synthesight.analysis import (
    accuracy,
    compare,
    judged,
    ood_accuracy,
    with_people,
    without_trivial,
)
from synthesight.analysis._stats.bootstrap import weights  # noqa: PLC2701 - tested here
from synthesight.errors import SynthesightError
from synthesight.report.factors import factors_section
from synthesight.stimuli.datasets import datasets
from synthesight.trials.people import load_human_trials


def test_no_response_is_an_error_and_an_unreadable_stimulus_no_trial():
    trials = trial_table([True, True, False, False, True]).with_columns(
        response=pl.Series(["cat", "cat", None, "dog", None]),
        error=pl.Series([None, None, None, None, "not an image"], dtype=pl.String),
    )
    row = accuracy(trials).row(0, named=True)
    assert (row["estimate"], row["n"], row["stimuli"]) == (0.5, 4, 4)
    assert 0 <= row["low"] < 0.5 < row["high"] <= 1


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_estimate_is_the_mean_and_lies_in_its_interval(correct):
    row = accuracy(trial_table(correct)).row(0, named=True)
    assert row["estimate"] == pytest.approx(np.mean(correct))
    assert 0 <= row["low"] < row["high"] <= 1
    assert row["low"] <= row["estimate"] <= row["high"]
    if len(set(correct)) == 1:
        exact = binomtest(sum(correct), len(correct)).proportion_ci(method="exact")
        assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high))


def test_resampling_observers_too_widens_the_interval_as_it_should():
    """Observers of different ability: the spread of their means is what the interval shows."""
    rng = np.random.default_rng(1)
    ability = rng.uniform(0.4, 0.9, 30)
    trials = pl.concat(
        [
            trial_table(rng.random(300) < p, observer=f"o{n}", kind="human")
            for n, p in enumerate(ability)
        ]
    )
    just_these = accuracy(trials, by=["dataset"]).row(0, named=True)
    like_these = accuracy(trials, by=["dataset"], population="new-people-and-stimuli").row(
        0, named=True
    )
    each = accuracy(trials)["estimate"].std() / np.sqrt(30)
    assert just_these["estimate"] == pytest.approx(like_these["estimate"])
    assert like_these["high"] - like_these["low"] == pytest.approx(2 * 1.96 * each, rel=0.25)
    assert just_these["high"] - just_these["low"] < (like_these["high"] - like_these["low"]) / 2


def test_weights_are_counts_of_a_resample():
    drawn = weights(7, 500, np.random.default_rng(0))
    assert drawn.shape == (500, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert drawn.var() == pytest.approx(1 - 1 / 7, rel=0.1)


def test_groups_can_be_any_columns():
    trials = pl.concat([trial_table([True, False], observer=o, size=s) for o, s in ("ab", "cd")])
    assert accuracy(trials, by=["size"])["n"].to_list() == [2, 2]
    assert accuracy(trials, by=[]).row(0)[0] == 0.5
    assert accuracy(trials.clear()).columns == accuracy(trials).columns
    with pytest.raises(SynthesightError, match="no column 'sise'"):
        accuracy(trials, by=["sise"])


def test_a_factor_may_be_called_as_a_column_of_the_result():
    trials = trial_table([True, False] * 4, population=["adult"] * 4 + ["child"] * 4)
    with pytest.raises(SynthesightError, match="'population', a column of the result: rename it"):
        accuracy(trials, "population")
    section = factors_section(with_people(judged(trials)), 0)
    table = section.tables["accuracy-by-population"]
    assert table["factor population"].to_list() == ["adult", "child"]
    assert table["population"].unique().to_list() == ["new-stimuli"]


def test_images_that_share_an_id_stay_apart():
    """CIFAR-10's names end alike; their last part is no id."""
    trials = trial_table([True, False, True]).with_columns(image=pl.lit("000001.png"))
    assert accuracy(trials)["stimuli"].to_list() == [3]


def test_published_names_share_an_image_whoever_saw_it_and_however_often():
    # Observers under one name, and an image shown twice to one: still four images.
    names = [f"{n:04}_cop_s{who}_c50_cat_00_n0_{n % 4}.png" for who in (1, 2) for n in range(8)]
    images = ["_".join(name.split("_")[-2:]) for name in names]
    trials = trial_table(
        ["cat"] * 16, "person", "contrast", "c50", stimulus=names, image=images
    ).drop("kind")
    assert accuracy(trials).select("n", "stimuli").row(0) == (16, 4)


def test_ood_accuracy_is_the_mean_of_means():
    trials = pl.concat(
        [
            trial_table([True] * 4, dataset="contrast", condition="c100"),
            trial_table([True, False] * 10, dataset="contrast", condition="c50"),
            trial_table([True] * 4, dataset="contrast", condition="c30"),
            trial_table([False] * 10, dataset="edge"),
            trial_table([True], dataset="edge", observer="other"),
        ]
    )
    result = ood_accuracy(trials)
    row = result.row(by_predicate=pl.col("observer") == "m", named=True)
    assert row["estimate"] == pytest.approx((0.75 + 0) / 2)
    assert (row["datasets"], row["conditions"], row["n"]) == (2, 3, 34)
    # c50 has weight 1/4. Four images that were all right and ten all wrong are not certain either:
    # as if two more of each kind had been seen.
    variance = 0.25 / 20 / 16 + (0.25 * 0.75 / 8) / 16 + (1 / 7 * 6 / 7 / 14) / 4
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.15)
    every = ood_accuracy(trials, trivial=True).filter(observer="m")["estimate"].item()
    assert every == pytest.approx((1 + 0.5 + 1) / 3 / 2)


def test_the_trivial_conditions_are_published_ones():
    assert all(set(known.trivial) < set(known.conditions) for known in datasets().values())
    # 78 published conditions, of which the benchmark keeps 46.
    assert sum(len(known.conditions) - len(known.trivial) for known in datasets().values()) == 46


def test_people_do_well_where_the_benchmark_counts_and_badly_where_it_does_not(data_folder):
    people = load_human_trials(data_folder)
    counted = accuracy(without_trivial(people), by=["dataset", "condition"])
    # The benchmark's criterion: people's mean accuracy is at least 0.2 in what it keeps.
    assert counted["estimate"].min() > 0.2
    overall = ood_accuracy(people, by=["kind"]).row(0, named=True)
    assert (overall["datasets"], overall["conditions"]) == (17, 46)
    assert 0.71 < overall["low"] < overall["estimate"] < overall["high"] < 0.74


def test_a_paired_comparison_sees_what_unpaired_intervals_hide():
    rng = np.random.default_rng(2)
    easy = rng.random(300) < 0.6
    better = easy | (rng.random(300) < 0.06)
    trials = pl.concat([trial_table(easy, observer="a"), trial_table(better, observer="b")])
    found = compare(trials, "b", "a")
    assert found.estimate == pytest.approx(better.mean() - easy.mean())
    assert 0 < found.low < found.estimate < found.high
    # The exact sign test on the discordant pairs, all of which favour b.
    discordant = int((better & ~easy).sum())
    assert found.p == pytest.approx(max(2 * 0.5**discordant, 1e-4), abs=5e-3)
    turned = compare(trials, "a", "b")
    assert turned.estimate == -found.estimate


def test_a_comparison_of_equals_rejects_as_often_as_it_says():
    rng = np.random.default_rng(3)
    ps = [
        compare(
            pl.concat([trial_table(rng.random(60) < 0.5, observer=o) for o in "ab"]),
            "a", "b", resamples=500, seed=n,
        ).p
        for n in range(100)
    ]  # fmt: skip
    assert np.mean(np.array(ps) <= 0.05) <= 0.12
    assert np.mean(np.array(ps) <= 0.5) <= 0.65


def test_a_comparison_without_common_stimuli_is_refused():
    trials = pl.concat(
        [trial_table([True], observer="a"), trial_table([True], observer="b", dataset="e")]
    )
    with pytest.raises(SynthesightError, match="no common stimuli"):
        compare(trials, "a", "b")
    with pytest.raises(SynthesightError, match="choose among a, b"):
        compare(trials, "a", "c")
    with pytest.raises(SynthesightError, match="itself"):
        compare(trials, "a", "a")


def test_all_right_is_not_known_exactly():
    """Ten of ten right: the exact interval (Clopper & Pearson 1934), which scipy gives too."""
    for right, count in ((True, 10), (False, 10), (True, 1), (True, 300)):
        row = accuracy(trial_table([right] * count)).row(0, named=True)
        exact = binomtest(count * right, count).proportion_ci(method="exact")
        assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high))
    # Images are what is counted: ten people do not make one image more certain.
    crowd = pl.concat([trial_table([True] * 10, observer=f"s{n}") for n in range(10)])
    exact = binomtest(10, 10).proportion_ci(method="exact")
    assert accuracy(crowd, by=["dataset"])["low"][0] == pytest.approx(exact.low)
    none = accuracy(trial_table([True] * 10), resamples=0).row(0, named=True)
    assert (none["low"], none["high"]) == (None, None)

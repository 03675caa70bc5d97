"""What is drawn again together: a photograph in all its conditions, a person in all of theirs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from builders import trial_table
from synthesight.analysis import (
    accuracy,
    compare,
    error_consistency,
    observed_consistency,
    ood_accuracy,
    pairwise_means,
)

STUDIES, PHOTOS, CONDITIONS = 40, 100, 5


def trials_of(right, observer="m", kind="discriminative", *, same=True):
    """Trials from bool of shape (studies, conditions, images); a study is a dataset.

    Parameters
    ----------
    same
        Whether an image's number means the same photograph in each condition.
    """
    study, condition, image = (axis.ravel() for axis in np.indices(right.shape))
    photograph = image if same else image + right.shape[2] * condition
    return trial_table(
        right.ravel(),
        observer,
        np.char.add("study", study.astype(str)),
        np.char.add("c", condition.astype(str)),
        kind=kind,
        image=np.char.add("p", photograph.astype(str)),
    ).with_columns(stimulus=pl.format("{}/{}_{}.png", "dataset", "condition", "image"))


@pytest.fixture(scope="module")
def easy_and_hard():
    """Photographs that are easy or hard, each in all conditions, and their estimates' spread."""
    rng = np.random.default_rng(0)
    chance = 1 / (1 + np.exp(-3 * rng.standard_normal((STUDIES, 1, PHOTOS))))
    p = 1 / (1 + np.exp(-3 * rng.standard_normal(100_000)))
    spread = np.sqrt((p.var() + (p * (1 - p)).mean() / CONDITIONS) / PHOTOS)
    return rng.random((STUDIES, CONDITIONS, PHOTOS)) < chance, spread


def width(table):
    return (table["high"] - table["low"]).mean()


def test_a_photograph_in_all_conditions_is_one_thing_to_draw(easy_and_hard):
    right, spread = easy_and_hard
    trials = trials_of(right)
    for table in (accuracy(trials), ood_accuracy(trials, ["observer", "dataset"])):
        assert width(table) == pytest.approx(2 * 1.96 * spread, rel=0.08)
        assert ((table["low"] <= 0.5) & (table["high"] >= 0.5)).mean() >= 0.85
    # What it would be for as many different photographs.
    apart = accuracy(trials_of(right, same=False))
    assert width(apart) == pytest.approx(2 * 1.96 * np.sqrt(0.25 / (PHOTOS * CONDITIONS)), rel=0.08)
    assert apart["stimuli"].to_list() == accuracy(trials)["stimuli"].to_list()


def test_agreement_is_of_photographs_too(easy_and_hard):
    """Two observers with the same hard photographs, in five conditions or in one large one."""
    right, _ = easy_and_hard
    other = right ^ (np.random.default_rng(1).random(right.shape[::2])[:, None] < 0.2)
    both = pl.concat([trials_of(right), trials_of(other, "o", "human")])
    # Whether two agree on a photograph is the same in each of its conditions here.
    expected = 2 * 1.96 * np.sqrt(0.2 * 0.8 / PHOTOS)
    studies = both.partition_by("dataset")[:12]
    found = pl.concat(observed_consistency(one, resamples=500).head(1) for one in studies)
    assert width(found) == pytest.approx(expected, rel=0.15)
    # κ of one condition cannot be less certain than that of five conditions of these images.
    one = both.filter(pl.col("condition") == "c0")
    pairs, single = pairwise_means(both, resamples=300), pairwise_means(one, resamples=300)
    assert width(pairs) > 0.75 * width(single)
    consistency = [width(error_consistency(s, resamples=300).head(1)) for s in studies]
    assert np.mean(consistency) == pytest.approx(width(pairs), rel=0.15)


def test_a_difference_is_over_photographs_too(easy_and_hard):
    right, _ = easy_and_hard
    rng = np.random.default_rng(2)
    # Each photograph is easy for one of the two: same accuracy in the long run.
    turned = np.where(rng.random((STUDIES, 1, PHOTOS)) < 0.5, right, ~right)
    both = pl.concat([trials_of(right), trials_of(turned, "o")])
    found = [compare(s, "m", "o", resamples=400) for s in both.partition_by("dataset")]
    estimates = np.array([d.estimate for d in found])
    widths = np.array([d.high - d.low for d in found])
    assert widths.mean() == pytest.approx(2 * 1.96 * estimates.std(), rel=0.3)
    assert np.mean([d.p < 0.05 for d in found]) <= 0.2
    assert found[0].n == PHOTOS * CONDITIONS


@pytest.fixture(scope="module")
def people():
    """Eight people of different ability, each in five conditions of 80 images of their own."""
    rng = np.random.default_rng(3)
    ability = rng.beta(14, 6, (8, STUDIES, 1, 1))
    right = rng.random((8, STUDIES, 5, 80)) < ability
    trials = [trials_of(r, f"s{n}", "human", same=False) for n, r in enumerate(right)]
    return pl.concat(trials), np.sqrt(14 * 6 / (20**2 * 21) / 8 + 0.2 / (8 * 400))


def test_a_person_in_all_conditions_is_one_person(people):
    trials, spread = people
    table = ood_accuracy(
        trials, ["kind", "dataset"], population="new-people-and-stimuli", resamples=500
    )
    merged = accuracy(
        trials, ["kind", "dataset"], population="new-people-and-stimuli", resamples=500
    )
    assert width(table) == pytest.approx(width(merged), rel=0.1)
    assert width(table) > 2 * 1.96 * spread * 0.85
    assert ((table["low"] <= 0.7) & (table["high"] >= 0.7)).mean() >= 0.85


def test_likeness_to_people_like_these_does_not_gain_from_conditions(people):
    trials, _ = people
    studies = trials.partition_by("dataset")[:10]
    options = {"population": "new-people-and-stimuli"}
    apart = pl.concat(observed_consistency(s, **options) for s in studies)
    joined = pl.concat(
        observed_consistency(s.with_columns(condition=pl.lit("c0")), **options) for s in studies
    )
    assert width(apart) == pytest.approx(width(joined), rel=0.15)

"""Units and populations: what an interval lets vary, and what its row says that it does."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.stats import t as student

from builders import trial_table
from synthesight.analysis import (
    accuracy,
    benchmark,
    difference_from_people,
    error_consistency,
    ood_accuracy,
    response_entropy,
    shape_bias,
)
from synthesight.errors import SynthesightError

SHAPES, TEXTURES = 20, 12


def conflict(right, **more):
    """Trials of an observer on every shape in every texture, right where the shape was named."""
    shape, texture = (axis.ravel() for axis in np.indices(right.shape))
    names = [f"cat{s}-dog{t}.png" for s, t in zip(shape, texture, strict=True)]
    response = np.where(right.ravel(), "cat", "dog")
    return trial_table(response, dataset="d", stimulus=names, texture="dog", **more)


def width(row):
    return (row["high"] - row["low"]).item()


@pytest.fixture(scope="module")
def clustered():
    rng = np.random.default_rng(0)
    level = rng.normal(0, 1, (SHAPES, 1)) + rng.normal(0, 1, (1, TEXTURES))
    return rng.random((SHAPES, TEXTURES)) < 1 / (1 + np.exp(-level))


def test_new_shapes_and_textures_are_both_counted(clustered):
    """The variance is that of Cameron, Gelbach & Miller, here in closed form."""
    row = shape_bias(conflict(clustered))
    p = clustered.mean()
    left = (clustered - p) / clustered.size

    def of(sums):
        return (sums**2).sum() * sums.size / (sums.size - 1)

    by_shape, by_texture, by_image = of(left.sum(axis=1)), of(left.sum(axis=0)), of(left.ravel())
    variance = by_shape + by_texture - by_image
    freedom = (by_shape + by_texture) ** 2 / (
        by_shape**2 / (SHAPES - 1) + by_texture**2 / (TEXTURES - 1)
    )
    z = student.ppf(0.975, freedom)
    n = p * (1 - p) / variance
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert width(row) == pytest.approx(2 * half, rel=1e-9)
    assert row["population"].item() == "new-stimuli"
    assert width(row) > 1.5 * width(shape_bias(conflict(clustered), population="these"))


def test_own_sets_tell_their_shapes_and_textures_by_columns_or_not_at_all(clustered):
    named = conflict(clustered)
    cues = pl.col("stimulus").str.extract_groups(r"(cat\d+)-(dog\d+)").struct
    anonymous = named.with_columns(
        stimulus=pl.format("{}.png", pl.int_range(pl.len())),
        shape_image=cues[0], texture_image=cues[1],
    )  # fmt: skip
    anonymous = anonymous.with_columns(image="stimulus")
    assert width(shape_bias(anonymous)) == pytest.approx(width(shape_bias(named)))
    row = shape_bias(anonymous.drop("shape_image"))
    assert row["population"].item() == "new-combinations"
    assert width(row) < width(shape_bias(named))


def test_one_texture_tells_nothing_of_other_textures(clustered):
    row = shape_bias(conflict(clustered[:, :1]))
    assert row["estimate"].item() is not None
    assert row["low"].item() is row["high"].item() is None


def people(count, rng):
    able = np.linspace(0.5, 0.9, count)
    return pl.concat(
        [
            trial_table(rng.random(200) < p, f"s{number}", "d", kind="human")
            for number, p in enumerate(able)
        ]
    )


def test_a_few_people_tell_of_people_by_students_t():
    trials = people(5, np.random.default_rng(1))
    row = accuracy(trials, by=["dataset"], population="new-people")
    each = accuracy(trials, resamples=0)["estimate"]
    p, variance, z = each.mean(), each.var() / 5, student.ppf(0.975, 4)
    n = p * (1 - p) / variance
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert width(row) == pytest.approx(2 * half, rel=1e-9)
    assert row["population"].item() == "new-people"
    both = accuracy(trials, by=["dataset"], population="new-people-and-stimuli")
    assert width(both) >= width(row) > 2 * width(accuracy(trials, by=["dataset"]))


@pytest.mark.parametrize("measure", [accuracy, response_entropy])
def test_people_who_saw_two_levels_are_a_sample_of_each(measure):
    rng = np.random.default_rng(0)
    right = rng.random((6, 40)) < np.linspace(0.3, 0.9, 6)[:, None]
    trials = pl.concat(
        trial_table(np.where(row, "cat", "dog"), observer=f"s{number}", kind="human")
        for number, row in enumerate(right)
    ).with_row_index()
    trials = trials.with_columns(level=pl.when(pl.col("index") % 2 == 0).then(1).otherwise(2))
    both = measure(trials, "level", population="new-people")
    alone = [measure(trials.filter(level=n), "level", population="new-people") for n in (1, 2)]
    columns = ["estimate", "low", "high", "population"]
    # How many classes there are is told by all trials, which both levels show here.
    assert_frame_equal(both.select(columns), pl.concat(alone).select(columns))


def test_one_person_tells_nothing_of_people():
    trials = people(1, np.random.default_rng(2))
    row = accuracy(trials, by=["dataset"], population="new-people").row(0, named=True)
    assert (row["low"], row["high"], row["population"]) == (None, None, "new-people")
    # A row of an observer is of that one person.
    own = accuracy(trials, population="new-people").row(0, named=True)
    assert own["low"] < own["estimate"] < own["high"]
    assert own["population"] == "these"
    with pytest.raises(SynthesightError, match=r"did you mean new-people"):
        accuracy(trials, population="new-persons")


def test_nothing_is_certain_of_what_was_always_right():
    rng = np.random.default_rng(3)
    flawless = [
        trial_table([True] * 30, "m", "d"),
        trial_table([True] * 30, "a", "d", kind="human"),
    ]
    trials = pl.concat([*flawless, trial_table(rng.random(30) < 0.5, "b", "d", kind="human")])
    assert width(ood_accuracy(trials).filter(observer="m")) > 0.05
    alone = difference_from_people(pl.concat(flawless))
    assert alone["estimate"].item() == 0
    assert alone["low"].item() < 0 < alone["high"].item()
    found = difference_from_people(trials, population="new-people-and-stimuli")
    assert found["population"].item() == "new-people-and-stimuli"
    with pytest.raises(SynthesightError, match="no share of trials"):
        difference_from_people(trials, "error_consistency")


@pytest.mark.parametrize("population", ["new-people", "new-people-and-stimuli"])
def test_few_people_leave_the_interval_of_a_model_as_it_is(population):
    flawless = trial_table([True] * 30, "m", "d")
    trials = pl.concat([flawless, *(trial_table([True] * 30, each, "d", kind="human")
                                    for each in ("a", "b"))])  # fmt: skip
    columns = ["low", "high"]
    own = benchmark(trials, population=population).filter(observer="m")
    alone = ood_accuracy(flawless)
    assert own.select(f"ood_accuracy_{each}" for each in columns).rows() == (
        alone.select(columns).rows()
    )
    gap = difference_from_people(trials, population=population)
    assert gap["low"].item() == pytest.approx(alone["low"].item() - 1)


@pytest.mark.filterwarnings("error")
def test_a_difference_from_people_on_one_image_is_hardly_known():
    trials = pl.concat([trial_table([False]), trial_table([True], "a", kind="human")])
    row = difference_from_people(trials, by=()).row(0, named=True)
    assert row["low"] == row["estimate"] == -1
    assert 0 < row["high"] < 1


def test_ranks_are_certain_only_where_models_are_apart():
    rng = np.random.default_rng(4)
    ease = rng.random(400)
    able = {"best": 0.9, "middle": 0.6, "twin": 0.6, "worst": 0.1}
    models = [trial_table(ease < p, name, "d") for name, p in able.items()]
    crowd = [
        trial_table(ease + rng.normal(0, 0.05, 400) < 0.9, f"s{n}", "d", kind="human")
        for n in range(3)
    ]
    table = benchmark(pl.concat([*models, *crowd]))
    places = {
        row["observer"]: (row["mean_rank_low"], row["mean_rank_high"])
        for row in table.iter_rows(named=True)
    }
    assert places["best"] == (1, 1)
    assert places["worst"] == (4, 4)
    assert places["middle"] == places["twin"] == (2, 3)
    assert places["people"] == (None, None)
    unsure = error_consistency(pl.concat([*models, *crowd[:2]]), population="new-people")
    assert unsure.filter(observer="people")["low"].item() is None

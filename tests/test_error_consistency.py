"""Error consistency: κ's properties, the average over people, and published orders of magnitude."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import fisher_exact, t

from builders import trial_table
from synthesight.analysis import (
    benchmark,
    error_consistency,
    kappa,
    observed_consistency,
    pairwise_consistency,
    pairwise_means,
    squared_accuracy_difference,
)
from synthesight.errors import SynthesightError
from synthesight.trials.people import load_human_trials, load_model_trials

two = st.integers(2, 30).flatmap(
    lambda n: st.tuples(*[st.lists(st.booleans(), min_size=n, max_size=n)] * 2)
)


def pair(first, second, kinds=("discriminative", "discriminative")):
    names = zip("ab", (first, second), kinds, strict=True)
    return pl.concat([trial_table(right, observer=name, kind=kind) for name, right, kind in names])


@given(two)
@settings(max_examples=30, deadline=None)
def test_kappa_is_symmetric_and_bounded_and_as_defined(responses):
    a, b = map(np.array, responses)
    one = pairwise_consistency(pair(a, b), resamples=20).row(0, named=True)
    other = pairwise_consistency(pair(b, a), resamples=20).row(0, named=True)
    assert one["observed"] == pytest.approx(np.mean(a == b))
    expected = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    assert one["expected"] == pytest.approx(expected)
    if one["estimate"] is None:
        assert expected == pytest.approx(1)
        assert one["low"] is one["high"] is other["estimate"] is None
    else:
        assert one["estimate"] == pytest.approx(other["estimate"])
        assert one["estimate"] == pytest.approx((np.mean(a == b) - expected) / (1 - expected))
        assert -1 - 1e-9 <= one["low"] <= one["high"] <= 1 + 1e-9


@given(st.lists(st.booleans(), min_size=2, max_size=30).filter(lambda x: len(set(x)) == 2))
@settings(max_examples=30, deadline=None)
def test_identical_observers_with_some_errors_are_fully_consistent(correct):
    assert pairwise_consistency(pair(correct, correct), resamples=20)["estimate"].item() == 1
    opposite = [not right for right in correct]
    assert pairwise_consistency(pair(correct, opposite), resamples=20)["estimate"].item() < 0


def test_nothing_can_be_said_about_the_errors_of_the_faultless():
    row = pairwise_consistency(pair([True] * 5, [True] * 5)).row(0, named=True)
    assert (row["observed"], row["expected"], row["estimate"], row["low"]) == (1, 1, None, None)
    assert np.isnan(kappa(np.array(1.0), np.array(1.0)))
    # 0.1 + 0.9 and their like miss 1 by rounding.
    assert np.isnan(kappa(np.array(1.0), np.array(1 - 2e-16)))


def test_independent_observers_have_none_and_intervals_cover_it():
    rng = np.random.default_rng(0)
    trials = pl.concat([trial_table(rng.random(400) < 0.6, observer=f"o{n:02}") for n in range(25)])
    pairs = pairwise_consistency(trials, resamples=1000)
    assert len(pairs) == 300
    assert abs(pairs["estimate"].mean()) < 0.02
    covered = ((pairs["low"] <= 0) & (pairs["high"] >= 0)).mean()
    assert 0.9 < covered < 0.99


def test_of_many_errors_the_interval_is_that_of_resampling_stimuli_one_by_one():
    """As Klein et al. (2025) compute it: whole rows of responses, drawn with replacement."""
    rng = np.random.default_rng(5)
    a = rng.random(640) < 0.7
    b = np.where(rng.random(640) < 0.4, a, rng.random(640) < 0.7)
    drawn = rng.integers(0, 640, (4000, 640))
    p, q = a[drawn].mean(axis=1), b[drawn].mean(axis=1)
    kappas = kappa((a == b)[drawn].mean(axis=1), p * q + (1 - p) * (1 - q))
    row = pairwise_consistency(pair(a, b)).row(0, named=True)
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(kappas, [0.025, 0.975]), abs=0.01)


def test_nothing_is_certain_of_an_observer_who_did_not_err():
    person = [True] * 70 + [False] * 10
    row = pairwise_consistency(pair([True] * 80, person)).row(0, named=True)
    assert row["estimate"] == 0
    assert row["low"] < -0.01
    assert row["high"] > 0.1
    assert row["p"] is None  # whatever it had done, accuracies given, κ would be 0
    mean = error_consistency(pair([True] * 80, person, ("generative", "human")))
    assert mean["low"][0] == pytest.approx(row["low"], abs=0.01)
    assert mean["high"][0] == pytest.approx(row["high"], abs=0.02)


def test_the_interval_of_a_pair_is_between_the_quantiles_of_its_posterior():
    """Plain draws of the Dirichlet distribution, beside its evenly spread points."""
    rng = np.random.default_rng(0)
    for counts in ((16, 0, 4, 0), (100, 20, 25, 15), (19, 0, 0, 1), (1270, 5, 3, 2)):
        cells = rng.dirichlet(np.array(counts) + 0.5, 100_000)
        p, q = cells[:, 0] + cells[:, 1], cells[:, 0] + cells[:, 2]
        drawn = kappa(cells[:, 0] + cells[:, 3], p * q + (1 - p) * (1 - q))
        outcome = np.repeat(np.arange(4), counts)
        row = pairwise_consistency(pair(outcome < 2, outcome % 2 == 0)).row(0, named=True)
        assert [row["low"], row["high"]] == pytest.approx(
            np.quantile(drawn, [0.025, 0.975]), abs=0.012
        )


def test_chance_is_what_permuting_the_responses_gives():
    rng = np.random.default_rng(2)
    a, b = rng.random(60) < 0.7, rng.random(60) < 0.6
    a[:15] = b[:15]
    row = pairwise_consistency(pair(a, b)).row(0, named=True)
    table = [[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]]
    assert row["p"] == pytest.approx(fisher_exact(table).pvalue)

    # Two conditions, three people who agree with each other: the model's responses are permuted.
    hard = rng.random((2, 40)) < 0.4
    people = rng.random((2, 3, 40)) < np.where(hard, 0.5, 0.95)[:, None]
    model = rng.random((2, 40)) < np.where(hard, 0.6, 0.9)
    trials = pl.concat(
        trial_table(right, observer=name, kind=kind, condition=str(condition))
        for condition in range(2)
        for name, kind, right in (
            ("m", "generative", model[condition]),
            *((f"p{n}", "human", person) for n, person in enumerate(people[condition])),
        )
    )
    row = error_consistency(trials, resamples=0).row(0, named=True)

    def mean_kappa(responses):
        p, q = responses.mean(axis=-1)[..., None], people.mean(axis=-1)
        same = (responses[..., None, :] == people).mean(axis=-1)
        return kappa(same, p * q + (1 - p) * (1 - q)).mean(axis=(-1, -2))

    assert row["estimate"] == pytest.approx(mean_kappa(model))
    permuted = mean_kappa(rng.permuted(np.broadcast_to(model, (20_000, 2, 40)), axis=-1))
    extreme = min(np.mean(permuted >= row["estimate"]), np.mean(permuted <= row["estimate"]))
    assert row["p"] == pytest.approx(2 * extreme, abs=0.02)


def test_pairs_are_compared_on_the_images_that_both_saw():
    trials = pl.concat(
        [trial_table([True, False, True], observer="a"), trial_table([True, False], observer="b"),
         trial_table([True], observer="c", dataset="e")]
    )  # fmt: skip
    pairs = pairwise_consistency(trials)
    assert pairs.select("first", "second", "n", "estimate").rows() == [("a", "b", 2, 1.0)]
    with pytest.raises(SynthesightError, match="only one observer"):
        pairwise_consistency(trial_table([True, False]))


def test_pairs_are_averaged_over_the_conditions_of_a_dataset():
    rng = np.random.default_rng(4)
    where = [("contrast", "c50"), ("contrast", "c30"), ("contrast", "c100"), ("edge", "0")]
    trials = pl.concat(
        trial_table(rng.random(60) < 0.7, observer=o, dataset=dataset, condition=condition)
        for o in "abc"
        for dataset, condition in where
        if (o, condition) != ("c", "c30")
    )
    each = pairwise_consistency(trials, resamples=0)
    means = pairwise_means(trials, resamples=500)
    expected = each.group_by("dataset", "first", "second").agg(
        pl.col("estimate").mean(), pl.col("n").sum(), pl.len().alias("conditions")
    )
    columns = ["dataset", "first", "second", "estimate", "n", "conditions"]
    assert_frame_equal(
        means.select(columns), expected.select(columns), check_row_order=False, check_dtypes=False
    )
    assert means["conditions"].to_list() == [2, 1, 1, 1, 1, 1]
    assert (means["low"] < means["estimate"]).all()
    assert (means["estimate"] < means["high"]).all()
    # The interval of one condition is that of the condition.
    edge = pairwise_consistency(trials.filter(dataset="edge"), resamples=500)
    assert means.filter(dataset="edge")["low"].to_list() == pytest.approx(
        edge["low"].to_list(), abs=0.06
    )
    # The mean of two conditions is surer than either.
    widths = means.filter(first="a", second="b").with_columns(width=pl.col("high") - pl.col("low"))
    assert widths["width"][0] < 0.85 * widths["width"][1]


def test_it_averages_over_people_then_conditions_then_datasets():
    rng = np.random.default_rng(1)
    tables, expected = [], {}
    for dataset, conditions in {"contrast": ["c50", "c30", "c100"], "edge": ["0"]}.items():
        for condition in conditions:
            where = {"dataset": dataset, "condition": condition}
            model = rng.random(50) < 0.6
            people = [rng.random(50) < 0.7 for _ in range(3)]
            tables.append(trial_table(model, observer="m", **where))
            for n, person in enumerate(people):
                tables.append(trial_table(person, observer=f"subject-0{n}", **where, kind="human"))
            if condition != "c100":
                expected.setdefault(dataset, []).append(
                    np.mean([np.mean(model == person) for person in people])
                )
    trials = pl.concat(tables)
    result = observed_consistency(trials)
    assert result["observer"].to_list() == ["m", "people"]
    row = result.row(0, named=True)
    assert row["estimate"] == pytest.approx(
        np.mean([np.mean(values) for values in expected.values()])
    )
    assert row["low"] < row["estimate"] < row["high"]
    assert (row["datasets"], row["conditions"], row["undefined"]) == (2, 3, 0)
    assert row["n"] == 3 * 3 * 50
    wide = observed_consistency(trials, population="new-people-and-stimuli").row(0, named=True)
    assert wide["estimate"] == pytest.approx(row["estimate"])
    assert wide["high"] - wide["low"] > row["high"] - row["low"]


def test_conditions_without_a_defined_pair_are_left_out_and_counted():
    kinds = ("discriminative", "human")
    faultless = pair([True] * 4, [True] * 4, kinds)
    mixed = pair([True, False] * 4, [True, False] * 4, kinds).with_columns(dataset=pl.lit("e"))
    row = error_consistency(pl.concat([faultless, mixed])).row(0, named=True)
    assert (row["estimate"], row["datasets"], row["undefined"]) == (1, 1, 1)
    assert error_consistency(faultless)["estimate"].to_list() == [None]


def test_without_people_there_is_nobody_to_compare_with():
    with pytest.raises(SynthesightError, match="load_human_trials"):
        error_consistency(pair([True], [False]))
    trivial = pair([True], [False]).with_columns(
        dataset=pl.lit("contrast"), condition=pl.lit("c100")
    )
    with pytest.raises(SynthesightError, match="trivial=True"):
        error_consistency(trivial)


@pytest.fixture(scope="module")
def published(data_folder):
    names = ["cue-conflict", "edge", "silhouette"]
    return pl.concat([load_human_trials(data_folder, names), load_model_trials(data_folder, names)])


def test_published_trials_show_the_published_gap(published):
    """People agree with people far more than networks do (Geirhos, Meding & Wichmann 2020)."""
    for dataset, ceiling in {"cue-conflict": 0.33, "edge": 0.32, "silhouette": 0.48}.items():
        found = error_consistency(published.filter(dataset=dataset))
        kappas = dict(found.select("observer", "estimate").iter_rows())
        people = kappas.pop("people")
        assert people == pytest.approx(ceiling, abs=0.01)
        assert max(kappas.values()) < people
    assert kappas["resnet50"] > 0.4  # silhouettes: the one dataset where networks come near


def test_the_average_is_that_of_plain_loops(published):
    """The definition written out, slowly, for ResNet-50 on edges."""
    edge = published.filter(dataset="edge").with_columns(
        right=(pl.col("response") == pl.col("category")).fill_null(False)
    )
    wide = edge.pivot("observer", index="image", values="right")
    model = wide["resnet50"].to_numpy()
    kappas = []
    for name in wide.columns[1:]:
        if name.startswith("subject-"):
            person = wide[name].to_numpy()
            p, q = model.mean(), person.mean()
            chance = p * q + (1 - p) * (1 - q)
            kappas.append((np.mean(model == person) - chance) / (1 - chance))
    found = error_consistency(published.filter(dataset="edge")).filter(observer="resnet50")
    assert len(kappas) == 10
    assert found["estimate"].item() == pytest.approx(np.mean(kappas))


def test_the_benchmark_ranks_models_and_not_people(published):
    result = benchmark(published, resamples=200)
    assert result["observer"].to_list()[-1] == "people"
    assert result["mean_rank"].to_list()[-1] is None
    ranks = result["mean_rank"].to_list()[:-1]
    assert ranks == sorted(ranks)
    assert sum(ranks) == pytest.approx(4 * 2.5)
    difference = squared_accuracy_difference(published, resamples=50).filter(observer="vgg")
    assert result.filter(observer="vgg")["squared_accuracy_difference"].item() == pytest.approx(
        difference["estimate"].item()
    )
    people = result.filter(observer="people").row(0, named=True)
    assert people["ood_accuracy"] > result["ood_accuracy"][:-1].max()


@pytest.mark.parametrize(
    "measure", [error_consistency, observed_consistency, squared_accuracy_difference]
)
def test_agreement_by_a_factor_is_that_of_each_level(measure):
    rng = np.random.default_rng(3)
    trials = pl.concat(
        trial_table(rng.random(40) < 0.7, name, kind=kind, size=["s", "l"] * 20, age=[age] * 40)
        for name, kind, age in (
            ("p", "human", 20),
            ("q", "human", 30),
            ("m", "generative", None),
        )
    )
    by_size = measure(trials, by="size", resamples=20)
    for size in ("l", "s"):
        own = measure(trials.filter(size=size), resamples=20)
        assert_frame_equal(by_size.filter(size=size).drop("size"), own)
    assert by_size["size"].to_list() == ["l", "l", "s", "s"]
    assert "observer" in measure(trials, by=["observer", "size"], resamples=0).columns
    # People of one age were not shown what models were, as far as the table tells.
    with pytest.raises(SynthesightError, match="no human observers"):
        measure(trials, by="age", resamples=0)
    with pytest.raises(SynthesightError, match="no column 'viewpoint'"):
        measure(trials, by="viewpoint")


def test_kappa_of_pairs_by_a_factor_is_that_of_each_level():
    trials = pair([True, False, True, True] * 5, [True, True, False, True] * 5)
    trials = trials.with_columns(size=pl.Series(["s", "l", "l", "s"] * 10))
    by_size = pairwise_consistency(trials, by="size", resamples=20)
    for size in ("l", "s"):
        own = pairwise_consistency(trials.filter(size=size), resamples=20)
        assert_frame_equal(by_size.filter(size=size).drop("size"), own)


def test_means_over_people_vary_at_least_as_the_jackknife_says():
    rng = np.random.default_rng(5)
    hard = rng.random(24) < 0.3
    people = ["a", "b", "c"]
    trials = pl.concat(
        trial_table(rng.random(24) < np.where(hard, 0.4, 0.95), observer=name, kind=kind)
        for name, kind in [("m", "discriminative"), *((name, "human") for name in people)]
    )
    row = error_consistency(trials).row(0, named=True)
    left = [trials.filter(pl.col("stimulus") != name) for name in trials["stimulus"].unique()]
    means = np.array([error_consistency(each, resamples=0)["estimate"][0] for each in left])
    error = np.sqrt(23 / 24 * ((means - means.mean()) ** 2).sum())
    assert row["high"] - row["low"] >= 2 * t.ppf(0.975, 23) * error - 1e-9

"""Confusion matrices and response entropy: closed forms, properties, and the published trials."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from builders import trial_table
from synthesight.analysis import accuracy, confusion, response_entropy
from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import SIXTEEN
from synthesight.trials.people import load_human_trials

CATEGORIES = ("cat", "dog", "car")


def answers(pairs, observer="m", **more):
    """Trials of one observer from (category, response) of each stimulus."""
    categories = pl.Series([category for category, _ in pairs], dtype=pl.String)
    return trial_table([response for _, response in pairs], observer, category=categories, **more)


responses = st.lists(
    st.tuples(st.sampled_from(CATEGORIES), st.sampled_from((*CATEGORIES, None))),
    min_size=1, max_size=40,
)  # fmt: skip


@given(responses)
def test_the_interval_of_independent_trials_is_wilsons(pairs):
    for row in confusion(answers(pairs)).iter_rows(named=True):
        trials = sum(category == row["category"] for category, _ in pairs)
        expected = binomtest(row["count"], trials).proportion_ci(method="wilson")
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected), abs=1e-9)


def test_a_crowd_that_answers_as_one_is_as_certain_as_one():
    rng = np.random.default_rng(0)
    pairs = [("cat", CATEGORIES[k]) for k in rng.integers(0, 3, 50)]
    one = confusion(answers(pairs), by=["kind"])
    crowd = pl.concat([answers(pairs, observer=f"m{n}") for n in range(7)])
    many = confusion(crowd, by=["kind"])
    for column in ("share", "low", "high"):
        np.testing.assert_allclose(many[column], one[column])


@pytest.mark.parametrize("images", [7, 10, 49])
def test_a_crowd_that_splits_alike_on_every_image_is_as_certain_as_its_trials(images):
    crowd = [answers([("cat", name)] * images, observer=name) for name in CATEGORIES]
    expected = binomtest(images, 3 * images).proportion_ci(method="wilson")
    for row in confusion(pl.concat(crowd), by=["kind"]).iter_rows(named=True):
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected), abs=1e-9)


def test_the_intervals_of_a_crowds_shares_cover_what_they_promise():
    """Thirty images, hard and easy ones, each shown to six observers."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(200):
        chance = rng.beta(2, 2, 30)
        right = rng.random((6, 30)) < chance
        table = confusion(
            pl.concat([
                answers([("cat", "cat" if each else "dog") for each in row], observer=f"m{n}")
                for n, row in enumerate(right)
            ]),
            by=["kind"],
        ).filter(pl.col("response") == "cat")  # fmt: skip
        covered.append(table["low"][0] <= 0.5 <= table["high"][0])
    assert 0.90 <= np.mean(covered) <= 0.99


@given(responses)
def test_a_matrix_holds_each_trial_once_and_its_rows_add_up_to_one(pairs):
    table = confusion(answers(pairs))
    counted = {(c, r): n for c, r, n in table.select("category", "response", "count").iter_rows()}
    assert {pair: n for pair, n in counted.items() if n} == Counter(pairs)
    rows = table.group_by("category").agg(pl.col("share").sum(), pl.col("count").sum())
    assert rows["share"].to_list() == pytest.approx([1] * len(rows))
    # The same cells for every category that was shown.
    assert len(table) == len({c for c, _ in pairs}) * table["response"].n_unique()
    right = table.filter(pl.col("category") == pl.col("response"))["count"].sum()
    assert right / len(pairs) == pytest.approx(accuracy(answers(pairs), resamples=0)["estimate"][0])


def test_missing_responses_repeats_and_unreadable_stimuli():
    trials = pl.concat(
        [
            answers([("cat", "cat"), ("cat", None), ("dog", "cat")], error=None),
            answers([("cat", "dog")], session=2, error=None).with_columns(session=2),
            answers([("dog", None)], error="not an image"),
        ],
        how="diagonal_relaxed",
    )
    table = confusion(trials, by=["observer"])
    cells = {(c, r): (n, s) for _, c, r, n, s, *_ in table.iter_rows()}
    assert cells["cat", None] == (1, pytest.approx(1 / 3))
    assert cells["cat", "dog"] == (1, pytest.approx(1 / 3))
    assert cells["dog", "cat"] == (1, 1)
    assert cells["dog", None] == (0, 0)
    row = response_entropy(trials, resamples=50).row(0, named=True)
    # Three responses: cat, cat, dog.
    assert row["n"] == 3
    assert row["estimate"] == pytest.approx(np.log2(3) - 2 / 3)


@given(responses)
def test_entropy_is_that_of_the_shares_whatever_was_right(pairs):
    row = response_entropy(answers(pairs)).row(0, named=True)
    given_ = [response for _, response in pairs if response is not None]
    assert row["n"] == len(given_)
    if not given_:
        assert row["estimate"] is row["low"] is row["high"] is None
        return
    shares = np.array(list(Counter(given_).values())) / len(given_)
    assert row["estimate"] == pytest.approx(-(shares * np.log2(shares)).sum())
    assert row["low"] <= row["estimate"] <= row["high"] + 1e-12
    assert row["high"] <= np.log2(3) + 1e-12
    # Shuffling responses among stimuli changes nothing.
    other = list(zip([c for c, _ in pairs], reversed([r for _, r in pairs]), strict=True))
    assert response_entropy(answers(other), resamples=0)["estimate"][0] == pytest.approx(
        row["estimate"]
    )


def test_who_names_all_alike_has_log2_k_and_who_names_one_has_none():
    even = answers([(category, category) for category in SIXTEEN for _ in range(80)])
    constant = answers([(category, "dog") for category in SIXTEEN], observer="n")
    table = response_entropy(pl.concat([even, constant]), by=["observer"])
    assert table["estimate"].to_list() == pytest.approx([4, 0], abs=1e-9)
    assert table.select("n", "stimuli").rows() == [(1280, 1280), (16, 16)]
    # Sixteen responses that are alike leave room for others.
    low, high = table.filter(observer="n").select("low", "high").row(0)
    assert low == 0 < high < 2
    assert table["low"][0] < table["high"][0] == pytest.approx(4)
    # Groups of several observers: their responses together.
    pooled = response_entropy(pl.concat([even, constant]), by=["kind"], resamples=0)
    share = np.array([*[80] * 15, 96]) / 1296
    assert pooled["estimate"][0] == pytest.approx(-(share * np.log2(share)).sum())
    assert pooled["low"][0] is pooled["high"][0] is None
    assert response_entropy(even, by=[], resamples=0)["estimate"][0] == pytest.approx(4)


def test_the_interval_of_entropy_covers_what_it_promises():
    """The percentile interval would hold the truth in 0 % (uniform) and 59 % of these studies."""
    rng = np.random.default_rng(0)
    skewed = 0.7 ** np.arange(16)
    for shares, least in ((np.full(16, 1 / 16), 0.95), (skewed / skewed.sum(), 0.85)):
        truth = -(shares * np.log2(shares)).sum()
        named = rng.choice(SIXTEEN, p=shares, size=(200, 80))
        trials = pl.concat(
            [answers([(SIXTEEN[0], r) for r in row], f"o{n}") for n, row in enumerate(named)]
        )
        table = response_entropy(trials, resamples=400)
        covered = ((table["low"] <= truth + 1e-9) & (table["high"] >= truth - 1e-9)).mean()
        assert covered >= least


def test_resampling_observers_widens_the_interval_of_a_group():
    rng = np.random.default_rng(2)
    trials = pl.concat(
        [
            answers(
                [("cat", r) for r in rng.choice(CATEGORIES, p=p, size=200)], f"o{n}", kind="human"
            )
            for n, p in enumerate(rng.dirichlet([2, 0.5, 0.1], size=6))
        ]
    )
    narrow = response_entropy(trials, by=["kind"], resamples=300).row(0, named=True)
    wide = response_entropy(trials, by=["kind"], resamples=300, population="new-people-and-stimuli")
    assert wide["high"][0] - wide["low"][0] > 1.5 * (narrow["high"] - narrow["low"])


def test_groups_need_their_columns():
    trials = answers([("cat", "cat")])
    with pytest.raises(SynthesightError, match="no column 'sise'"):
        confusion(trials, by=["sise"])
    assert confusion(trials.clear()).is_empty()
    assert response_entropy(trials.clear()).is_empty()
    assert confusion(trials, by=[], interval=False).rows() == [("cat", "cat", 1, 1.0)]


def test_people_name_categories_evenly_until_they_cannot_see(data_folder):
    """Geirhos et al. (2018): people stay near 4 bits; full contrast nearer than the lowest."""
    people = load_human_trials(data_folder, ["contrast"])
    table = response_entropy(people, by=["kind", "condition"], resamples=0)
    bits = dict(table.select("condition", "estimate").iter_rows())
    assert bits["c100"] > 3.98
    assert bits["c01"] < bits["c100"]
    matrices = confusion(people, by=["kind"])
    assert matrices["count"].sum() == len(people)
    assert matrices["response"].null_count() == 16  # na, once for each category

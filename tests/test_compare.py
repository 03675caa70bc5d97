"""Whether one observer errs more like a reference than another: against closed forms and studies.

`benchmarks/coverage.py` is the same with more studies, in more settings.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import t as student

from builders import trial_table
from synthesight.analysis import (
    compare,
    comparisons,
    error_consistency,
    joint_probabilities,
    pairwise_consistency,
)
from synthesight.errors import SynthesightError
from synthesight.trials.people import load_human_trials, load_model_trials


def study(count, kappas, rng, accuracy=0.8, own=(0.7, 0.7)):
    """A reference observer and two others, independent of each other given it."""
    reference = rng.random(count) < accuracy
    observers = [trial_table(reference, observer="r", kind="human")]
    for name, right, kappa in zip("ab", own, kappas, strict=True):
        both, one, _, _ = joint_probabilities(right, accuracy, kappa)
        chance = np.where(reference, both / accuracy, one / (1 - accuracy))
        observers.append(trial_table(rng.random(count) < chance, observer=name))
    return pl.concat(observers)


def test_it_is_the_difference_of_the_two_kappas():
    trials = study(300, (0.3, 0.5), np.random.default_rng(0))
    kappas = dict(pairwise_consistency(trials, resamples=0).select("first", "estimate").rows()[1:])
    found = compare(trials, "b", "a", measure="error_consistency", resamples=500)
    assert found.estimate == pytest.approx(kappas["b"] - kappas["a"])
    assert found.low < found.estimate < found.high
    assert found.n == 300
    named = compare(trials, "b", "a", measure="error_consistency", reference="r", resamples=500)
    assert named == found
    turned = compare(trials, "a", "b", measure="error_consistency", resamples=500)
    assert (turned.estimate, turned.low, turned.p) == pytest.approx(
        (-found.estimate, -found.high, found.p)
    )


def test_p_and_interval_agree_and_the_level_is_kept():
    rng = np.random.default_rng(1)
    found = [
        compare(study(200, (0.3, 0.3), rng), "a", "b", measure="error_consistency", resamples=400)
        for _ in range(50)
    ]
    for one in found:
        assert (one.p < 0.05) == (not one.low <= 0 <= one.high)
    rejected = np.mean([one.p < 0.05 for one in found])
    covered = np.mean([one.low <= 0 <= one.high for one in found])
    # Standard error 3 %; `benchmarks/coverage.py` runs more.
    assert rejected <= 0.14
    assert covered >= 0.86


def test_both_kappas_are_on_the_same_stimuli_and_averaged_as_the_benchmark_does():
    rng = np.random.default_rng(3)
    trials = pl.concat(
        [
            study(40, (0.2, 0.4), rng).with_columns(dataset=pl.lit("contrast"), condition=pl.lit(c))
            for c in ("c50", "c30", "c100")
        ]
        + [study(60, (0.2, 0.4), rng).with_columns(dataset=pl.lit("edge"))]
    )
    each = {
        name: error_consistency(
            trials.filter(pl.col("observer").is_in([name, "r"])), resamples=0
        )["estimate"][0]
        for name in "ab"
    }  # fmt: skip
    found = compare(trials, "a", "b", measure="error_consistency", resamples=20)
    assert found.estimate == pytest.approx(each["a"] - each["b"])
    assert found.n == 40 + 40 + 60
    every = compare(trials, "a", "b", measure="error_consistency", trivial=True, resamples=20)
    assert every.n == 40 * 3 + 60
    # Stimuli that b was not shown do not count for a either.
    fewer = trials.filter((pl.col("observer") != "b") | ~pl.col("stimulus").str.contains("/1"))
    common = trials.filter(~pl.col("stimulus").str.contains("/1"))
    assert compare(fewer, "a", "b", measure="error_consistency", resamples=20) == compare(
        common, "a", "b", measure="error_consistency", resamples=20
    )


def test_what_cannot_be_compared_is_refused():
    trials = study(50, (0.2, 0.4), np.random.default_rng(4))
    with pytest.raises(SynthesightError, match="both compared and a reference"):
        compare(trials, "a", "b", measure="error_consistency", reference=["r", "a"])
    with pytest.raises(SynthesightError, match="choose among a, b, r"):
        compare(trials, "a", "b", measure="error_consistency", reference="s")
    with pytest.raises(SynthesightError, match="resamples=0"):
        compare(trials, "a", "b", resamples=0)
    with pytest.raises(SynthesightError, match="did you mean shape_bias"):
        compare(trials, "a", "b", measure="shape-bias")
    nobody = trials.with_columns(kind=pl.lit("generative"))
    with pytest.raises(SynthesightError, match="name `reference`"):
        compare(nobody, "a", "b", measure="error_consistency")
    elsewhere = pl.concat(
        [trials.filter(observer="a"), trials.filter(observer="r"),
         trials.filter(observer="b").with_columns(dataset=pl.lit("e"))]
    )  # fmt: skip
    with pytest.raises(SynthesightError, match="no common stimuli"):
        compare(elsewhere, "a", "b", measure="error_consistency")
    faultless = pl.concat([trial_table([True] * 5, observer=o) for o in "abr"])
    with pytest.raises(SynthesightError, match="undefined"):
        compare(faultless, "a", "b", measure="error_consistency", reference="r")


def test_people_err_more_like_people_than_networks_do(data_folder):
    names = ["cue-conflict", "edge", "silhouette"]
    trials = pl.concat(
        [load_human_trials(data_folder, names), load_model_trials(data_folder, names)]
    )
    kappas = dict(error_consistency(trials, resamples=0).select("observer", "estimate").iter_rows())
    networks = compare(trials, "resnet50", "vgg", measure="error_consistency", resamples=1000)
    assert networks.estimate == pytest.approx(kappas["resnet50"] - kappas["vgg"])
    assert networks.n == 1600
    person = compare(trials, "subject-01", "resnet50", measure="error_consistency", resamples=1000)
    assert person.low > 0.05
    assert person.p < 1e-5


def answers(first, second):
    """Trials of two observers, right or wrong."""
    return pl.concat([trial_table(first, observer="a"), trial_table(second, observer="b")])


def test_paired_accuracies_are_compared_as_agresti_and_min_advise():
    first, second = [True] * 15 + [False] * 5, [True] * 9 + [False] * 11
    found = compare(answers(first, second), "a", "b")
    assert found.estimate == pytest.approx(0.3)
    # Six images more for the first, none for the second, of 20: half of one is added to each cell.
    centre = 6 / 22
    error = np.sqrt((7 - 6**2 / 22) / 22**2) * np.sqrt(20 / 19)
    assert [found.low, found.high] == pytest.approx(
        [centre - student.ppf(0.975, 19) * error, centre + student.ppf(0.975, 19) * error]
    )
    assert found.p == pytest.approx(2 * student.sf(centre / error, 19))


def test_two_who_never_differed_may_yet_differ():
    found = compare(answers([True] * 20, [True] * 20), "a", "b")
    assert (found.estimate, found.p) == (0, 1)
    assert found.low == pytest.approx(-found.high)
    assert found.high > 0.05


@pytest.mark.parametrize("count", [20, 160])
@pytest.mark.parametrize("accuracy", [0.6, 0.95])
def test_equal_accuracies_are_seldom_told_apart(count, accuracy):
    rng = np.random.default_rng(count)
    difficult = rng.random((30, 1, count)) < 0.2
    right = rng.random((30, 2, count)) < np.where(difficult, 5 * accuracy - 4, 1)
    if accuracy < 0.8:
        right = rng.random((30, 2, count)) < np.where(difficult, 0.2, 0.7)
    found = [compare(answers(*study), "a", "b") for study in right]
    assert np.mean([one.p < 0.05 for one in found]) <= 0.17
    for one in found:
        assert (one.p < 0.05) == (not one.low <= 0 <= one.high)


def test_many_comparisons_are_corrected():
    rng = np.random.default_rng(7)
    trials = pl.concat(
        trial_table(rng.random(100) < accuracy, observer=name)
        for name, accuracy in (("a", 0.9), ("b", 0.75), ("c", 0.7), ("d", 0.5))
    )
    table = comparisons(trials, measures=["accuracy", "response_entropy"], resamples=50)
    assert table.columns == [
        "measure", "first", "second", "estimate", "low", "high", "p", "p_holm", "n", "weak",
        "population",
    ]  # fmt: skip
    assert len(table) == 12
    p = np.sort(table["p"].to_numpy())
    expected = np.minimum(np.maximum.accumulate(p * np.arange(12, 0, -1)), 1)
    assert np.sort(table["p_holm"].to_numpy()) == pytest.approx(expected)
    other = comparisons(trials, ["a", "b", "c"], correction="benjamini-hochberg")
    p = np.sort(other["p"].to_numpy())
    expected = np.minimum.accumulate((p * 3 / np.arange(1, 4))[::-1])[::-1]
    assert np.sort(other["p_benjamini_hochberg"].to_numpy()) == pytest.approx(expected)
    own = compare(trials, "a", "c")
    row = table.filter(measure="accuracy", first="a", second="c").row(0, named=True)
    assert [row[name] for name in ("estimate", "low", "high", "p")] == pytest.approx(
        [own.estimate, own.low, own.high, own.p]
    )
    with pytest.raises(SynthesightError, match="did you mean"):
        comparisons(trials, correction="holms")
    with pytest.raises(SynthesightError, match="give two"):
        comparisons(trials, ["a"])
    assert not table["weak"].any()
    # Each dataset alone is a test as well, and all of them are corrected together.
    both = pl.concat([trials, trials.with_columns(dataset=pl.lit("e"))])
    several = comparisons(both, ["a", "b"], each_dataset=True)
    assert several["dataset"].to_list() == ["all", "d", "e"]
    assert several["n"].to_list() == [200, 100, 100]
    assert several["p_holm"].to_list() == pytest.approx(
        [3 * several["p"][0], *[2 * several["p"][1]] * 2]
    )
    # What cannot be compared has a row, and is no test.
    apart = pl.concat([trials, trial_table([True] * 5, observer="e", dataset="elsewhere")])
    table = comparisons(apart)
    assert table["p"].null_count() == table["p_holm"].null_count() == 4
    assert table["p_holm"].drop_nulls().to_list() == comparisons(trials)["p_holm"].to_list()


def test_two_who_err_alike_are_compared_by_where_they_differ():
    """What both did alike is no doubt about their difference, whatever the population."""
    rng = np.random.default_rng(9)
    reference, first = rng.random(400) < 0.8, rng.random(400) < 0.7
    second = np.where(rng.random(400) < 0.05, ~first, first)
    trials = pl.concat(
        [trial_table(first, observer="a"), trial_table(second, observer="b"),
         trial_table(reference, observer="r", kind="human")]
    )  # fmt: skip
    alone = error_consistency(trials)
    widths = (alone["high"] - alone["low"]).to_list()
    for population in ("these", "new-stimuli"):
        found = compare(trials, "a", "b", measure="error_consistency", population=population)
        assert found.high - found.low < 0.6 * max(widths[:2])

"""How many trials a study needs: against closed forms and the simulation of observers who copy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from builders import done, refused, trial_table
from synthesight.analysis import compare, joint_probabilities, kappa, power, trials_needed
from synthesight.analysis.power import three_probabilities, told_apart
from synthesight.errors import SynthesightError

accuracies = st.floats(0.05, 0.95)


@given(first=accuracies, second=accuracies, share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_the_joint_table_has_its_accuracies_and_kappa(first, second, share):
    expected = first * second + (1 - first) * (1 - second)
    highest = (1 - abs(first - second) - expected) / (1 - expected)
    consistency = share * highest * 0.999
    both, one, two, none = joint_probabilities(first, second, consistency)
    assert both + one == pytest.approx(first)
    assert both + two == pytest.approx(second)
    assert both + one + two + none == pytest.approx(1)
    assert (both + none - expected) / (1 - expected) == pytest.approx(consistency, abs=1e-9)


def test_an_observer_who_copies_has_as_much_kappa_as_it_copies():
    """Of equal accuracies, κ is the share of images on which one copies the other."""
    rng = np.random.default_rng(0)
    first = rng.random(400_000) < 0.7
    own = rng.random(400_000) < 0.7
    second = np.where(rng.random(400_000) < 0.4, first, own)
    table = joint_probabilities(0.7, 0.7, 0.4)
    found = [np.mean(first & second), np.mean(first & ~second), np.mean(~first & second)]
    assert found == pytest.approx(table[:3], abs=0.004)


def test_intervals_shrink_as_the_standard_error_of_kappa_says():
    table = power(0.75, 0.75, 0.4, trials=(320, 5120), experiments=8000)
    width = (table["high"] - table["low"]).to_numpy()
    assert width[0] / width[1] == pytest.approx(4, rel=0.08)
    # Cohen (1960): se ≈ √(p_o (1 − p_o) / n) / (1 − p_e), an approximation.
    expected = 0.75**2 + 0.25**2
    observed = expected + 0.4 * (1 - expected)
    error = np.sqrt(observed * (1 - observed) / 5120) / (1 - expected)
    assert width[1] == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_power_is_the_level_without_a_difference_and_grows_with_trials():
    none = power(0.7, 0.8, 0.2, difference=0.0, trials=(640,), experiments=2000)
    assert none["power"][0] == pytest.approx(0.05, abs=0.02)
    some = power(0.7, 0.8, 0.2, difference=0.15)
    assert some["power"].is_sorted()
    needed = trials_needed(some)
    again = power(0.7, 0.8, 0.2, difference=0.15, trials=(needed,), experiments=2000)
    assert again["power"][0] == pytest.approx(0.8, abs=0.05)
    assert trials_needed(power(0.7, 0.8, 0.2, difference=0.001)) is None


def test_a_study_in_which_kappa_is_never_defined_has_no_interval():
    table = power(1 - 1e-9, 1 - 1e-9, 0.3, difference=0.1, trials=[20])
    row = table.row(0, named=True)
    assert (row["low"], row["high"], row["undefined"], row["power"]) == (None, None, 1.0, 0.0)


def test_the_command_line_says_how_many_trials():
    arguments = ["power", "--accuracy", "0.8", "--accuracy", "0.7"]
    asked = done(*arguments, "--kappa", "0.3", "--difference", "0.1")
    assert "trials for a power of 80 %" in asked
    for wrong, message in (
        (["--kappa", "0.99"], "cannot have"),
        (["--kappa", "nan"], "cannot have"),
        (["--kappa", "0.3", "--accuracy", "1.0"], "no pair of numbers"),
    ):
        assert message in refused(*arguments, *wrong)
    with pytest.raises(SynthesightError, match="undefined"):
        power(1.0, 0.5, 0.1)


def test_a_study_is_told_apart_as_compare_does():
    """The very test, on the same studies: near the ceiling, and from 20 trials on."""
    rng = np.random.default_rng(3)
    names = ("r", "b", "c")
    decided = []
    for accuracy, own, kappas in ((0.8, 0.7, (0.1, 0.6)), (0.95, 0.95, (0.1, 0.8))):
        for count in (20, 160):
            table = joint_probabilities(accuracy, own, kappas[0])
            cells = three_probabilities(table, accuracy, own, kappas[1])
            for drawn in rng.multinomial(count, cells / cells.sum(), size=8):
                right = np.repeat(np.indices((2, 2, 2)).reshape(3, 8) == 0, drawn, axis=1)
                if right.all(axis=1).sum() > 1:
                    continue  # κ is undefined
                trials = pl.concat(trial_table(*pair) for pair in zip(right, names, strict=True))
                found = compare(trials, "c", "b", measure="error_consistency", reference="r")
                assert told_apart(drawn[None]).tolist() == [found.p < 0.05]
                decided.append(found.p < 0.05)
    assert 0 < sum(decided) < len(decided)


def test_studies_that_cannot_tell_see_no_difference():
    """Of few trials with few errors, κ of many studies is undefined: they count, as not seen."""
    row = power(0.99, 0.99, 0.2, difference=0.6, trials=(20,)).row(0, named=True)
    # No error of the first and of one of the others: κ of these two is undefined.
    first, other = 0.99**20, joint_probabilities(0.99, 0.99, 0.2)[0] ** 20
    assert other <= row["undefined"] <= first
    assert row["power"] < 1 - row["undefined"]


def test_with_many_trials_the_power_is_that_of_a_normal_test():
    """Two independent κ of a common reference, by the delta method: a normal approximation."""
    rng = np.random.default_rng(0)
    table = joint_probabilities(0.8, 0.7, 0.3)
    cells = three_probabilities(table, 0.8, 0.7, 0.4)
    drawn = rng.multinomial(1280, cells / cells.sum(), size=20_000).reshape(-1, 2, 2, 2) / 1280

    def kappas(axis):
        both, one, two, none = drawn.sum(axis=axis).reshape(-1, 4).T
        p, q = both + one, both + two
        return kappa(both + none, p * q + (1 - p) * (1 - q))

    error = (kappas(2) - kappas(3)).std()
    expected = norm.sf(1.96 - 0.1 / error)
    row = power(0.8, 0.7, 0.3, difference=0.1, trials=(1280,), experiments=4000)
    assert row["power"][0] == pytest.approx(expected, abs=0.03)

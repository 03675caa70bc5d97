"""How many trials a study needs: against closed forms and the simulation of observers who copy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import done, refused
from synthesight.analysis import joint_probabilities, power, trials_needed
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
    none = power(0.7, 0.8, 0.2, difference=0.0, trials=(640,), experiments=8000)
    assert none["power"][0] == pytest.approx(0.05, abs=0.012)
    some = power(0.7, 0.8, 0.2, difference=0.15)
    assert some["power"].is_sorted()
    needed = trials_needed(some)
    again = power(0.7, 0.8, 0.2, difference=0.15, trials=(needed,), experiments=8000)
    assert again["power"][0] == pytest.approx(0.8, abs=0.04)
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


def test_studies_that_cannot_tell_see_no_difference():
    """Of few trials with few errors, κ of many studies is undefined: they count, as not seen."""
    rng = np.random.default_rng(3)
    studies, count = 20_000, 20
    first = rng.random((studies, count)) < 0.95

    def likened(consistency):
        both = joint_probabilities(0.95, 0.95, consistency)[0]
        return rng.random(first.shape) < np.where(first, both / 0.95, (0.95 - both) / 0.05)

    def kappas(other):
        agreed = (first == other).mean(axis=1)
        p, q = first.mean(axis=1), other.mean(axis=1)
        chance = p * q + (1 - p) * (1 - q)
        return np.where(chance < 1, (agreed - chance) / np.where(chance < 1, 1 - chance, 1), np.nan)

    gap = kappas(likened(0.9)) - kappas(likened(0.5))
    seen = (np.abs(gap) > 1.96 * np.nanstd(gap)).mean()
    row = power(0.95, 0.95, 0.5, difference=0.4, trials=(count,)).row(0, named=True)
    assert row["power"] == pytest.approx(seen, abs=0.02)
    assert row["undefined"] == pytest.approx(np.isnan(gap).mean(), abs=0.02)

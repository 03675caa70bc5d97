"""What the published trials give, beside what was printed about them."""

from __future__ import annotations

import polars as pl
import pytest

from synthesight.analysis import ACCURACY_2020, ERROR_CONSISTENCY_2020, accuracy, error_consistency
from synthesight.trials.people import load_human_trials, load_model_trials


@pytest.fixture(scope="module")
def people(data_folder):
    return load_human_trials(data_folder, list(ACCURACY_2020))


def test_people_have_the_accuracies_of_table_1(people):
    table = accuracy(people, resamples=0)
    for dataset, printed in ACCURACY_2020.items():
        found = table.filter(dataset=dataset).sort("observer")["estimate"].to_list()
        # Two decimals; print rounds a half up.
        assert found == pytest.approx(list(printed), abs=0.005 + 1e-9)


def test_people_agree_with_people_as_printed(people, data_folder):
    networks = load_model_trials(data_folder, ["cue-conflict"])
    everyone = pl.concat([people.filter(dataset="cue-conflict"), networks])
    found = dict(
        error_consistency(everyone, resamples=0).select("observer", "estimate").iter_rows()
    )
    printed = ERROR_CONSISTENCY_2020
    assert round(found["people"], 3) == printed["people"]
    # Another ResNet-50 and another AlexNet: docs/published-checks.md.
    assert found["resnet50"] == pytest.approx(printed["resnet50"], abs=0.005)
    assert printed["alexnet"] < found["alexnet"] < printed["people"] / 2

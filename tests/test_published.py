"""What the published trials give, beside what was printed about them."""

from __future__ import annotations

import polars as pl
import pytest

from synthesight.analysis import accuracy, error_consistency, published_figures
from synthesight.references import references
from synthesight.stimuli.datasets import datasets
from synthesight.trials.people import load_human_trials, load_model_trials

TABLE_1 = published_figures().filter(
    pl.col("observer").str.starts_with("subject-"), metric="accuracy", check=True
)


def test_every_published_figure_has_a_source():
    figures = published_figures()
    assert set(figures["paper"]) <= set(references())
    key = ["metric", "dataset", "observer", "paper"]
    assert not figures.select(key).is_duplicated().any()
    shares = figures.filter(pl.col("metric") != "mean_rank")["value"]
    assert shares.is_between(0, 1).all()
    assert set(figures["dataset"].drop_nulls()) - set(datasets()) == {"cifar10", "caltech101"}


@pytest.fixture(scope="module")
def people(data_folder):
    return load_human_trials(data_folder, TABLE_1["dataset"].unique().to_list())


def test_people_have_the_accuracies_of_table_1(people):
    table = accuracy(people, resamples=0)
    both = TABLE_1.join(table, on=["dataset", "observer"])
    assert len(both) == 30
    # Two decimals; print rounds a half up.
    assert both["estimate"].to_list() == pytest.approx(both["value"].to_list(), abs=0.005 + 1e-9)


def test_people_agree_with_people_as_printed(people, data_folder):
    networks = load_model_trials(data_folder, ["cue-conflict"])
    everyone = pl.concat([people.filter(dataset="cue-conflict"), networks])
    found = dict(
        error_consistency(everyone, resamples=0).select("observer", "estimate").iter_rows()
    )
    checked = published_figures().filter(metric="error_consistency", check=True)
    printed = dict(checked.select("observer", "value").iter_rows())
    assert round(found["people"], 3) == printed["people"]
    # Another ResNet-50 and another AlexNet: docs/explanation/published-checks.md.
    assert found["resnet50"] == pytest.approx(printed["resnet50"], abs=0.005)
    assert printed["alexnet"] < found["alexnet"] < printed["people"] / 2

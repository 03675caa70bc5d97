"""The published trials of people and networks."""

from __future__ import annotations

import polars as pl
import pytest

from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets import datasets
from synthesight.trials.exchange import read_csv, write_csv
from synthesight.trials.people import load_human_trials, load_model_trials


@pytest.fixture(scope="module")
def people(data_folder):
    return load_human_trials(data_folder)


def test_all_people_are_there(people):
    assert people.select("dataset", "observer").n_unique() == 90
    assert len(people) == 85120
    assert people["kind"].unique().to_list() == ["human"]
    assert people["response"].null_count() == 597
    found = dict(people.group_by("dataset").agg(pl.col("condition").unique()).iter_rows())
    assert {name: set(values) for name, values in found.items()} == {
        name: set(one.conditions) for name, one in datasets().items()
    }


def test_images_pair_people_and_networks(people, data_folder):
    networks = load_model_trials(data_folder)
    key = ["dataset", "condition", "category", "image"]
    for table in (people, networks):
        assert table.group_by("observer", *key).len()["len"].max() == 1
    shared = people.join(networks, on=key, how="semi")
    assert shared.group_by("dataset").len().sort("dataset").rows() == [
        ("cue-conflict", 12800), ("edge", 1600), ("silhouette", 1600),
    ]  # fmt: skip
    assert networks.filter(dataset="cue-conflict")["texture"].null_count() == 0
    assert people.filter(~pl.col("dataset").is_in(["cue-conflict"]))["texture"].is_null().all()


def test_a_round_trip_through_files_loses_nothing(people, tmp_path):
    assert len(write_csv(people, tmp_path)) == 90
    key = ["dataset", "observer", "session", "trial"]
    assert read_csv(tmp_path).sort(key).equals(people.sort(key))


def test_datasets_can_be_chosen(data_folder):
    assert load_human_trials(data_folder, ["edge"])["dataset"].unique().to_list() == ["edge"]
    with pytest.raises(SynthesightError, match="no dataset 'edges': choose among"):
        load_human_trials(data_folder, ["edges"])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SynthesightError, match="SYNTHESIGHT_DATA"):
        load_human_trials(tmp_path)

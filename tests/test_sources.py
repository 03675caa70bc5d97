"""The trials of many networks, from one table, beside people."""

from __future__ import annotations

import warnings

import polars as pl
import pytest

from builders import refused, trial_table
from synthesight.analysis import accuracy, benchmark, error_consistency, shape_bias
from synthesight.report.sources import gather
from synthesight.trials import read_trials
from synthesight.trials.schema import conform

pytestmark = pytest.mark.filterwarnings("ignore:Read format")

LAB = "bethgelab/model-vs-human history"
OTHER = "harvard-visionlab/model-vs-human-dmc"


def table(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Two trials of each observer in the published columns, by observer, source and response."""
    return pl.DataFrame([
        {"subj": observer, "session": "1", "trial": str(n), "object_response": response,
         "category": "cat", "condition": None, "imagename": f"{n}_x_{observer}_0_cat_00_cat{n}.png",
         "margin": 0.5 * n, "dataset": "edge", "source": source}
        for observer, source, response in rows
        for n in (1, 2)
    ])  # fmt: skip


def test_networks_of_one_name_are_told_apart_by_source(tmp_path):
    path = tmp_path / "models.parquet"
    table(("vgg", LAB, "cat"), ("vgg", OTHER, "dog"), ("net", LAB, "cat")).write_parquet(path)
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = gather([path], tmp_path, note=notes.append)
    assert set(found["observer"]) == {"vgg (bethgelab)", "vgg (harvard-visionlab)", "net"}
    assert found.filter(observer="vgg (bethgelab)")["response"].to_list() == ["cat", "cat"]
    [note] = notes
    assert "several sources have vgg: each name tells its own." in note
    assert not any("more than once" in str(each.message) for each in said)
    # No condition is the one of edge; what is no column of trials is kept.
    assert found["condition"].unique().to_list() == ["0"]
    assert found["margin"].to_list() == [0.5, 1.0] * 3
    # Sources of one owner are named in full.
    table(("vgg", "lab/a", "cat"), ("vgg", "lab/b", "dog")).write_parquet(path)
    assert set(gather([path], tmp_path)["observer"]) == {"vgg (lab/a)", "vgg (lab/b)"}
    # And one source is none to tell apart.
    table(("vgg", LAB, "cat")).write_parquet(path)
    assert gather([path], tmp_path, note=notes.append)["observer"].unique().to_list() == ["vgg"]
    assert len(notes) == 1


def test_a_parquet_file_of_trials_is_read_as_it_is(tmp_path):
    trials = conform(trial_table(["cat", None], evidence=[[0.1, 0.9], None], viewpoint=45))
    trials.write_parquet(tmp_path / "trials.parquet")
    assert read_trials(tmp_path / "trials.parquet").equals(trials)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but no more")
    assert "cannot be read as Parquet" in refused("report", tmp_path / "broken.parquet")
    pl.DataFrame({"a": [[1]], "b": ["x"]}).write_parquet(tmp_path / "other.parquet")
    assert "other.parquet" in refused("report", tmp_path / "other.parquet")


def test_a_published_network_gives_its_published_figures(data_folder, tmp_path):
    """ResNet-50 of the toolbox: its row of the benchmark, and Geirhos et al. (2020)."""
    path = data_folder / "model-trials-17-datasets.parquet"
    if not path.is_file():
        pytest.skip(f"no {path}")
    own = pl.scan_parquet(path).filter(pl.col("subj") == "resnet50", pl.col("source") == LAB)
    own.collect().write_parquet(tmp_path / "resnet50.parquet")
    with pytest.warns(UserWarning, match="Parquet"):
        trials = gather([tmp_path / "resnet50.parquet"], data_folder)
    trials = trials.filter(pl.col("source").is_not_null() | (pl.col("kind") == "human"))
    row = benchmark(trials, resamples=0).filter(observer="resnet50").row(0, named=True)
    assert {name: round(row[name], 3) for name in (
        "ood_accuracy", "squared_accuracy_difference", "observed_consistency", "error_consistency",
    )} == {
        "ood_accuracy": 0.559, "squared_accuracy_difference": 0.087,
        "observed_consistency": 0.665, "error_consistency": 0.208,
    }  # fmt: skip
    network = trials.filter(observer="resnet50")
    right = accuracy(network, by="dataset", resamples=0)
    right = {name: round(value, 2) for name, value in right.select("dataset", "estimate").rows()}
    assert (right["cue-conflict"], right["edge"], right["silhouette"]) == (0.18, 0.14, 0.54)
    assert round(shape_bias(network, resamples=0)["estimate"][0], 3) == 0.214
    kappa = error_consistency(trials.filter(dataset="cue-conflict"), resamples=0)
    assert round(kappa.filter(observer="resnet50")["estimate"][0], 3) == 0.068

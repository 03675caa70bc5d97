"""The experiment on augmentations: from images to a table, resumable, and its figures right."""

from __future__ import annotations

import csv
from functools import partial

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy import stats

from builders import done, encoded, refused
from synthesight.experiments import augmentation
from synthesight.experiments.results import over_seeds, results_figure, shown, write_table
from synthesight.stimuli.categories import SHARED_SEVEN, canonical
from synthesight.stimuli.make import MANIPULATIONS

LABELS = ("airplane", "automobile", "bird", "cat", "dog", "frog", "ship", "truck")


@pytest.fixture
def parquet(tmp_path):
    """Images of the seven categories, and of one that people were not shown."""
    rng = np.random.default_rng(0)
    rows = [
        {"image": encoded(Image.fromarray(pixels)), "label": label, "name": f"{label}{number}"}
        for place, label in enumerate(LABELS)
        for number in range(3)
        for pixels in [np.clip(rng.normal(30 * place, 20, (32, 32, 3)), 0, 255).astype(np.uint8)]
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "images.parquet")
    return tmp_path / "images.parquet"


def test_one_command_from_images_to_a_table(parquet, tmp_path, monkeypatch):
    monkeypatch.setattr(
        augmentation,
        "MANIPULATIONS",
        {name: MANIPULATIONS[name] for name in ("contrast", "rotation")},
    )  # the eidolons take a second each
    small = partial(augmentation.DiscriminativeOptions, widths=(4, 8))
    monkeypatch.setattr(augmentation, "DiscriminativeOptions", small)
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path / "none"))
    out = tmp_path / "out"
    command = [
        "experiment", "augmentation", "--train", parquet, "--test", parquet, "--out", out,
        "--epochs", 1, "--batch-size", 8, "--seeds", 1, "--per-class", 1, "--jobs", 1,
        "--beside", "none", "--device", "cpu",
    ]  # fmt: skip
    said = done(*command)
    assert "plain" in said
    trials = pl.read_parquet(out / "trials.parquet")
    assert trials["observer"].n_unique() == 4 * 2
    assert {canonical(response) for response in trials["response"]} <= set(SHARED_SEVEN)
    assert "frog" not in trials["category"].to_list()
    contrast = trials.filter(observer="blur-0", dataset="contrast")
    assert contrast.group_by("condition").len()["len"].unique().to_list() == [7]
    rows = list(csv.DictReader((out / "augmentation.csv").open()))
    blur = next(r for r in rows if (r["kind"], r["dataset"]) == ("blur", "contrast"))
    expected = (contrast["response"] == contrast["category"]).mean()
    assert float(blur["values"]) == pytest.approx(expected, abs=1e-4)
    assert (out / "augmentation.png").stat().st_size > 1000
    trained = [path.read_bytes() for path in sorted(out.rglob("checkpoint.safetensors"))]
    (out / "trials.parquet").unlink()
    assert done(*command) == said
    assert pl.read_parquet(out / "trials.parquet").equals(trials)
    assert trained == [path.read_bytes() for path in sorted(out.rglob("checkpoint.safetensors"))]
    assert "--epochs 1, not 2" in refused(*command[:9], 2, *command[10:])


def test_training_images_without_one_of_the_categories_are_refused(parquet, tmp_path):
    table = pl.read_parquet(parquet).filter(pl.col("label") != "bird")
    table.write_parquet(tmp_path / "fewer.parquet")
    command = ["experiment", "augmentation", "--test", parquet, "--out", tmp_path / "out"]
    assert "has no images of bird" in refused(*command, "--train", tmp_path / "fewer.parquet")


def test_an_interval_over_seeds_is_students():
    figures = pl.DataFrame({"kind": ["a"] * 3 + ["b"], "value": [0.2, 0.3, 0.55, 0.1]})
    first, second = over_seeds(figures, ["kind"]).to_dicts()
    interval = stats.t.interval(0.95, 2, loc=0.35, scale=stats.sem([0.2, 0.3, 0.55]))
    assert (first["low"], first["high"]) == pytest.approx(interval)
    assert first["values"] == [0.2, 0.3, 0.55]
    assert (second["mean"], second["low"], second["high"]) == (0.1, None, None)


def test_what_is_shown_of_a_table(tmp_path):
    figures = pl.DataFrame(
        {"kind": ["plain", "plain", "people"], "seed": [0, 1, None], "noise": [False] * 3,
         "measure": ["accuracy"] * 3, "dataset": ["edge", "edge", "sketch"],
         "value": [0.5, 0.5, 0.9]}
    )  # fmt: skip
    table = write_table(figures, tmp_path / "t.csv")
    rows = shown(table, [("accuracy", "edge"), ("shape bias", "edge")])
    assert rows == [["plain", "no", "0.50 ± 0.00", "-"]]
    panels = results_figure(figures, table).to_dict()["concat"]
    assert [panel["title"] for panel in panels] == ["accuracy, edge", "accuracy, sketch"]

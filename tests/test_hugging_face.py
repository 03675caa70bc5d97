"""Hugging Face's datasets as stimuli: saved on disk, as Parquet files, and by name."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from builders import ENVIRONMENT, encoded, picture, process
from synthesight.errors import SynthesightError
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.names import cues_of

datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")

COLOURS = [(9 * n, 255 - 9 * n, 40) for n in range(6)]
IDS = [f"pets-test/{'cat' if n % 2 == 0 else 'dog'}/cat{n}-dog1.png" for n in range(6)]


@pytest.fixture(scope="module")
def table():
    """Six images of cats and dogs by turns, with labels as numbers of classes."""
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    images = [
        {"bytes": encoded(picture(colour=c)), "path": f"cat{n}-dog1.png"}
        for n, c in enumerate(COLOURS)
    ]
    rows = {"image": images, "label": [0, 1] * 3}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def colours(stimuli):
    return [s.open().getpixel((4, 4)) for s in stimuli]


def test_a_saved_dataset_is_found_with_its_names_and_opened_when_asked(table, tmp_path):
    splits = datasets.DatasetDict({"test": table, "train": table.select([0])})
    splits.save_to_disk(tmp_path / "pets")
    found = find_stimuli(tmp_path / "pets" / "test")
    assert [s.id for s in found] == IDS
    assert [s.category for s in found] == ["cat", "dog"] * 3
    assert {s.dataset for s in found} == {"pets-test"}
    assert cues_of(found[0].id.rsplit("/", 1)[-1]) == ("cat", "dog")
    assert callable(found[0].source)
    assert colours(found) == COLOURS
    assert [s.id for s in find_stimuli(f"hf:{tmp_path / 'pets'}:test")] == IDS
    with pytest.raises(SynthesightError, match=r"splits test, train: name one.*pets/test"):
        find_stimuli(tmp_path / "pets")


def test_a_dataset_object_and_its_rows_are_stimuli(table):
    found = find_stimuli(table)
    assert [s.id for s in found] == [one.replace("pets-test", "images") for one in IDS]
    assert colours(found) == COLOURS
    rows = find_stimuli([table[0], table[1]])
    assert colours(rows) == COLOURS[:2]
    assert [s.category for s in rows] == ["0", "1"]
    with pytest.raises(SynthesightError, match="streaming=False"):
        find_stimuli(table.to_iterable_dataset())


def test_what_a_dataset_may_lack(table, tmp_path):
    table.select([3, 1]).remove_columns("label").save_to_disk(tmp_path / "pets")
    found = find_stimuli(tmp_path / "pets")
    assert [s.id for s in found] == ["pets/cat3-dog1.png", "pets/cat1-dog1.png"]
    assert colours(found) == [COLOURS[3], COLOURS[1]]
    assert {s.category for s in found} == {None}
    features = datasets.Features(
        {
            "img": datasets.Image(),
            "fine": datasets.ClassLabel(names=["cat"]),
            "x": datasets.Value("int64"),
        }
    )
    rows = {
        "img": [{"bytes": encoded(picture(colour="red")), "path": None}, None],
        "fine": [0, -1],
        "x": [1, 2],
    }
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "odd")
    first, second = find_stimuli(tmp_path / "odd")
    assert (first.id, first.category, second.id) == ("odd/cat/0", "cat", "odd/1")
    assert first.open().size == (8, 8)
    with pytest.raises(SynthesightError, match="odd/1 is empty"):
        second.open()
    table.remove_columns("image").save_to_disk(tmp_path / "labels")
    with pytest.raises(SynthesightError, match="labels has no images"):
        find_stimuli(tmp_path / "labels")
    (tmp_path / "odd" / "dataset_info.json").write_text("{")
    with pytest.raises(SynthesightError, match="odd cannot be opened as a dataset"):
        find_stimuli(tmp_path / "odd")


def test_parquet_files_in_the_same_layout_need_no_package(table, tmp_path, monkeypatch):
    folder = tmp_path / "pets" / "data"
    folder.mkdir(parents=True)
    for part in range(2):
        rows = table.select(range(3 * part, 3 * part + 3))
        rows.to_parquet(folder / f"test-0000{part}-of-00002.parquet")
    monkeypatch.setitem(sys.modules, "datasets", None)
    found = find_stimuli(tmp_path / "pets")
    assert [s.id for s in found] == IDS
    assert colours(found) == COLOURS
    (one, *_) = find_stimuli(folder / "test-00001-of-00002.parquet")
    assert one.category == "dog"
    (folder / "train-00000-of-00001.parquet").write_bytes(
        (folder / "test-00000-of-00002.parquet").read_bytes()
    )
    with pytest.raises(SynthesightError, match="splits test, train"):
        find_stimuli(tmp_path / "pets")
    with pytest.raises(SynthesightError, match=r"pip install 'synthesight\[hf\]'"):
        find_stimuli("hf:owner/name")


def test_the_command_line_makes_images_from_a_named_dataset(table, tmp_path):
    folder = tmp_path / "pets" / "data"
    folder.mkdir(parents=True)
    table.to_parquet(folder / "test-00000-of-00001.parquet")

    home = {"HF_HOME": str(tmp_path / "home")}

    def make(source):
        return process(
            "data", "make", "--from", source, "--manipulation", "contrast", "--level", "c10",
            "--out", tmp_path / "made", env=os.environ | ENVIRONMENT | home,
        )  # fmt: skip

    result = make(f"hf:{tmp_path / 'pets'}:test")
    assert result.returncode == 0, result.stderr
    assert len(find_stimuli(tmp_path / "made")) == 6
    pixels = np.stack([np.asarray(s.open()) for s in find_stimuli(tmp_path / "made")])
    assert pixels.shape == (6, 224, 224, 3)
    result = make("hf:nobody/has-this")
    assert result.returncode == 2
    assert "hf:nobody/has-this cannot be opened as a dataset" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_named_dataset_of_several_splits_needs_one(table, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "pets" / "data"
    folder.mkdir(parents=True)
    for split in ("test", "train"):
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    for split in ("", ":validation"):
        with pytest.raises(SynthesightError, match=r"splits train, test: name one.*pets:train"):
            find_stimuli(f"hf:{tmp_path / 'pets'}{split}")

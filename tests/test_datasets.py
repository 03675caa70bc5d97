"""Named datasets: what is known about them, and how other packages add theirs."""

from __future__ import annotations

import importlib
import sys

import polars as pl
import pytest

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import SIXTEEN
from synthesight.stimuli.datasets import Dataset, dataset, datasets


def test_the_17_published_datasets_are_known():
    known = datasets()
    assert list(known)[:2] == ["colour", "contrast"]
    assert list(known)[-1] == "cue-conflict"
    assert len(known) == 17
    assert sum(one.images for one in known.values()) == 18_080
    assert sum(len(one.conditions) - len(one.trivial) for one in known.values()) == 46
    for one in known.values():
        assert one.categories == SIXTEEN
        assert one.url.endswith(f"/{one.name}.tar.gz")
        assert one.papers[-1].key == "geirhos2021partial"
        assert set(one.trivial) < set(one.conditions)
    entries = {(paper.key, paper.bibtex) for one in known.values() for paper in one.papers}
    assert len({key for key, _ in entries}) == len(entries) == 4
    assert known["edge"].licence == "CC BY 4.0"
    assert known["sketch"].paper.bibtex.startswith("@inproceedings{wang2019learning,")


def test_the_number_of_images_is_the_published_one(data_folder):
    trials = pl.scan_parquet(data_folder / "model-trials-17-datasets.parquet")
    counted = trials.group_by("dataset").agg(pl.col("imagename").n_unique()).collect()
    assert dict(counted.iter_rows()) == {one.name: one.images for one in datasets().values()}


def test_near_names_are_suggested():
    assert dataset("edge").name == "edge"
    with pytest.raises(SynthesightError, match=r"no dataset 'Silhouettes': did you mean silhoue"):
        dataset("Silhouettes")
    with pytest.raises(SynthesightError, match="choose among colour, contrast"):
        dataset("zzz")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs a package with one file of a dataset; gives that file."""
    folder = tmp_path / "site" / "their_datasets"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    record = tmp_path / "site" / "theirs-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[synthesight.datasets]\ntheirs = their_datasets\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    datasets.cache_clear()
    yield folder / "zebras.toml"
    sys.modules.pop("their_datasets", None)
    datasets.cache_clear()


def test_another_package_adds_a_dataset_with_one_file(plugin):
    entry = "@misc{zebra2026, title = {Zebras}}"
    plugin.write_text(
        f'conditions = ["near", "far"]\ncategories = ["horse", "zebra"]\npapers = ["{entry}"]\n'
    )
    one = dataset("zebras")
    assert list(datasets())[-1] == "zebras"
    assert isinstance(one, Dataset)
    assert (one.conditions, one.categories) == (("near", "far"), ("horse", "zebra"))
    assert (one.paper.key, one.paper.bibtex, one.licence) == ("zebra2026", entry, "not stated")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("conditions = [", "zebras.toml does not describe a dataset"),
        ('colour = "red"', "'colour'"),
        ('trivial = ["far"]', "trivial 'far' is none of its conditions"),
        ('papers = ["zebra2026"]', "no reference 'zebra2026'"),
    ],
)
def test_a_file_that_is_none_is_named(plugin, text, words):
    plugin.write_text(text)
    with pytest.raises(SynthesightError, match=words) as caught:
        datasets()
    assert "\n" not in str(caught.value)


def test_a_name_that_is_taken_is_refused(plugin):
    plugin.with_name("edge.toml").write_text("")
    with pytest.raises(SynthesightError, match="Two packages have a dataset 'edge'"):
        datasets()


@pytest.mark.parametrize("room", ["stimuli", "stimuli.make", "trials"])
def test_a_room_offers_what_it_lists(room):
    module = importlib.import_module(f"synthesight.{room}")
    assert all(getattr(module, name) is not None for name in module.__all__)
    assert dir(module) == sorted(module.__all__)

"""Finding stimuli in folders, tables and by name."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from builders import encoded, picture, save_pictures
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli.arrays import as_stimuli
from synthesight.stimuli.categories import SIXTEEN, imagenet_to_16, in_order
from synthesight.stimuli.datasets import dataset, local
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.names import cues_of, image_of
from synthesight.stimuli.stimulus import Stimulus


def test_a_folder_of_categories(tmp_path):
    save_pictures(tmp_path / "pets", "cat/b.png", "cat/a.jpg", "dog/a.png")
    for name in ("cat/.hidden.png", "LICENSE.txt", "cat/.DS_Store"):
        (tmp_path / "pets" / name).write_text("x")
    found = find_stimuli(tmp_path / "pets")
    assert [s.id for s in found] == ["pets/cat/a.jpg", "pets/cat/b.png", "pets/dog/a.png"]
    assert [s.category for s in found] == ["cat", "cat", "dog"]
    assert {s.dataset for s in found} == {"pets"}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pets").rename(tmp_path / "elsewhere" / "pets")
    assert [s.id for s in find_stimuli(tmp_path / "elsewhere" / "pets")] == [s.id for s in found]


def test_images_without_categories(tmp_path):
    save_pictures(tmp_path / "x", "1.png")
    (single,) = find_stimuli(tmp_path / "x")
    assert single.category is None
    (file,) = find_stimuli(tmp_path / "x" / "1.png")
    assert file.id == "1.png"
    assert file.open().size == (8, 8)


def test_the_published_session_layout(tmp_path):
    name = "0001_cop_dnn_c10_bear_10_n02132136_5083.png"
    save_pictures(tmp_path / "contrast" / "dnn" / "session-2", name)
    (found,) = find_stimuli(tmp_path / "contrast")
    assert (found.dataset, found.condition, found.category, found.session) == (
        "contrast", "c10", "bear", 2,
    )  # fmt: skip
    assert image_of(found.id.rsplit("/", 1)[-1]) == "n02132136_5083.png"


def test_tables_of_images(tmp_path):
    image = encoded(picture())
    rows = {"image": [image, image], "label": ["cat", "dog"], "name": ["1.png", "1.png"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "pets.parquet")
    found = find_stimuli(tmp_path / "pets.parquet")
    assert [s.id for s in found] == ["pets/cat/1.png", "pets/dog/1.png"]
    assert found[0].open().size == (8, 8)
    structs = [{"bytes": image, "path": "x.png"}]
    pl.DataFrame({"image": structs, "label": [3]}).write_parquet(tmp_path / "hf.parquet")
    (one,) = find_stimuli(tmp_path / "hf.parquet")
    assert one.category == "3"
    assert one.open().size == (8, 8)
    save_pictures(tmp_path, "a.png")
    pl.DataFrame({"path": ["a.png"], "label": ["cat"]}).write_csv(tmp_path / "list.csv")
    (one,) = find_stimuli(tmp_path / "list.csv")
    assert one.open().size == (8, 8)
    assert one.category == "cat"


def test_datasets_by_name(tmp_path, monkeypatch):
    save_pictures(tmp_path / "stimuli" / "edge" / "cat", "cat1.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTHESIGHT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nowhere = replace(dataset("edge"), url="http://127.0.0.1:9/edge.tar.gz")
    monkeypatch.setattr(local, "dataset", lambda name: nowhere)
    with pytest.raises(SynthesightError, match="SYNTHESIGHT_DATA"):
        find_stimuli("edge")
    assert len(find_stimuli("edge", data=tmp_path)) == 1
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path))
    assert find_stimuli("edge")[0].id == "edge/cat/cat1.png"
    with pytest.raises(SynthesightError, match="could not be downloaded"):
        find_stimuli("sketch")


def test_the_published_stimuli(data_folder):
    for name, count in {"edge": 160, "silhouette": 160, "cue-conflict": 320}.items():
        found = find_stimuli(name, data=data_folder)
        assert len(found) == count
        assert in_order([str(s.category) for s in found]) == list(SIXTEEN)
        assert found[0].open().size == (224, 224)
        textures = {cues and cues[1] for s in found for cues in [cues_of(s.id.rsplit("/", 1)[-1])]}
        assert textures == (set(SIXTEEN) if name == "cue-conflict" else {None})


def test_the_classes_of_the_16_categories(data_folder):
    published = json.loads((data_folder / "imagenet1k-to-16.json").read_text())
    assert imagenet_to_16() == published
    assert tuple(imagenet_to_16()) == SIXTEEN


def test_what_is_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.parquet").write_bytes(b"x")
    pl.DataFrame({"x": [1]}).write_csv(tmp_path / "no.csv")
    cases = {"nothing": "no file or folder", "empty": "No images", "bad.parquet": "table",
             "no.csv": "'image'"}  # fmt: skip
    for name, words in cases.items():
        with pytest.raises(SynthesightError, match=words):
            find_stimuli(tmp_path / name)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anything")
def test_a_folder_without_permission(tmp_path):
    save_pictures(tmp_path / "cat", "1.png")
    (tmp_path / "cat").chmod(0)
    with pytest.raises(SynthesightError, match="permission"):
        find_stimuli(tmp_path)
    (tmp_path / "cat").chmod(0o755)


def test_broken_images_are_found_and_fail_when_opened(tmp_path):
    save_pictures(tmp_path / "x" / "cat", "1.png")
    (tmp_path / "x" / "cat" / "2.png").write_bytes(b"broken")
    found = find_stimuli(tmp_path / "x")
    assert len(found) == 2
    with pytest.raises(SynthesightError, match=r"2\.png"):
        found[1].open()


def test_samples_are_balanced_and_do_not_depend_on_order(tmp_path):
    for category, count in {"cat": 9, "dog": 30, "car": 4}.items():
        save_pictures(tmp_path / "x" / category, *(f"{i:02}.png" for i in range(count)))
    found = find_stimuli(tmp_path / "x")
    chosen = sample(found, limit=15, seed=3)
    counts = {c: sum(s.category == c for s in chosen) for c in ("cat", "dog", "car")}
    assert sorted(counts.values()) == [4, 5, 6]
    assert counts["car"] == 4
    mixed = random.Random(0).sample(found, len(found))
    assert {s.id for s in sample(mixed, limit=15, seed=3)} == {s.id for s in chosen}
    assert {s.id for s in sample(found, limit=15, seed=4)} != {s.id for s in chosen}
    assert len(sample(found, limit=1000)) == len(found)
    with pytest.raises(SynthesightError, match="`limit=0`"):
        sample(found, limit=0)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("pilot-session-1/cat/x.png", ("pilot-session-1", "cat", 1)),
        ("mine/session-2/cat/x.png", ("mine", "cat", 2)),
        ("mine/session-2/x.png", ("mine", None, 2)),
    ],
)
def test_only_a_folder_called_session_is_a_session(tmp_path, place, expected):
    save_pictures(tmp_path, place)
    (found,) = find_stimuli(tmp_path / place.split("/")[0])
    assert (found.dataset, found.category, found.session) == expected


def test_sources_may_be_mixed_in_a_list(tmp_path):
    save_pictures(tmp_path, "pets/cat/1.png", "dog.png")
    mine = Stimulus("mine/1", encoded(picture()), "mine", category="cow")
    found = find_stimuli([str(tmp_path / "pets"), tmp_path / "dog.png", mine])
    assert [s.id for s in found] == ["pets/cat/1.png", "dog.png", "mine/1"]
    assert find_stimuli(mine) == [mine]
    image = picture()
    assert [s.source for s in find_stimuli([image, mine])] == [image, mine.source]
    assert len(find_stimuli(np.zeros((2, 8, 8, 3), np.uint8))) == 2
    for source in (3, None):
        with pytest.raises(SynthesightError, match="is no source of stimuli"):
            find_stimuli(source)
    with pytest.raises(SynthesightError, match="did you mean the dataset silhouette"):
        find_stimuli("silhouettes")


def test_rows_as_hugging_face_has_them_are_stimuli(tmp_path):
    save_pictures(tmp_path, "3.png")
    rows = [
        {"image": picture().convert("L"), "label": "cat", "name": "1.png"},
        {"image": encoded(picture()), "label": None},
        {"image": {"bytes": encoded(picture()), "path": None}, "label": 7},
        {"image": {"bytes": None, "path": str(tmp_path / "3.png")}},
        {"image": str(tmp_path / "3.png"), "category": "dog"},
    ]
    found = find_stimuli(rows)
    black = as_stimuli(encoded(picture()))[0].id
    assert [s.id for s in found] == [
        "images/cat/1.png", f"images/{black}", f"images/7/{black}", "images/3.png",
        "images/dog/3.png",
    ]  # fmt: skip
    assert [s.id for s in as_stimuli(rows)] == [s.id for s in found]
    assert len({s.id for s in find_stimuli([rows[1], rows[1]])}) == 2
    assert {s.open().size for s in found} == {(8, 8)}
    with pytest.raises(SynthesightError, match="A row with the columns label has no image"):
        find_stimuli([rows[0], {"label": "cat"}])


def test_patterns_and_addresses(tmp_path):
    save_pictures(tmp_path, "a.png", "b.png", "c.jpg")
    assert [each.id for each in find_stimuli(f"{tmp_path}/*.png")] == ["a.png", "b.png"]
    with pytest.raises(SynthesightError, match="There is no file or folder"):
        find_stimuli(f"{tmp_path}/*.gif")
    with pytest.raises(SynthesightError, match=r"is an address, .* type `curl -Lo cat.jpg"):
        find_stimuli("https://example.org/cat.jpg")


def test_a_folder_counts_and_names_what_it_passes_over(tmp_path):
    folder = tmp_path / "pets"
    save_pictures(folder, "cat/1.png", "dog/2.png")
    (folder / "cat" / "1.png").rename(folder / "cat" / "1")
    for name in ("notes.txt", "cat/data.csv", ".DS_Store"):
        (folder / name).write_text("words")
    os.mkfifo(folder / "pipe")
    (folder / "cat" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / ".git").mkdir()
    with pytest.warns(SynthesightWarning) as caught:
        found = find_stimuli(folder)
    assert [s.id for s in found] == ["pets/cat/1", "pets/dog/2.png"]
    (text,) = [str(one.message) for one in caught]
    assert "2 hidden (" in text
    assert "1 linked to a folder above (cat/loop)" in text
    assert "3 without an image (" in text
    for name in ("notes.txt", "cat/data.csv", "pipe", ".DS_Store", ".git"):
        assert name in text


def test_names_that_are_not_utf_8_are_stimuli_too(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102
    with open(folder + b"/ca\xff\x1bt\n1.png", "wb") as file:  # noqa: PTH123
        file.write(encoded(picture()))
    (found,) = find_stimuli(os.fsdecode(folder))
    assert found.id == r"caf\xe9/ca\xff\x1bt\x0a1.png"
    assert found.open().size == (8, 8)
    found.id.encode()
    for name in ("x" * 20_000, "a\0b"):
        with pytest.raises(SynthesightError) as caught:
            find_stimuli(name)
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()

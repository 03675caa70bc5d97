"""Stimuli and runs in an object store, here moto's server of S3."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import fsspec
import polars as pl
import pytest

from builders import done, encoded, picture, save_pictures
from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.report.sources import RUN, gather
from synthesight.stimuli import find_stimuli
from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials import check, merge, parts, state_of
from synthesight.trials import store as trial_store
from synthesight.trials.store import Run

server = pytest.importorskip("moto.server")

KEYS = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """S3 on this machine, with a bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3 = fsspec.filesystem("s3")
        s3.mkdir("bucket")
        yield s3
    moto.stop()


@pytest.fixture(scope="module")
def photos(store, tmp_path_factory) -> Path:
    """The same images on this machine and in the bucket."""
    folder = tmp_path_factory.mktemp("here") / "photos"
    names = [f"{kind}/{n}.png" for kind in ("cat", "dog") for n in range(2)]
    save_pictures(folder, *names, ".hidden/3.png")
    store.put(f"{folder}/", "bucket/photos/", recursive=True)
    return folder


def seen(stimuli: list[Stimulus]) -> list[tuple]:
    for each in stimuli:
        each.open()
    return [(each.id, each.dataset, each.category, each.digest) for each in stimuli]


def test_a_folder_has_the_stimuli_that_it_has_here(photos):
    found = find_stimuli("s3://bucket/photos")
    assert seen(found) == seen(find_stimuli(photos))
    assert [each.id for each in find_stimuli("s3://bucket/photos/cat/*.png")] == ["0.png", "1.png"]
    assert [each.id for each in find_stimuli("s3://bucket/photos/cat/1.png")] == ["1.png"]


def test_tables_are_fetched_once(store, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    rows = {"image": [encoded(picture())], "label": ["cat"], "name": ["a.png"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "mine.parquet")
    (tmp_path / "list.csv").write_text("path,label\ncat/0.png,cat\ndog/1.png,dog\n")
    store.put_file(str(tmp_path / "mine.parquet"), "bucket/mine.parquet")
    store.put_file(str(tmp_path / "list.csv"), "bucket/photos/list.csv")
    for _ in range(2):
        (one,) = find_stimuli("s3://bucket/mine.parquet")
        assert (one.id, one.category) == ("mine/cat/a.png", "cat")
    assert len(list((tmp_path / "cache").rglob("mine.parquet"))) == 1
    # Listed paths are beside the table, in the store.
    listed = find_stimuli("s3://bucket/photos/list.csv")
    assert [each.open().size for each in listed] == [(8, 8), (8, 8)]
    store.rm("bucket/photos/list.csv")


@pytest.mark.slow
def test_a_run_in_a_store_is_the_run_that_is_written_here(photos, tmp_path):
    evaluate = ["evaluate", "-m", "natural-32-cnn", "--device", "cpu"]
    done(*evaluate, "--stimuli", photos, "--out", tmp_path / "here")
    for shard in ("1/2", "2/2"):
        out = ["--out", "s3://bucket/runs/a", "--shard", shard]
        done(*evaluate, "--stimuli", "s3://bucket/photos", *out)
    here, there = Run(tmp_path / "here"), Run("s3://bucket/runs/a")
    assert there.trials().equals(here.trials())
    assert there.manifest["classes"] == here.manifest["classes"]
    assert len(list(there.folder.glob("part-*.parquet"))) == 2
    # As the commands have it, to which typer gives a path.
    in_store, in_folder = gather([Path("s3://bucket/runs/a")]), gather([tmp_path / "here"])
    assert in_store.drop(RUN).equals(in_folder.drop(RUN))
    assert "4 of 4" in done("status", "s3://bucket/runs/a")
    done("merge", "s3://bucket/runs/a", tmp_path / "here", "--out", "s3://bucket/runs/both")
    assert Run("s3://bucket/runs/both").trials().equals(here.trials())
    done("export", "s3://bucket/runs/a", "--out", tmp_path / "csv")
    assert list((tmp_path / "csv").rglob("*.csv"))


def test_a_run_is_begun_by_one_process_only(store):
    Run.create("s3://bucket/runs/b", {"classes": ["cat", "dog"]})
    with pytest.raises(SynthesightError, match="s3://bucket/runs/b holds a run already"):
        Run.create("s3://bucket/runs/b", {})
    # The store itself refuses, where both saw nothing a moment before.
    with pytest.raises(FileExistsError):
        store.pipe_file("bucket/runs/b/run.json", b"{}", mode="create")
    with pytest.raises(FileExistsError):
        files.write(files.as_path("s3://bucket/runs/b/run.json"), "{}", replace=False)


def test_small_parts_are_joined(store, monkeypatch):
    for module in (parts, trial_store):
        monkeypatch.setattr(module, "MANY", 8)
    run = Run.create("s3://bucket/runs/c", {"classes": ["cat", "dog"]})
    for number in range(9):
        run.append([{"observer": "me", "stimulus": f"{number}.png", "response": "cat"}])
    assert len(list(run.folder.glob("part-*.parquet"))) == 2
    assert len(Run("s3://bucket/runs/c")) == 9


def test_damage_is_told(store):
    run = Run.create("s3://bucket/runs/d", {"classes": ["cat", "dog"]})
    run.append([{"observer": "me", "stimulus": "1.png", "response": "cat"}])
    (part,) = run.folder.glob("part-*.parquet")
    content = part.read_bytes()
    part.write_bytes(content[:-20] + bytes(20))
    with pytest.raises(SynthesightError, match="is damaged"):
        run.trials()
    assert "it was set aside in s3://bucket/runs/d/damaged" in check(run.folder)[0]
    assert check(run.folder) == []
    assert len(run) == 0


def test_memory_is_a_store_too():
    run = Run.create("memory://runs/e", {"classes": ["cat", "dog"]})
    run.append([{"observer": "me", "stimulus": "1.png", "response": "cat"}])
    assert Run("memory://runs/e")[0]["response"] == "cat"
    assert state_of("memory://runs/e").done == 1
    merged, remarks = merge(["memory://runs/e"], "memory://runs/f")
    assert merged.trials().equals(run.trials())
    assert remarks == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/nothing", "There are no images at s3://bucket/nothing"),
        ("s3://nowhere/photos", "s3://nowhere/photos"),
        ("zzz://bucket/photos", "zzz://bucket/photos is no address of an object store"),
        ("gs://bucket/photos", r"pip install universal-pathlib gcsfs"),
    ],
)
def test_mistakes_are_one_sentence(store, url, message):
    with pytest.raises(SynthesightError, match=message):
        find_stimuli(url)


def test_an_object_that_is_gone_is_unreadable(store, photos):
    store.pipe_file("bucket/gone/cat/1.png", encoded(picture()))
    (found,) = find_stimuli("s3://bucket/gone")
    store.rm("bucket/gone/cat/1.png")
    with pytest.raises(UnreadableImage, match=r"s3://bucket/gone/cat/1\.png cannot be read"):
        found.open()


def test_a_bucket_is_never_made(store):
    with pytest.raises(SynthesightError, match="s3://new-bucket/run"):
        Run.create("s3://new-bucket/run", {})
    assert not store.exists("new-bucket")

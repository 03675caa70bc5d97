"""Files that are there whole or not at all; downloads are in test_download."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from synthesight import files
from synthesight.errors import SynthesightError


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write(path, "first ε\n")
    with pytest.raises(TypeError):
        files.write(path, 3)
    assert path.read_text("utf-8") == "first ε\n"
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        files.write(path, "third")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text("utf-8") == "first ε\n"


def no_space(_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_may_be_made_only_once(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: no_space(_))
    path = tmp_path / "a.txt"
    files.write(path, "first", replace=False)
    with pytest.raises(FileExistsError):
        files.write(path, "second", replace=False)
    assert path.read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_only_old_unfinished_files_are_removed(tmp_path):
    names = {"a.01234567.tmp", "b.89abcdef.tmp", "a.tmp", "c.01234567.tmp", "a.txt"}
    then = time.time() - files.STALE - 60
    for name in names:
        (tmp_path / name).touch()
        if not name.startswith("b"):
            os.utime(tmp_path / name, (then, then))
    files.remove_unfinished(tmp_path, "[ab]")
    assert {path.name for path in tmp_path.iterdir()} == names - {"a.01234567.tmp"}


def test_the_name_of_a_file_is_written_to_the_disk_too(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda it: (synced.append(os.fstat(it).st_mode), fsync(it)))
    files.write(tmp_path / "a.txt", "first")
    assert [stat.S_ISDIR(mode) for mode in synced] == [False, True]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"a": ' * 100_000, "is not valid JSON"),
        (b"{'a'}", "is not valid JSON"),
        (b'{"a": "\xff"}', "is not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b"", "is not valid JSON"),
        (b"[]", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b" " * (2**24 + 1), "is larger than 16 MiB"),
    ],
)
def test_json_of_others(tmp_path, content, words):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(SynthesightError, match=rf"config.json {words}.*: get it anew\."):
        files.read_json(path, advice="get it anew")


def test_json_is_a_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, words in (
        (tmp_path / "pipe", "is no file"),
        (tmp_path, "is no file"),
        (Path("/dev/zero"), "is no file"),
        (tmp_path / "no", "is missing"),
        (tmp_path / "loop", "cannot be read"),
    ):
        with pytest.raises(SynthesightError, match=words):
            files.read_json(path, advice="get it anew")

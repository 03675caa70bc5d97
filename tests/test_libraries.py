"""Test that pages load the versions of jsPsych that we chose, and no others."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
import tarfile

import pytest

from builders import picture
from synthesight.errors import SynthesightError
from synthesight.people import libraries as module
from synthesight.people.libraries import Library, bring, libraries
from synthesight.people.site import build_site
from synthesight.stimuli.stimulus import Stimulus


def test_each_library_has_a_version_and_a_whole_hash():
    assert len({library.local for library in libraries()}) == len(libraries()) == 7
    for library in libraries():
        assert re.fullmatch(r"\d+\.\d+\.\d+", library.version)
        assert re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", library.integrity)
    assert libraries()[0].package == "jspsych"  # plugins need it before them


def test_pages_link_them_with_their_hashes(tmp_path):
    (tmp_path / "study.toml").write_text("[design]\npractice = 0")
    stimuli = [Stimulus(f"{name}.png", picture(), category=name) for name in ("cat", "dog")]
    build_site(stimuli, tmp_path)
    page = (tmp_path / "index.html").read_text()
    for library in libraries():
        line = next(line for line in page.splitlines() if library.url in line)
        assert f'integrity="{library.integrity}" crossorigin="anonymous"' in line
    assert page.count("https://") == len(libraries())


def archive(tmp_path, name: str, version: str, **files: bytes):
    path = tmp_path / f"{name}.tgz"
    content = {"package.json": json.dumps({"name": name, "version": version}).encode()} | files
    with tarfile.open(path, "w:gz") as tar:
        for file, text in content.items():
            member = tarfile.TarInfo(f"package/{file}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return path


@pytest.fixture
def packing(tmp_path, monkeypatch):
    """Let npm be a program that copies archives of ours, and let the cache be empty."""
    store = tmp_path / "registry"
    store.mkdir()
    program = f"import shutil\nshutil.copytree({str(store)!r}, '.', dirs_exist_ok=True)"
    monkeypatch.setattr(module, "_npm", lambda: [sys.executable, "-c", program])
    monkeypatch.setattr(module.files, "cache_folder", lambda: tmp_path / "cache")
    right = Library("js", "1.0.0", "a.js", "sha384-" + module_hash(b"right"))
    monkeypatch.setattr(module, "libraries", lambda: [right])
    return store


def module_hash(content: bytes) -> str:
    return base64.b64encode(hashlib.sha384(content).digest()).decode()


def test_what_npm_brings_is_checked_and_kept(packing, tmp_path, monkeypatch):
    archive(packing, "js", "1.0.0", **{"a.js": b"right"})
    bring(tmp_path / "lib")
    assert (tmp_path / "lib" / "js-1.0.0.js").read_bytes() == b"right"
    monkeypatch.setattr(module, "_npm", lambda: [sys.executable, "-c", "raise SystemExit(1)"])
    bring(tmp_path / "again")  # from the cache
    (tmp_path / "cache" / "jspsych" / "js-1.0.0.js").write_bytes(b"wrong")
    with pytest.raises(SynthesightError, match="npm could not bring jsPsych"):
        bring(tmp_path / "again")


@pytest.mark.parametrize(
    ("files", "reason"),
    [({"a.js": b"wrong"}, "is not the one that was published"), ({}, "is damaged")],
)
def test_a_changed_or_damaged_package_is_refused(packing, tmp_path, files, reason):
    archive(packing, "js", "1.0.0", **files)
    with pytest.raises(SynthesightError, match=reason):
        bring(tmp_path / "lib")
    assert not list((tmp_path / "cache").rglob("*.js"))


def test_without_npm_the_way_out_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(module.files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(SynthesightError, match="pip install 'synthesight\\[experiment\\]'"):
        bring(tmp_path / "lib")

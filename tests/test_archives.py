"""Images in archives, read where they are."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from contextlib import suppress

import pytest

from builders import encoded, picture
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli import archives
from synthesight.stimuli.archives import expand
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.images import UnreadableImage

IMAGE = encoded(picture(8, "red"))
FILES = {"cat/1.png": IMAGE, "cat/2": IMAGE, "dog/1.jpg": encoded(picture(9, "blue"), "JPEG")}
OTHERS = {"dog/.hidden.png": IMAGE, "README.md": b"About", "__MACOSX/cat/._1.png": b"x"}


def archive(path, contents: dict[str, bytes], mode: str = "") -> None:
    """Write an archive of the kind that its suffix says, or a mode of tarfile."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in contents.items():
                file.writestr(name, content)
        return
    with tarfile.open(path, f"w:{mode}") as file:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "mode"),
    [("pets.zip", ""), ("pets.tar", ""), ("pets.tar.gz", "gz"), ("pets.tgz", "gz"),
     ("pets.tar.bz2", "bz2"), ("pets.tar.xz", "xz")],
)  # fmt: skip
@pytest.mark.parametrize("top", ["", "pets/", "other/"])
def test_an_archive_is_read_like_a_folder(tmp_path, name, mode, top):
    archive(tmp_path / name, {top + key: data for key, data in (FILES | OTHERS).items()}, mode)
    before = sorted(tmp_path.iterdir())
    with pytest.warns(SynthesightWarning, match=r"passed over 2 hidden \(.*1 without an image"):
        found = find_stimuli(tmp_path / name)
    dataset = "other" if top == "other/" else "pets"
    if top == "other/":  # README.md lies beside other/, unless it is in it
        assert {s.dataset for s in found} == {dataset}
    assert [s.id for s in found] == [f"{dataset}/{key}" for key in sorted(FILES)]
    assert [s.category for s in found] == ["cat", "cat", "dog"]
    again = pickle.loads(pickle.dumps(found))
    assert [s.open().size for s in again] == [(8, 8), (8, 8), (9, 9)]
    assert sorted(tmp_path.iterdir()) == before


def test_zstandard(tmp_path):
    zstd = pytest.importorskip("backports.zstd")
    archive(tmp_path / "pets.tar", FILES)
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "pets.tar.zst").write_bytes(
        zstd.compress((tmp_path / "pets.tar").read_bytes())
    )
    assert [s.id for s in find_stimuli(tmp_path / "z" / "pets.tar.zst")] == [
        f"pets/{key}" for key in sorted(FILES)
    ]


def test_shards_of_webdataset(tmp_path):
    for shard in range(3):
        contents = {}
        for n in range(2):
            key = f"{shard}{n}"
            facts = {"viewpoint": 10 * n, "name": ["cat", "dog"][n], "__key__": key}
            contents |= {
                f"{key}.jpg": encoded(picture(8, "red"), "JPEG"),
                f"{key}.cls": str(n).encode(),
                f"{key}.json": json.dumps(facts).encode(),
            }
        archive(tmp_path / f"pets-{shard:03}.tar", contents)
    found = find_stimuli(f"{tmp_path}/pets-{{000..002}}.tar")
    assert [s.id for s in found][:2] == ["pets/0/00.jpg", "pets/1/01.jpg"]
    assert len(found) == 6
    assert [s.category for s in found] == ["0", "1"] * 3
    assert dict(found[1].factors) == {"viewpoint": 10, "name": "dog"}
    assert {s.open().size for s in found} == {(8, 8)}
    assert [s.id for s in find_stimuli(tmp_path)] == [s.id for s in found]
    with pytest.raises(SynthesightError, match=r"There is no file or folder .*pets-003\.tar"):
        find_stimuli(f"{tmp_path}/pets-{{000..005}}.tar")
    named = {"1.png": IMAGE, "1.cls": b"cat", "2.png": IMAGE, "2.cls": b"dog", "3.png": IMAGE}
    archive(tmp_path / "words.tar", named)
    assert [s.category for s in find_stimuli(tmp_path / "words.tar")] == ["cat", "dog", None]


def test_braces():
    assert expand("a{1..3}{x,y}.tar") == [f"a{n}{c}.tar" for n in (1, 2, 3) for c in "xy"]
    assert expand("{cat}.png") == ["{cat}.png"]
    with pytest.raises(SynthesightError, match="names no shards"):
        expand("{0..99999999}")


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a/../../evil.png"])
def test_no_path_leads_out_of_an_archive(tmp_path, name):
    for suffix in ("tar", "zip"):
        archive(tmp_path / f"evil.{suffix}", {name: IMAGE, "cat/1.png": IMAGE})
        with pytest.raises(SynthesightError, match=r"outside its folder.*do not trust"):
            find_stimuli(tmp_path / f"evil.{suffix}")


def test_links_and_devices_in_an_archive_are_refused(tmp_path):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "links.tar", "w") as file:
            entry = tarfile.TarInfo("cat/1.png")
            entry.type, entry.linkname = kind, "/etc/passwd"
            file.addfile(entry)
        with pytest.raises(SynthesightError, match="do not trust this archive"):
            find_stimuli(tmp_path / "links.tar")


def test_archives_that_unpack_to_too_much(tmp_path, monkeypatch):
    bomb = {"cat/1.png": IMAGE, "cat/2.png": b"\0" * 2**22}
    monkeypatch.setattr(archives, "MOST_PACKED", 2**20)
    monkeypatch.setattr(archives, "LARGEST", 2**20)
    archive(tmp_path / "bomb.tar.gz", bomb, "gz")
    with pytest.raises(SynthesightError, match="unpacks to more than 1 MiB: unpack it"):
        find_stimuli(tmp_path / "bomb.tar.gz")
    for suffix in ("zip", "tar"):
        archive(tmp_path / f"bomb.{suffix}", bomb)
        first, second = find_stimuli(tmp_path / f"bomb.{suffix}")
        assert first.open().size == (8, 8)
        with pytest.raises(UnreadableImage, match="too large for an image"):
            second.open()
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**31, 0, 0)
    (tmp_path / "many.zip").write_bytes(b"PK\x03\x04" + b"\0" * 99 + end)
    with pytest.raises(SynthesightError, match="far too many entries"):
        find_stimuli(tmp_path / "many.zip")


@pytest.mark.parametrize("name", ["pets.zip", "pets.tar", "pets.tar.gz"])
def test_damaged_archives_are_refused_or_fail_image_by_image(tmp_path, name):
    path = tmp_path / name
    archive(path, FILES, "gz" if name.endswith("gz") else "")
    whole = path.read_bytes()
    for count in (3, 10, len(whole) // 3, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:count])
        with suppress(SynthesightError):  # no other error
            for stimulus in find_stimuli(path):
                stimulus.open()
    changed = bytearray(whole)
    for place in range(30, len(whole), 37):
        changed[place] ^= 0xFF
    path.write_bytes(changed)
    with pytest.raises(SynthesightError):
        [stimulus.open() for stimulus in find_stimuli(path)]

"""Read images in archives where they are: zip, tar and shards of WebDataset.

Nothing is written, so that nothing can be written elsewhere. Plain tars and zips are read in place,
image by image; a compressed tar has to come into memory whole, and so must be small.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.files import read_tar
from synthesight.stimuli.columns import Columns, factors_of
from synthesight.stimuli.formats import HEAD, SUFFIXES, format_of
from synthesight.stimuli.images import UnreadableImage, escaped
from synthesight.stimuli.passed import Passed
from synthesight.stimuli.stimulus import Stimulus
from synthesight.stimuli.tables import placed

SUFFIXES_OF_ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tzst")
MOST_PACKED = 2**29  # bytes that a compressed tar may hold
MOST_DIRECTORY = 2**27  # bytes of a zip's list of entries
MOST_FIELD = 2**20  # bytes of what describes an image in WebDataset's way
LARGEST = 2**28  # bytes of one image
NOTES = (".cls", ".json", ".txt", ".index", ".id")  # of WebDataset, beside an image of the same key

_STARTS = re.compile(rb"PK\x03\x04|PK\x05\x06|\x1f\x8b|BZh|\xfd7zXZ\0|\x28\xb5\x2f\xfd")
_SHARD = re.compile(r"[-_.]?\d{3,}$")


@dataclass(frozen=True, slots=True)
class Member:
    """Read one file of an archive when it is asked for, in this process or another.

    ``offset`` is where it begins in a plain tar; None in a zip.
    """

    archive: Path
    name: str
    size: int
    offset: int | None = None

    def __call__(self, most: int | None = None) -> bytes:
        """Return the content, or its first bytes."""
        count = self.size if most is None else min(most, self.size)
        label = f"{self.archive}/{self.name}"
        if count > LARGEST:
            raise UnreadableImage(
                f"{label} is of {self.size / 2**20:.0f} MiB, which is too large for an image: "
                "leave it out."
            )
        try:
            if self.offset is None:
                with _zip(self.archive).open(self.name) as file:
                    data = file.read(count)
            else:
                with self.archive.open("rb") as file:
                    file.seek(self.offset)
                    data = file.read(count)
        except RuntimeError:
            raise UnreadableImage(f"{label} needs a password: unpack the archive.") from None
        except (OSError, NotImplementedError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise UnreadableImage(
                f"{label} cannot be read ({error}): get the archive anew."
            ) from None
        if len(data) < count:
            raise UnreadableImage(f"{label} is cut short: get the archive anew.")
        return data


Content = Member | bytes


def is_archive(path: Path, head: bytes) -> bool:
    """Return whether a file is an archive, by its first bytes, or a plain tar by its header."""
    return bool(_STARTS.match(head)) or head[257:262] == b"ustar" or path.suffix.lower() == ".tar"


def from_archives(
    paths: Sequence[Path], place: Callable[..., Stimulus], called: str = ""
) -> list[Stimulus]:
    """Return the stimuli of the archives of one dataset, laid out like a folder or shards.

    ``place`` makes the stimulus of an image, by source, path below the dataset, and dataset.
    """
    called = called or str(paths[0])
    passed = Passed(called)
    images: dict[str, Content] = {}
    notes: dict[str, dict[str, Content]] = {}
    for path in paths:
        _take(path, images, notes, passed)
    if not images:
        raise SynthesightError(f"No images in {called}{passed.summary()}: check the path.")
    for key in notes.keys() - {_key(name) for name in images}:
        for suffix in notes[key]:
            passed.add("without an image", f"{key}{suffix}")
    passed.warn()
    name = _dataset(paths[0])
    described = [key for image in images if (key := _key(image)) in notes]
    if described:
        return _webdataset(images, notes, name)
    names = list(images)
    top = {PurePosixPath(one).parts[0] for one in names}
    deep = all(len(PurePosixPath(one).parts) > 2 for one in names)
    strip = len(top) == 1 and (deep or top == {name}) and all("/" in one for one in names)
    if strip and deep:
        name = top.pop()
    found = [
        place(source, tuple(PurePosixPath(one).parts[1 if strip else 0 :]), name)
        for one, source in images.items()
    ]
    return sorted(found, key=lambda stimulus: stimulus.id)


def expand(pattern: str) -> list[str]:
    """Return the names that braces stand for, as in names of shards.

    Examples
    --------
    >>> expand("pets-{008..010}.tar"), expand("{cat,dog}.zip")
    (['pets-008.tar', 'pets-009.tar', 'pets-010.tar'], ['cat.zip', 'dog.zip'])
    """
    found = re.search(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}", pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], expand(pattern[found.end() :])
    if found[3] is not None:
        middle = found[3].split(",")
    else:
        first, last = int(found[1]), int(found[2])
        if not 0 <= last - first < 10**6:
            raise SynthesightError(f"{pattern} names no shards: write {{000..123}}.")
        middle = [f"{number:0{len(found[1])}}" for number in range(first, last + 1)]
    return [f"{before}{one}{end}" for one in middle for end in after]


def _take(
    path: Path, images: dict[str, Content], notes: dict[str, dict[str, Content]], passed: Passed
) -> None:
    """Add the files of an archive to images and notes."""
    for name, content in _members(path).items():
        last = name.rsplit("/", 1)[-1]
        suffix = PurePosixPath(last).suffix.lower()
        if last.startswith(".") or "__MACOSX/" in f"/{name}":
            passed.add("hidden", name)
        elif suffix in NOTES:
            notes.setdefault(_key(name), {})[suffix] = content
        elif suffix in SUFFIXES or format_of(_first(content)):
            images[name] = content
        else:
            passed.add("without an image", name)


def _first(content: Content) -> bytes:
    return content[:HEAD] if isinstance(content, bytes) else content(HEAD)


def _members(path: Path) -> dict[str, Content]:
    with path.open("rb") as file:
        start = file.read(4)
    if not start.startswith(b"PK"):
        return {
            each.name: Member(path, each.name, each.size, each.offset)
            if each.content is None
            else each.content
            for each in read_tar(path, MOST_PACKED)
        }
    try:
        _check_directory(path)
        entries = _zip(path).infolist()
    except (zipfile.BadZipFile, OSError, struct.error) as error:
        raise SynthesightError(f"{path} is truncated or damaged ({error}): get it anew.") from None
    for each in entries:
        if each.filename.startswith("/") or ".." in re.split(r"[/\\]", each.filename):
            raise SynthesightError(
                f"{path} has an entry that would be written outside its folder "
                f"({escaped(each.filename[:100])}): do not trust this archive."
            )
    return {
        each.filename: Member(path, each.filename, each.file_size)
        for each in entries
        if not each.is_dir()
    }


def _check_directory(path: Path) -> None:
    """Refuse a zip whose list of entries would fill the memory."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0:
            raise zipfile.BadZipFile("its end is missing")
        (directory,) = struct.unpack_from("<I", tail, end + 12)
        if directory == 2**32 - 1 and (far := tail.rfind(b"PK\x06\x06", 0, end)) >= 0:
            (directory,) = struct.unpack_from("<Q", tail, far + 40)
    if directory > MOST_DIRECTORY:
        raise SynthesightError(f"{path} has far too many entries: do not trust this archive.")


def _zip(path: Path) -> zipfile.ZipFile:
    facts = path.stat()
    return _opened(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=16)
def _opened(path: Path, *_state: int) -> zipfile.ZipFile:
    """Keep zips open: to read the list of entries again for each image would take long."""
    return zipfile.ZipFile(path)


def _dataset(path: Path) -> str:
    """Return the name of a dataset by its archive or one of its shards."""
    name = path.name
    while (suffix := PurePosixPath(name).suffix.lower()) in (
        *SUFFIXES_OF_ARCHIVES, ".gz", ".bz2", ".xz", ".zst",
    ):  # fmt: skip
        name = name[: -len(suffix)]
    return _SHARD.sub("", name) or path.absolute().parent.name or name


def _key(name: str) -> str:
    """Return WebDataset's key: the path up to the first dot of the file's name."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.split('.')[0]}"


def _webdataset(
    images: Mapping[str, Content], notes: Mapping[str, Mapping[str, Content]], dataset: str
) -> list[Stimulus]:
    rows = [_described(notes.get(_key(name), {}), name) for name in images]
    table = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    columns = Columns.of(table)
    others = [column for column in table.columns if column not in (columns.label, "cls name")]
    factors, _ = factors_of(table, others)
    labels = [None] * len(rows) if columns.label is None else table[columns.label].cast(pl.String)
    return placed(dataset, list(labels), list(images), list(images.values()), factors=factors)


def _described(notes: Mapping[str, Content], image: str) -> dict[str, Any]:
    """Return what the files beside an image say of it, by name."""
    row: dict[str, Any] = {}
    for suffix, content in notes.items():
        raw = content if isinstance(content, bytes) else content(MOST_FIELD + 1)
        if len(raw) > MOST_FIELD:
            raise SynthesightError(f"What describes {image} ({suffix}) is too long: leave it out.")
        text = raw.decode("utf-8", "replace").strip()
        if suffix != ".json":
            row[suffix[1:]] = text
            continue
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise SynthesightError(
                f"What describes {image} (.json) is not valid JSON: correct it, or leave it out."
            ) from None
        inner = found if isinstance(found, dict) else {"label": found}
        row |= {
            key: value
            for key, value in inner.items()
            if isinstance(value, str | int | float | bool) and not str(key).startswith("__")
        }
    return row or {"cls name": None}

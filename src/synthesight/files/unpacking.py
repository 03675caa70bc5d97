"""Unpack archives that nobody vouches for.

The reader is our own: Python's ``tarfile`` wrote outside its folder in spite of its filter
(CVE-2025-4517) and looped for ever (CVE-2025-8194) until patches that not every machine has. Ours
knows regular files and folders, which is all that archives of images need, and refuses the rest.
The format is that of POSIX.1-2001 (ustar and pax), with GNU's long names.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from synthesight.errors import SynthesightError

MOST_BYTES = 2**34  # that an archive may hold, its headers included
MOST_ENTRIES = 200_000
MOST_READ = 5_000_000  # entries of an archive that is read in place
MOST_DEPTH = 16  # folders in each other
MOST_TIMES = 200  # larger than the archive; images and tables are at most 20 times
FREE = 2**26  # bytes that may be as many times larger as they like
LONGEST_NAME = 1024  # bytes
BLOCK = 512
CHUNK = 2**18
BOMB = "unpacks to far more than an archive of its size should hold"
_KINDS = {
    b"1": "a hard link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe",
    b"K": "a link", b"S": "a sparse file", b"V": "a label of a volume", b"M": "a part of a file",
}  # fmt: skip


class _Hostile(Exception):
    """Say what is wrong with an entry, or with the whole."""


class _Damaged(Exception):
    """Say that a file is no archive, or only part of one."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ``.tar`` or ``.tar.gz``; a single top folder of any name becomes ``folder``.

    The folder is there whole or not at all; one that is there is replaced. Owners, modes and times
    of the entries are ignored.
    """
    name = archive.name.lstrip(".")
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    inside = place / "new"
    try:
        inside.mkdir()
        _unpack(archive, inside)
        entries = [entry for entry in inside.iterdir() if not entry.name.startswith(".")]
        top = entries[0] if len(entries) == 1 and entries[0].is_dir() else inside
        if not any(top.iterdir()):
            raise SynthesightError(f"{name} is empty: run it again.")
        if folder.exists():
            folder.replace(place / "old")
        top.replace(folder)
    except _Hostile as error:
        raise SynthesightError(
            f"{name} {error}: nothing was unpacked; do not trust this archive."
        ) from None
    except _Damaged as error:
        raise SynthesightError(f"{name} is truncated or damaged ({error}): run it again.") from None
    except OSError as error:
        raise SynthesightError(
            f"{name} cannot be unpacked to {folder} ({error.strerror}): make room, or choose "
            "another folder."
        ) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unpack(archive: Path, place: Path) -> None:
    real = place.resolve()
    with archive.open("rb") as file:
        stream = _Stream(file, archive.stat().st_size)
        for count, (parts, size) in enumerate(_entries(stream), start=1):
            if count > MOST_ENTRIES:
                raise _Hostile(f"has more than {MOST_ENTRIES:,} entries")
            shown = repr("/".join(parts))
            if len(parts) > MOST_DEPTH:
                raise _Hostile(f"has an entry in more than {MOST_DEPTH} folders ({shown})")
            target = place.joinpath(*parts)
            # The place is new and holds no links: this holds whatever the rules above let through.
            if not target.parent.resolve().is_relative_to(real):
                raise _Hostile(f"has an entry that would be written outside its folder ({shown})")
            try:
                if size is None:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                written = target.open("xb")  # never what is there, nor what a link leads to
            except (FileExistsError, NotADirectoryError):
                raise _Hostile(f"has two entries of one name ({shown})") from None
            with written:
                for chunk in stream.content(size):
                    written.write(chunk)


@dataclass(frozen=True, slots=True)
class Packed:
    """A file in a tar archive: its path, where its content lies, and how long it is, in bytes.

    The content is that of a compressed archive; of others it is None, as it can be read in place.
    """

    name: str
    offset: int
    size: int
    content: bytes | None


def read_tar(archive: Path, most: int) -> Iterator[Packed]:
    """Yield the files in a tar archive, also a compressed one, in order; nothing is written.

    ``most`` is how many bytes a compressed archive may hold, since they are in memory at once.
    """
    try:
        with archive.open("rb") as file:
            source = _decompressed(file, archive.name)
            stream = _Stream(file, archive.stat().st_size, source)
            stream.left = 2**62 if source is file else most
            for count, (parts, size) in enumerate(_entries(stream), start=1):
                if count > MOST_READ:
                    raise _Hostile(f"has more than {MOST_READ:,} entries")
                if size is None:
                    continue
                offset = file.tell()
                if source is file:
                    stream.skip(size)
                    yield Packed("/".join(parts), offset, size, None)
                else:
                    yield Packed("/".join(parts), 0, size, b"".join(stream.content(size)))
    except _Hostile as error:
        if str(error) == BOMB:
            raise SynthesightError(
                f"{archive} unpacks to more than {most // 2**20} MiB: unpack it, or keep it as a "
                ".zip or a plain .tar, which are read in place."
            ) from None
        raise SynthesightError(f"{archive} {error}: do not trust this archive.") from None
    except _Damaged as error:
        raise SynthesightError(
            f"{archive} is truncated or damaged ({error}): get it anew."
        ) from None


def _decompressed(file: IO[bytes], name: str) -> Any:
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"BZh"):
        return bz2.open(file)
    if start == b"\xfd7zXZ\0":
        return lzma.open(file)
    if not start.startswith(b"\x28\xb5\x2f\xfd"):
        return gzip.GzipFile(fileobj=file) if start.startswith(b"\x1f\x8b") else file
    for package in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(package).ZstdFile(file)
        except ImportError:
            continue
    raise SynthesightError(
        f"{name} is compressed by Zstandard, which needs Python 3.14 or the package "
        "backports.zstd: pip install 'synthesight[images]'."
    )


class _Stream:
    """Read what an archive holds in order, within its budget."""

    def __init__(self, file: IO[bytes], size: int, source: Any = None) -> None:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self.source: Any = source or (gzip.GzipFile(fileobj=file) if packed else file)
        self.size = size
        self.left = min(MOST_BYTES, MOST_TIMES * size + FREE)

    def read(self, count: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        try:
            content = bytes(self.source.read(count))
        except (OSError, MemoryError) as error:
            if getattr(error, "errno", None) is not None or isinstance(error, MemoryError):
                raise
            raise _Damaged(str(error)) from None
        except Exception as error:  # each decompressor has errors of its own
            raise _Damaged(str(error)) from None
        self.left -= len(content)
        if self.left < 0:
            raise _Hostile(BOMB)
        return content

    def exactly(self, count: int) -> bytes:
        content = self.read(count)
        if len(content) < count:
            raise _Damaged("it ends early")
        return content

    def skip(self, size: int) -> None:
        """Go past the content of an entry, where the archive is a plain file."""
        if self.source.tell() + size > self.size:
            raise _Damaged("it ends early")
        self.source.seek(size + -size % BLOCK, os.SEEK_CUR)

    def content(self, size: int) -> Iterator[bytes]:
        """Yield the content of an entry in chunks, and go to the next header."""
        if size > self.left:
            raise _Hostile(BOMB)
        left = size
        while left:
            chunk = self.exactly(min(left, CHUNK))
            left -= len(chunk)
            yield chunk
        self.exactly(-size % BLOCK)


@dataclass
class _Told:
    """What entries of kinds x, g and L tell about the next one."""

    name: bytes | None = None
    size: int | None = None


def _entries(stream: _Stream) -> Iterator[tuple[list[str], int | None]]:
    """Yield the path of each entry, and its size, or None for a folder."""
    told, seen = _Told(), False
    while True:
        header = stream.read(BLOCK)
        if len(header) < BLOCK:
            # Two blocks of zeros are the end, but some writers leave them out.
            if header or not seen:
                raise _Damaged("it ends early" if seen else "it is no .tar or .tar.gz")
            return
        if not any(header):
            while stream.read(CHUNK):  # to the end, where gzip has a checksum of the whole
                continue
            return
        if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            raise _Damaged("a checksum is wrong" if seen else "it is no .tar or .tar.gz")
        seen = True
        kind, size = header[156:157], _number(header[124:136])
        if kind in (b"x", b"g", b"L"):
            # Its size is checked before it is read: it comes into memory whole.
            if size > 16 * LONGEST_NAME:
                raise _Hostile("has a name that is far too long")
            content = b"".join(stream.content(size))
            if kind == b"L":
                told.name = content.rstrip(b"\0")
            elif kind == b"x":
                _read_pax(content, told)
            continue
        name = told.name if told.name is not None else _short_name(header)
        if told.size is not None:
            size = told.size
        told = _Told()
        if kind == b"\0" and name.endswith(b"/"):
            kind = b"5"  # as the first tar wrote folders
        parts = _parts(name)
        if kind not in (b"0", b"\0", b"5"):
            what = _KINDS.get(kind, "of an unknown kind")
            raise _Hostile(f"has an entry that is {what} ({'/'.join(parts)!r})")
        if kind == b"5":
            if parts:
                yield parts, None
        elif not parts:
            raise _Hostile("has an entry without a name")
        else:
            yield parts, size


def _read_pax(content: bytes, told: _Told) -> None:
    """Read the records ``<length> <keyword>=<value>`` and a line feed, as POSIX has them."""
    while content:
        found = re.match(rb"([0-9]{1,6}) ([^=\n]{1,256})=", content)
        length = int(found[1]) if found else 0
        if found is None or not found.end() < length <= len(content):
            raise _Damaged("a header is wrong")
        value = content[found.end() : length - 1]
        if found[2] == b"path":
            told.name = value
        elif found[2] == b"size":
            if not re.fullmatch(rb"[0-9]{1,18}", value):
                raise _Damaged("a size is wrong")
            told.size = int(value)
        elif found[2].startswith(b"GNU.sparse"):
            raise _Hostile("has an entry that is a sparse file")
        content = content[length:]


def _short_name(header: bytes) -> bytes:
    name = header[:100].split(b"\0")[0]
    # GNU's own format has other fields where POSIX has the rest of the name.
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _number(field: bytes) -> int:
    """Return a number in octal digits, or GNU's in binary."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]{0,12}", text):
        raise _Damaged("a number is wrong")
    return int(text or b"0", 8)


def _parts(name: bytes) -> list[str]:
    """Return the parts of a path that lies below whatever folder it is put in, on every system.

    Raises
    ------
    _Hostile
        If it is absolute, has ``..``, a drive or a backslash; or is too long, or no plain text.
    """
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise _Hostile(f"has a name that is not UTF-8 ({name[:100]!r})") from None
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or ".." in parts or "\\" in text or re.match("[A-Za-z]:", text):
        raise _Hostile(f"has an entry that would be written outside its folder ({text[:100]!r})")
    if not text.isprintable():
        raise _Hostile(f"has a name with characters that are not printed ({text[:100]!r})")
    if len(name) > LONGEST_NAME or any(len(part.encode()) > 255 for part in parts):
        raise _Hostile(f"has a name that is far too long ({text[:100]!r})")
    if os.name == "nt" and any(re.search('[:*?"<>|]', part) for part in parts):
        raise _Hostile(f"has a name that this system has not ({text[:100]!r})")
    return parts

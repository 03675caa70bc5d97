"""Read the tar format of archives that nobody vouches for: POSIX.1-2001, with GNU long names."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

LONGEST_NAME = 1024  # bytes


BLOCK = 512


CHUNK = 2**18


BOMB = "unpacks to far more than an archive of its size should hold"


_KINDS = {
    b"1": "a hard link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe",
    b"K": "a link", b"S": "a sparse file", b"V": "a label of a volume", b"M": "a part of a file",
}  # fmt: skip


class Hostile(Exception):
    """Say what is wrong with an entry, or with the whole."""


class Damaged(Exception):
    """Say that a file is no archive, or only part of one."""


class Stream:
    """Read an archive of ``size`` bytes in order, within its budget: what is ``left``."""

    def __init__(self, file: IO[bytes], size: int, left: int, source: Any = None) -> None:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self.source: Any = source or (gzip.GzipFile(fileobj=file) if packed else file)
        self.size, self.left = size, left

    def read(self, count: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        try:
            content = bytes(self.source.read(count))
        except (OSError, MemoryError) as error:
            if getattr(error, "errno", None) is not None or isinstance(error, MemoryError):
                raise
            raise Damaged(str(error)) from None
        except Exception as error:  # each decompressor has errors of its own
            raise Damaged(str(error)) from None
        self.left -= len(content)
        if self.left < 0:
            raise Hostile(BOMB)
        return content

    def exactly(self, count: int) -> bytes:
        content = self.read(count)
        if len(content) < count:
            raise Damaged("it ends early")
        return content

    def skip(self, size: int) -> None:
        """Go past the content of an entry, where the archive is a plain file."""
        if self.source.tell() + size > self.size:
            raise Damaged("it ends early")
        self.source.seek(size + -size % BLOCK, os.SEEK_CUR)

    def content(self, size: int) -> Iterator[bytes]:
        """Yield the content of an entry in chunks, and go to the next header."""
        if size > self.left:
            raise Hostile(BOMB)
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


def entries_of(stream: Stream) -> Iterator[tuple[list[str], int | None]]:
    """Yield the path of each entry, and its size, or None for a folder."""
    told, seen = _Told(), False
    while True:
        header = stream.read(BLOCK)
        if len(header) < BLOCK:
            # Two blocks of zeros are the end, but some writers leave them out.
            if header or not seen:
                raise Damaged("it ends early" if seen else "it is no .tar or .tar.gz")
            return
        if not any(header):
            while stream.read(CHUNK):  # to the end, where gzip has a checksum of the whole
                continue
            return
        if _number(header[148:156]) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            raise Damaged("a checksum is wrong" if seen else "it is no .tar or .tar.gz")
        seen = True
        kind, size = header[156:157], _number(header[124:136])
        if kind in (b"x", b"g", b"L"):
            # Its size is checked before it is read: it comes into memory whole.
            if size > 16 * LONGEST_NAME:
                raise Hostile("has a name that is far too long")
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
            raise Hostile(f"has an entry that is {what} ({'/'.join(parts)!r})")
        if kind == b"5":
            if parts:
                yield parts, None
        elif not parts:
            raise Hostile("has an entry without a name")
        else:
            yield parts, size


def _read_pax(content: bytes, told: _Told) -> None:
    """Read the records ``<length> <keyword>=<value>`` and a line feed, as POSIX has them."""
    while content:
        found = re.match(rb"([0-9]{1,6}) ([^=\n]{1,256})=", content)
        length = int(found[1]) if found else 0
        if found is None or not found.end() < length <= len(content):
            raise Damaged("a header is wrong")
        value = content[found.end() : length - 1]
        if found[2] == b"path":
            told.name = value
        elif found[2] == b"size":
            if not re.fullmatch(rb"[0-9]{1,18}", value):
                raise Damaged("a size is wrong")
            told.size = int(value)
        elif found[2].startswith(b"GNU.sparse"):
            raise Hostile("has an entry that is a sparse file")
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
        raise Damaged("a number is wrong")
    return int(text or b"0", 8)


def _parts(name: bytes) -> list[str]:
    """Return the parts of a path that lies below whatever folder it is put in, on every system.

    Raises
    ------
    Hostile
        If it is absolute, has ``..``, a drive or a backslash; or is too long, or no plain text.
    """
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise Hostile(f"has a name that is not UTF-8 ({name[:100]!r})") from None
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or ".." in parts or "\\" in text or re.match("[A-Za-z]:", text):
        raise Hostile(f"has an entry that would be written outside its folder ({text[:100]!r})")
    if not text.isprintable():
        raise Hostile(f"has a name with characters that are not printed ({text[:100]!r})")
    if len(name) > LONGEST_NAME or any(len(part.encode()) > 255 for part in parts):
        raise Hostile(f"has a name that is far too long ({text[:100]!r})")
    if os.name == "nt" and any(re.search('[:*?"<>|]', part) for part in parts):
        raise Hostile(f"has a name that this system has not ({text[:100]!r})")
    return parts

"""Unpack archives that nobody vouches for.

The reader (:mod:`~synthesight.files.tar`) is our own: Python's ``tarfile`` wrote outside its folder
in spite of its filter (CVE-2025-4517) and looped for ever (CVE-2025-8194) until patches that not
every machine has. Ours knows regular files and folders, which is all that archives of images need,
and refuses the rest.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from synthesight.errors import SynthesightError
from synthesight.files.tar import BOMB, Damaged, Hostile, Stream, entries_of

MOST_BYTES = 2**34  # that an archive may hold, its headers included
MOST_ENTRIES = 200_000
MOST_READ = 5_000_000  # entries of an archive that is read in place
MOST_DEPTH = 16  # folders in each other
MOST_TIMES = 200  # larger than the archive; images and tables are at most 20 times
FREE = 2**26  # bytes that may be as many times larger as they like


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
    except Hostile as error:
        raise SynthesightError(
            f"{name} {error}: nothing was unpacked; do not trust this archive."
        ) from None
    except Damaged as error:
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
        size = archive.stat().st_size
        stream = Stream(file, size, min(MOST_BYTES, MOST_TIMES * size + FREE))
        for count, (parts, length) in enumerate(entries_of(stream), start=1):
            if count > MOST_ENTRIES:
                raise Hostile(f"has more than {MOST_ENTRIES:,} entries")
            shown = repr("/".join(parts))
            if len(parts) > MOST_DEPTH:
                raise Hostile(f"has an entry in more than {MOST_DEPTH} folders ({shown})")
            target = place.joinpath(*parts)
            # The place is new and holds no links: this holds whatever the rules above let through.
            if not target.parent.resolve().is_relative_to(real):
                raise Hostile(f"has an entry that would be written outside its folder ({shown})")
            try:
                if length is None:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                written = target.open("xb")  # never what is there, nor what a link leads to
            except (FileExistsError, NotADirectoryError):
                raise Hostile(f"has two entries of one name ({shown})") from None
            with written:
                for chunk in stream.content(length):
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
            left = 2**62 if source is file else most
            stream = Stream(file, archive.stat().st_size, left, source)
            for count, (parts, size) in enumerate(entries_of(stream), start=1):
                if count > MOST_READ:
                    raise Hostile(f"has more than {MOST_READ:,} entries")
                if size is None:
                    continue
                offset = file.tell()
                if source is file:
                    stream.skip(size)
                    yield Packed("/".join(parts), offset, size, None)
                else:
                    yield Packed("/".join(parts), 0, size, b"".join(stream.content(size)))
    except Hostile as error:
        if str(error) == BOMB:
            raise SynthesightError(
                f"{archive} unpacks to more than {most // 2**20} MiB: unpack it, or keep it as a "
                ".zip or a plain .tar, which are read in place."
            ) from None
        raise SynthesightError(f"{archive} {error}: do not trust this archive.") from None
    except Damaged as error:
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

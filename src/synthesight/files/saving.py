"""Write files all or nothing, and lock them."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synthesight.errors import SynthesightError, first_line
from synthesight.files.places import is_remote, put

STALE = 3600.0  # seconds after which an unfinished file is what a killed process left
UNFINISHED = ".tmp"


def cache_folder() -> Path:
    """Return the folder of downloads in the user's cache, which need not exist yet."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("synthesight"))


@contextmanager
def whole(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Write a file that is there whole or not at all, even after a power cut.

    Its folder must exist. Yields a path to write to, which becomes the file at the end; raises
    FileExistsError if there is one that it may not ``replace``.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        if replace:
            unfinished.replace(path)
        else:
            _rename_once(unfinished, path)
        sync_folder(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _rename_once(unfinished: Path, path: Path) -> None:
    try:
        # Unlike a rename, a link never replaces: of two processes, one makes the file.
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(str(path)) from None
        unfinished.replace(path)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk: a file's own sync does not keep its name."""
    if os.name == "nt" or is_remote(folder):  # which open no folders, and keep names by themselves
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that knows no such
            raise
    finally:
        os.close(opened)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it; an object store has none to make."""
    if not is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def write(path: Path, content: str | bytes, *, replace: bool = True) -> None:
    """Write bytes, or a text in UTF-8, as :func:`whole` does.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> write(folder / "note.txt", "σ = 0.5")
    >>> [path.name for path in folder.iterdir()]
    ['note.txt']
    """
    content = content.encode() if isinstance(content, str) else content
    if is_remote(path):
        put(path, content, replace=replace)
        return
    with whole(path, replace=replace) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def writing(place: Path, other: str = "`out`") -> Iterator[None]:
    """Say in one sentence that ``place`` cannot be written, or what an error names instead.

    ``other`` is what to choose anew.
    """
    try:
        yield
    except OSError as error:
        raise SynthesightError(
            f"{error.filename or place} cannot be written ({error.strerror or error}): choose "
            f"another {other}."
        ) from error
    except Exception as error:  # of an object store, whatever its library raises
        if not is_remote(place) or isinstance(error, SynthesightError):
            raise
        raise SynthesightError(
            f"{place} cannot be written ({first_line(error)}): check your credentials, or choose "
            f"another {other}."
        ) from error


def remove_unfinished(folder: Path, names: str) -> None:
    """Remove what killed processes left of :func:`whole`; a younger one may be another process's.

    ``names`` is a regular expression of the files that were to be written.
    """
    left = re.compile(rf"(?:{names})\.[0-9a-f]{{8}}{re.escape(UNFINISHED)}")
    for path in folder.glob(f"*{UNFINISHED}"):
        if not left.fullmatch(path.name):
            continue
        try:
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()
        except OSError:  # another process was faster, or it is not ours to remove
            continue


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time go on, of several that want to make the same file or folder."""
    from filelock import FileLock

    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            # While it is held: who waits for it sees that it is gone, and makes another.
            lock.unlink(missing_ok=True)

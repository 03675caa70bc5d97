"""Files: download, check, unpack, lock and write them; all or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    import requests

CHUNK = 2**18  # bytes
TIMEOUT = 30  # seconds without a byte
STALE = 3600.0  # seconds after which an unfinished file is what a killed process left
UNFINISHED = ".tmp"


def cache_folder() -> Path:
    """Return the folder of downloads in the user's cache, which need not exist yet."""
    import pooch

    return Path(pooch.os_cache("synthesight"))


@contextmanager
def whole(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Write a file that is there whole or not at all, even after a power cut.

    Parameters
    ----------
    path
        The file; its folder must exist.
    replace
        Whether it may replace a file.

    Yields
    ------
    A path to write to, which becomes the file at the end.

    Raises
    ------
    FileExistsError
        If there is such a file and it may not be replaced.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        if replace:
            unfinished.replace(path)
            return
        try:
            # Unlike a rename, a link never replaces: of two processes, one makes the file.
            os.link(unfinished, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if path.exists():
                raise FileExistsError(str(path)) from None
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write(path: Path, content: str | bytes, *, replace: bool = True) -> None:
    """Write bytes, or a text in UTF-8, as :func:`whole` does.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> write(folder / "note.txt", "σ = 0.5")
    >>> [path.name for path in folder.iterdir()]
    ['note.txt']
    """
    with whole(path, replace=replace) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def writing(place: Path, other: str = "`out`") -> Iterator[None]:
    """Say in one sentence that a file or folder cannot be written.

    Parameters
    ----------
    place
        What is written; where an error names another file, that is named instead.
    other
        What to choose anew, for the message.

    Raises
    ------
    SynthesightError
        If the operating system raises an error inside.
    """
    try:
        yield
    except OSError as error:
        raise SynthesightError(
            f"{error.filename or place} cannot be written ({error.strerror or error}): choose "
            f"another {other}."
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Remove the files that killed processes left; a younger one may be another process's."""
    for path in folder.glob(f"*{UNFINISHED}"):
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


def download(
    url: str, path: Path, *, sha256: str | None = None, otherwise: str, show: bool = True
) -> str:
    """Download one file, whole or not at all.

    What an attempt that broke off has fetched is kept beside it, and the next one goes on there.

    Parameters
    ----------
    url, path
        From where, and to where; the folder must exist.
    sha256
        Hash that the file must have, in hexadecimal, or its first digits. It is checked before
        the file is there under its name.
    otherwise
        What else a user can do where it cannot be downloaded, for the message.
    show
        Whether to show a bar; only one can be shown at a time.

    Returns
    -------
    The hash of the file.

    Raises
    ------
    SynthesightError
        If it cannot be downloaded, or has another hash.
    """
    import requests

    partial = path.with_name(path.name + ".part")
    try:
        _receive(url, partial, show=show)
    except requests.RequestException as error:
        kept = ", and what has arrived is kept" if partial.exists() else ""
        raise SynthesightError(
            f"{url} could not be downloaded ({_reason(error)}): run it again{kept}, or {otherwise}."
        ) from None
    found = hash_of(partial)
    if sha256 is not None and not found.startswith(sha256.lower()):
        partial.unlink()
        raise SynthesightError(
            f"{url} has the SHA-256 {found}, not {sha256}, and was thrown away: run it again, or "
            "ask its publisher."
        )
    partial.replace(path)
    return found


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    import pooch

    return str(pooch.file_hash(str(path), alg="sha256"))


def check_hash(path: Path, sha256: str) -> None:
    """Check that a file is the one that was published.

    Parameters
    ----------
    sha256
        Hash in hexadecimal, or its first digits.

    Raises
    ------
    SynthesightError
        If it has another hash.
    """
    found = hash_of(path)
    if not found.startswith(sha256.lower()):
        raise SynthesightError(
            f"{path} has the SHA-256 {found}, not {sha256}: delete it, and it is fetched anew."
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive, atomically; a single top folder of any name becomes ``folder``.

    Raises
    ------
    SynthesightError
        If the archive is damaged or empty, or has an entry that would be written elsewhere.
    """
    name = archive.name.lstrip(".")
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with tarfile.open(archive) as tar:
            # The filter refuses absolute paths, "..", links that lead out, and devices.
            tar.extractall(place, filter="data")
        inside = [entry for entry in place.iterdir() if not entry.name.startswith(".")]
        top = inside[0] if len(inside) == 1 and inside[0].is_dir() else place
        if not any(top.iterdir()):
            raise SynthesightError(f"{name} is empty: run it again.")
        if folder.exists():
            shutil.rmtree(folder)
        top.replace(folder)
    except tarfile.FilterError as error:
        raise SynthesightError(
            f"{name} has an entry that would be written outside its folder "
            f"({error.tarinfo.name}): nothing was unpacked; do not trust this archive."
        ) from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise SynthesightError(f"{name} is truncated or damaged ({error}): run it again.") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _receive(url: str, partial: Path, *, show: bool) -> None:
    """Download to a file, and go on where an earlier attempt stopped."""
    import requests
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    done = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing is left to send
            return
        answer.raise_for_status()
        # The length is checked below: an error from within would lose the bytes before it.
        answer.raw.enforce_content_length = False
        resumed = answer.status_code == 206
        length = answer.headers.get("Content-Length")
        total = int(length) + (done if resumed else 0) if length else None
        columns: tuple[Any, ...] = (
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        )  # fmt: skip
        with (
            partial.open("ab" if resumed else "wb") as file,
            # Standard output may be read by a program.
            Progress(
                *columns, console=Console(stderr=True), transient=True, disable=not show
            ) as progress,
        ):
            label = url.split("?")[0].rsplit("/", 1)[1]
            task = progress.add_task(label, total=total, completed=file.tell())
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                progress.advance(task, len(chunk))
    if total is not None and partial.stat().st_size < total:
        raise requests.ConnectionError("the connection ended early")


def _reason(error: requests.RequestException) -> str:
    import requests

    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    return "the connection failed or ended early"

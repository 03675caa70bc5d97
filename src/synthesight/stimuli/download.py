"""Download published files and datasets: resumed, hash checked, unpacked safely, all or nothing."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from synthesight.errors import SynthesightError

RELEASE = "https://github.com/bethgelab/model-vs-human/releases/download/v0.1/"
HASHES = "sha256.json"  # of the archives that were fetched into a folder of datasets
CHUNK = 2**18
TIMEOUT = 30  # seconds without a byte


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Of several processes that want to fetch the same, let one go on at a time."""
    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock):
        try:
            yield
        finally:
            # While it is held: who waits for it sees that it is gone, and makes another.
            lock.unlink(missing_ok=True)


def fetch(name: str, root: Path, *, sha256: str | None = None, base: str = RELEASE) -> Path:
    """Download ``<name>.tar.gz`` and unpack it to ``root/<name>``.

    The archives were published without hashes. The first download's is written down in
    ``sha256.json`` beside the datasets, and any later one must equal it; a hash that the user
    gives must be met in any case.

    Parameters
    ----------
    name
        Of a published dataset.
    root
        Folder of the datasets, made if need be.
    sha256
        Expected hash of the archive, in hexadecimal.
    base
        Where the archives are.

    Returns
    -------
    The dataset's folder.

    Raises
    ------
    SynthesightError
        If it cannot be downloaded, the hash is another, or the archive is damaged or would write
        outside its folder. What was there before stays as it was.
    """
    url = f"{base}{name}.tar.gz"
    root.mkdir(parents=True, exist_ok=True)
    known = _known(root)
    archive = root / f".{name}.tar.gz"
    found = fetch_file(
        url,
        archive,
        sha256=sha256 or known.get(name),
        otherwise=f"set SYNTHESIGHT_DATA to a folder that has {name}/",
    )
    try:
        unpack(archive, root / name)
    finally:
        archive.unlink(missing_ok=True)
    (root / HASHES).write_text(json.dumps(known | {name: found}, indent=2) + "\n")
    return root / name


def fetch_file(url: str, path: Path, *, sha256: str | None = None, otherwise: str) -> str:
    """Download one file, whole or not at all.

    What an attempt that broke off has fetched is kept beside it, and the next one goes on there.

    Parameters
    ----------
    url, path
        From where, and to where; the folder must exist.
    sha256
        The hash that the file must have, in hexadecimal, or the first digits of it.
    otherwise
        What else a user can do when it cannot be downloaded, for the message.

    Returns
    -------
    The hash of the file.

    Raises
    ------
    SynthesightError
        If it cannot be downloaded, or the hash is another.
    """
    partial = path.with_name(path.name + ".part")
    try:
        _download(url, partial)
    except requests.RequestException as error:
        kept = ", and what has arrived is kept" if partial.exists() else ""
        raise SynthesightError(
            f"{url} could not be downloaded ({_reason(error)}): run it again{kept}, or {otherwise}."
        ) from None
    found = pooch.file_hash(str(partial), alg="sha256")
    if sha256 is not None and not found.startswith(sha256.lower()):
        partial.unlink()
        raise SynthesightError(
            f"{url} has the SHA-256 {found}, not {sha256}: it was changed or damaged on the way "
            "and has been thrown away; run it again, or ask its publisher."
        )
    partial.replace(path)
    return found


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a dataset's archive, atomically; a single top folder of any name becomes ``folder``.

    Raises
    ------
    SynthesightError
        If the archive is damaged, or has an entry that would be written elsewhere.
    """
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with tarfile.open(archive) as tar:
            # The filter refuses absolute paths, "..", links that lead out, and devices.
            tar.extractall(place, filter="data")
        inside = [entry for entry in place.iterdir() if not entry.name.startswith(".")]
        whole = inside[0] if len(inside) == 1 and inside[0].is_dir() else place
        if not any(whole.iterdir()):
            raise SynthesightError(f"{archive.name} is empty: run it again.")
        if folder.exists():
            shutil.rmtree(folder)
        whole.replace(folder)
    except tarfile.FilterError as error:
        raise SynthesightError(
            f"{archive.name.lstrip('.')} has an entry that would be written outside its folder "
            f"({error.tarinfo.name}): nothing was unpacked; do not trust this archive."
        ) from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise SynthesightError(
            f"{archive.name.lstrip('.')} is truncated or damaged ({error}): run it again."
        ) from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _download(url: str, partial: Path) -> None:
    """Download to a file, going on where an earlier attempt stopped."""
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
            Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        ):
            label = url.split("?")[0].rsplit("/", 1)[1]
            task = progress.add_task(label, total=total, completed=file.tell())
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                progress.advance(task, len(chunk))
    if total is not None and partial.stat().st_size < total:
        raise requests.ConnectionError("the connection ended early")


def _known(root: Path) -> dict[str, str]:
    try:
        return dict(json.loads((root / HASHES).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise SynthesightError(
            f"{root / HASHES} is damaged: delete it, and hashes are written down anew."
        ) from None


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    return "the connection failed or ended early"

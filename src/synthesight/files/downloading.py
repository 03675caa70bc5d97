"""Download files, and check that each is ever the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from synthesight.errors import SynthesightError
from synthesight.files.objects import read_json
from synthesight.files.saving import alone, write

if TYPE_CHECKING:
    import requests

RECORD = "sha256.json"  # beside the files: the hash of each URL when it was first fetched
LARGEST = 2**34  # bytes of a download: twice the largest published file of weights
CHUNK = 2**18  # bytes
TIMEOUT = 30  # seconds without a byte
REDIRECTS = 5
HERE = ("localhost", "127.0.0.1", "::1")  # whom to talk to without encryption
_DIGITS = re.compile(r"[0-9a-f]{8,64}")


class _TooLarge(Exception):
    pass


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    otherwise: str,
    check: Callable[[Path], object] | None = None,
    record: bool = True,
    show: bool = True,
    most: int = LARGEST,
) -> str:
    """Download one file, whole or not at all, and the same at every time; return its hash.

    What an attempt that broke off has fetched is kept beside it, and the next one goes on there.
    The hash of the first download is written down beside the file, in ``sha256.json`` (unless
    ``record`` is False), and every later one must have it, unless its whole hash is given. Only
    ``https`` is spoken, but with this machine itself.

    ``sha256`` is the hash that the file must have, or its first eight digits or more; it is checked
    before the file is there under its name. ``check`` is called with the path, and raises
    SynthesightError for what is another thing, such as the page of a hotel's network: the file is
    then removed. ``otherwise`` says what else a user can do; ``show`` shows a bar, of which there
    can be one at a time; ``most`` bytes or more are refused.
    """
    import requests

    _check_digits(url, sha256)
    partial = path.with_name(path.name + ".part")
    try:
        _receive(url, partial, most, show=show)
    except requests.RequestException as error:
        kept = ", and what has arrived is kept" if partial.exists() else ""
        raise SynthesightError(
            f"{url} could not be downloaded ({_reason(error)}): run it again{kept}, or {otherwise}."
        ) from None
    except OSError as error:  # which the errors of requests are as well
        raise SynthesightError(
            f"{path} cannot be written ({error.strerror}): make room, or {otherwise}."
        ) from error
    except _TooLarge:
        _forget(partial)
        raise SynthesightError(
            f"{url} is larger than {most / 1e9:.3g} GB, which it should not be: ask its publisher, "
            f"or {otherwise}."
        ) from None
    found = hash_of(partial)
    try:
        _compare(url, f"{url} has the SHA-256 {found}", found, sha256, path.parent / RECORD)
    except SynthesightError:
        _forget(partial)
        raise
    partial.replace(path)
    _forget(partial)
    if check is not None:
        try:
            check(path)
        except SynthesightError:
            path.unlink(missing_ok=True)
            raise
    if record:
        _remember(url, path, found)
    return found


def fetch(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    otherwise: str,
    check: Callable[[Path], object] | None = None,
) -> Path:
    """Return a file of the web, which is downloaded if it is not here, and checked if it is.

    Arguments are those of :func:`download`. One process of several that want the file downloads it.
    """
    _check_digits(url, sha256)
    with alone(path):
        if path.is_file():
            found = hash_of(path)
            known = _compare(
                url, f"{path} has the SHA-256 {found}", found, sha256, path.parent / RECORD
            )
            if not known:
                if check is not None:
                    check(path)
                _remember(url, path, found)
        else:
            download(url, path, sha256=sha256, otherwise=otherwise, check=check)
    return path


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(sha256: str) -> str:
    """Return a hash that a user gave, in small letters.

    Examples
    --------
    >>> check_sha256("AB" * 32)[:4]
    'abab'
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise SynthesightError(
            f"`sha256={sha256!r}` is no hash: give all of its 64 hexadecimal digits."
        )
    return sha256.lower()


def _check_digits(url: str, sha256: str | None) -> None:
    if sha256 is not None and not _DIGITS.fullmatch(sha256.lower()):
        raise SynthesightError(
            f"{sha256!r} is no SHA-256 of {url}: give its 64 hexadecimal digits, or the first 8."
        )


def _compare(url: str, says: str, found: str, sha256: str | None, record: Path) -> bool:
    """Compare a hash with the published one and that of the first use; say whether it was known."""
    if sha256 is not None and not found.startswith(sha256.lower()):
        raise SynthesightError(
            f"{says}, not {sha256}, and is not used: delete what is here and fetch it anew, or ask "
            "its publisher."
        )
    first = _read_record(record).get(url)
    if first not in (None, found) and (sha256 is None or len(sha256) < len(found)):
        raise SynthesightError(
            f"{says}, not {first} as at its first use, and is not used: delete what is here and "
            f"fetch it anew, or, if its publisher changed it, delete its line in {record}."
        )
    return first == found


def _remember(url: str, path: Path, found: str) -> None:
    record = path.parent / RECORD
    with alone(record):
        write(record, json.dumps(_read_record(record) | {url: found}, indent=2) + "\n")


def _read_record(record: Path) -> dict[str, str]:
    if not record.exists():
        return {}
    advice = "delete it, and hashes are written down anew"
    known = read_json(record, advice=advice)
    if not all(re.fullmatch(r"[0-9a-f]{64}", str(each)) for each in known.values()):
        raise SynthesightError(f"{record} holds what is no SHA-256: {advice}.")
    return known


def _forget(partial: Path) -> None:
    for path in (partial, _note(partial)):
        path.unlink(missing_ok=True)


def _note(partial: Path) -> Path:
    """Where the version of the file is written down of which a part has arrived."""
    return partial.with_name(partial.name + ".etag")


@contextmanager
def _answer(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Ask a server, and whom it sends us to, but never without encryption."""
    import requests

    with requests.Session() as session:
        for _ in range(REDIRECTS + 1):
            address = urlsplit(url)
            if address.scheme != "https" and not (
                address.scheme == "http" and address.hostname in HERE
            ):
                raise SynthesightError(
                    f"{url} is not encrypted, so anybody could change it: give an address that "
                    "begins with https://."
                )
            try:
                answer = session.get(
                    url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False
                )
            except requests.RequestException:
                raise
            except ValueError:  # such as half an IPv6 address
                raise requests.exceptions.InvalidHeader("it sent us to no address") from None
            with answer:
                if not answer.is_redirect:
                    yield answer
                    return
                url = urljoin(url, answer.headers["Location"])
    raise requests.TooManyRedirects(f"more than {REDIRECTS} redirects")


def _receive(url: str, partial: Path, most: int, *, show: bool) -> None:
    """Download to a file, and go on where an earlier attempt stopped."""
    import requests
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    done = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
        if _note(partial).exists():  # the rest of another version would not fit
            headers["If-Range"] = _note(partial).read_text("ascii")
    with _answer(url, headers) as answer:
        if answer.status_code == 416:  # nothing is left to send
            return
        answer.raise_for_status()
        if answer.status_code not in (200, 206):
            raise requests.HTTPError(response=answer)
        # The length is checked below: an error from within would lose the bytes before it.
        answer.raw.enforce_content_length = False
        resumed = answer.status_code == 206
        begins = answer.headers.get("Content-Range", "")
        if resumed and not begins.startswith(f"bytes {done}-"):
            _forget(partial)
            raise requests.exceptions.InvalidHeader("it sent another part than it was asked for")
        length = answer.headers.get("Content-Length")
        if length is not None and not re.fullmatch(r"[0-9]{1,18}", length):
            raise requests.exceptions.InvalidHeader(f"it gave the length {length[:20]!r}")
        total = int(length) + (done if resumed else 0) if length else None
        if total is not None and total > most:
            raise _TooLarge
        tag = answer.headers.get("ETag", "")
        if re.fullmatch(r'"[!-~]{1,200}"', tag):  # a strong one, which tells versions apart
            _note(partial).write_text(tag, "ascii")
        else:
            _note(partial).unlink(missing_ok=True)
        columns: tuple[Any, ...] = (
            TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
            TransferSpeedColumn(),
        )  # fmt: skip
        with (
            partial.open("ab" if resumed else "wb") as file,
            # Standard output may be read by a program.
            Progress(
                *columns, console=Console(stderr=True), transient=True, disable=not show
            ) as progress,
        ):
            label = urlsplit(url).path.rsplit("/", 1)[-1]
            task = progress.add_task(label, total=total, completed=file.tell())
            for chunk in answer.iter_content(CHUNK):
                if file.tell() + len(chunk) > most:
                    raise _TooLarge
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
    if isinstance(error, requests.exceptions.InvalidHeader | requests.TooManyRedirects):
        return f"the server's answer makes no sense: {error}"
    return "the connection failed or ended early"

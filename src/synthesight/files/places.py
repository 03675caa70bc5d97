"""Name places on this machine and in object stores alike: ``runs/a`` and ``s3://bucket/runs/a``."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, cast

from synthesight.errors import SynthesightError, first_line

# A path of Python has lost a slash: Path("s3://bucket/run") is s3:/bucket/run.
# But hf:/folder:split is a dataset of Hugging Face's on this machine.
_URL = re.compile(r"(?P<scheme>(?!hf:/[^/])[a-z][a-z0-9+.]+):/{1,2}(?P<rest>[^/].*)", re.DOTALL)
LOCAL = ("file", "local", "http", "https")
# What to install for which scheme, beside universal-pathlib.
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs"}


def is_remote(place: str | Path) -> bool:
    """Return whether a place is in an object store.

    Examples
    --------
    >>> is_remote("s3://bucket/run"), is_remote(Path("s3://bucket/run")), is_remote("runs/a")
    (True, True, False)
    """
    found = _URL.fullmatch(str(place))
    return found is not None and found["scheme"] not in LOCAL


def as_path(place: str | Path) -> Path:
    """Return a place as a path, which for an object store has the methods of one."""
    found = _URL.fullmatch(str(place))
    if found is None or found["scheme"] in LOCAL:
        return Path(place)
    return _opened(f"{found['scheme']}://{found['rest']}")


@cache
def _opened(url: str) -> Path:
    scheme = url.partition(":")[0]
    try:
        from upath import UPath

        # Other machines write there too: nothing that was listed before is believed.
        path = cast(Any, UPath(url, use_listings_cache=False))
        if not path.exists():
            _check_bucket(path)
    except ImportError:
        needed = f"universal-pathlib {PACKAGES.get(scheme, '')}".rstrip()
        raise SynthesightError(f"{url} needs other packages: pip install {needed}.") from None
    except ValueError as error:
        raise SynthesightError(
            f"{url} is no address of an object store ({first_line(error)}): write it as "
            "s3://bucket/folder."
        ) from None
    except Exception as error:  # whatever the network, the store or its keys refuse
        raise SynthesightError(
            f"{url} cannot be reached ({first_line(error)}): check the address and your "
            "credentials."
        ) from None
    return cast(Path, path)


def _check_bucket(path: Any) -> None:
    """Raise the store's error where not the folder is missing, but what it would be in."""
    try:
        path.fs.ls(path.path)
    except FileNotFoundError as error:
        if path.path.strip("/") not in str(error):
            raise


def scannable(path: Path) -> Any:
    """Return what polars reads a file from: its path, or the bytes of an object."""
    return path.read_bytes() if is_remote(path) else path


def put(path: Any, content: bytes, *, replace: bool) -> None:
    """Write an object, whole or not at all; FileExistsError if there is one not to be replaced.

    Where the store knows no such condition, of two processes that write at one moment both may
    succeed.
    """
    if replace:
        path.fs.pipe_file(path.path, content)
    elif path.exists():
        raise FileExistsError(str(path))
    else:
        path.fs.pipe_file(path.path, content, mode="create")

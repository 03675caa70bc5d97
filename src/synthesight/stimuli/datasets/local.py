"""Find and download the archives of named datasets."""

from __future__ import annotations

import os
from pathlib import Path

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets import dataset


def data_root(data: str | Path | None = None) -> Path | None:
    """Return the folder of the datasets: ``data``, else SYNTHESIGHT_DATA, else None."""
    named = data or os.environ.get("SYNTHESIGHT_DATA")
    return Path(named).expanduser() if named else None


def download_root(data: str | Path | None = None) -> Path:
    """Return where downloads go: the folder of the datasets, else the user's cache."""
    return data_root(data) or files.cache_folder()


def local_folder(name: str, data: str | Path | None = None) -> Path | None:
    """Return where a dataset is, if it is here: ``stimuli/<name>`` or ``<name>`` of the root."""
    root = download_root(data)
    places = (root / "stimuli" / name, root / name)
    return next((place for place in places if place.is_dir()), None)


def dataset_folder(name: str, data: str | Path | None = None, *, sha256: str | None = None) -> Path:
    """Return where a dataset is; download it first, by one process of several, if need be.

    Parameters
    ----------
    name
        Name of the dataset.
    data
        Folder of the datasets; None for SYNTHESIGHT_DATA, else the user's cache.
    sha256
        Hash that the archive must have where it is downloaded, in 64 hexadecimal digits.

    Raises
    ------
    SynthesightError
        If it has to be downloaded and cannot be.
    """
    if sha256 is not None:
        sha256 = files.check_sha256(sha256)
    if here := local_folder(name, data):
        return here
    root = download_root(data)
    root.mkdir(parents=True, exist_ok=True)
    with files.alone(root / name):
        return local_folder(name, data) or fetch(name, root, sha256=sha256)


def fetch(name: str, root: Path, *, sha256: str | None = None) -> Path:
    """Download a dataset's archive, unpack it to ``root/<name>``, and return that folder.

    The hash of the first download is written down in ``sha256.json`` beside the datasets, and any
    later one must equal it; ``sha256`` goes before any other.
    """
    one = dataset(name)
    if one.url is None:
        raise SynthesightError(
            f"The dataset {name!r} has no archive to download: put its folder into {root}."
        )
    root.mkdir(parents=True, exist_ok=True)
    archive = root / f".{name}.tar.gz"
    try:
        files.download(
            one.url,
            archive,
            sha256=one.sha256 if sha256 is None else files.check_sha256(sha256),
            otherwise=f"set SYNTHESIGHT_DATA to a folder that has {name}/",
            check=lambda path: files.unpack(path, root / name),
        )
    finally:
        archive.unlink(missing_ok=True)
    return root / name

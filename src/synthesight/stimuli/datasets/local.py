"""Where the named datasets are kept."""

from __future__ import annotations

import os
from pathlib import Path


def data_root(data: Path | None = None) -> Path | None:
    """Return the folder of the datasets: ``data``, else SYNTHESIGHT_DATA, else None."""
    if data is None and (named := os.environ.get("SYNTHESIGHT_DATA")):
        data = Path(named)
    return None if data is None else data.expanduser()


def download_root(data: Path | None = None) -> Path:
    """Return where downloads go: the folder of the datasets, else the user's cache."""
    import pooch

    return data_root(data) or Path(pooch.os_cache("synthesight"))


def local_folder(name: str, data: Path | None = None) -> Path | None:
    """Return where a dataset is, if it is here: ``stimuli/<name>`` or ``<name>`` of the root."""
    root = download_root(data)
    places = (root / "stimuli" / name, root / name)
    return next((place for place in places if place.is_dir()), None)


def dataset_folder(name: str, data: Path | None = None, *, sha256: str | None = None) -> Path:
    """Return where a dataset is; download it first, by one process of several, if need be.

    Parameters
    ----------
    sha256
        Expected hash of the archive, in hexadecimal, where it is downloaded.

    Raises
    ------
    SynthesightError
        If it has to be downloaded and cannot be.
    """
    if here := local_folder(name, data):
        return here
    from synthesight.stimuli.download import alone, fetch

    root = download_root(data)
    root.mkdir(parents=True, exist_ok=True)
    with alone(root / name):
        return local_folder(name, data) or fetch(name, root, sha256=sha256)

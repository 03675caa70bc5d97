"""The 17 published datasets by name, and where they are kept."""

from __future__ import annotations

import os
from pathlib import Path

# Twelve parametric ones, then five of one condition, each with its conditions in published order
# (Geirhos et al. 2021).
PUBLISHED: dict[str, tuple[str, ...]] = {
    "colour": ("cr", "bw"),
    "contrast": ("c100", "c50", "c30", "c15", "c10", "c05", "c03", "c01"),
    "high-pass": ("inf", "3.0", "1.5", "1.0", "0.7", "0.55", "0.45", "0.4"),
    "low-pass": ("0", "1", "3", "5", "7", "10", "15", "40"),
    "phase-scrambling": ("0", "30", "60", "90", "120", "150", "180"),
    "power-equalisation": ("0", "pow"),
    "false-colour": ("True", "False"),
    "rotation": ("0", "90", "180", "270"),
    "eidolonI": tuple(f"{2**reach}-10-10" for reach in range(8)),
    "eidolonII": tuple(f"{2**reach}-3-10" for reach in range(8)),
    "eidolonIII": tuple(f"{2**reach}-0-10" for reach in range(8)),
    "uniform-noise": ("0.0", "0.03", "0.05", "0.1", "0.2", "0.35", "0.6", "0.9"),
    "sketch": ("0",),
    "stylized": ("0",),
    "edge": ("0",),
    "silhouette": ("0",),
    "cue-conflict": ("0",),
}
DATASETS = tuple(PUBLISHED)


def data_root(data: Path | None = None) -> Path | None:
    """The folder of the datasets: ``data``, else SYNTHESIGHT_DATA, else None."""
    if data is None and (named := os.environ.get("SYNTHESIGHT_DATA")):
        data = Path(named)
    return None if data is None else data.expanduser()


def download_root(data: Path | None = None) -> Path:
    """Where downloads go: the folder of the datasets, else the user's cache."""
    import pooch

    return data_root(data) or Path(pooch.os_cache("synthesight"))


def local_folder(name: str, data: Path | None = None) -> Path | None:
    """Where a dataset is, if it is here: in ``stimuli/<name>`` or ``<name>`` of the root."""
    root = download_root(data)
    places = (root / "stimuli" / name, root / name)
    return next((place for place in places if place.is_dir()), None)


def dataset_folder(name: str, data: Path | None = None, *, sha256: str | None = None) -> Path:
    """Where a dataset is; downloaded where it is not here yet, by one process of several.

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

"""The 17 published datasets by name, and where they are kept."""

from __future__ import annotations

import os
from pathlib import Path

from synthesight.errors import SynthesightError

# Geirhos et al. (2021): twelve parametric ones, then five of one condition.
DATASETS = (
    "colour", "contrast", "high-pass", "low-pass", "phase-scrambling", "power-equalisation",
    "false-colour", "rotation", "eidolonI", "eidolonII", "eidolonIII", "uniform-noise",
    "sketch", "stylized", "edge", "silhouette", "cue-conflict",
)  # fmt: skip


def data_root(data: Path | None = None) -> Path | None:
    """The folder of the datasets: ``data``, else SYNTHESIGHT_DATA, else None."""
    if data is None and (named := os.environ.get("SYNTHESIGHT_DATA")):
        data = Path(named)
    return None if data is None else data.expanduser()


def dataset_folder(name: str, data: Path | None = None) -> Path:
    """Where a dataset is: ``stimuli/<name>`` or ``<name>`` below the folder of the datasets.

    Raises
    ------
    SynthesightError
        If that folder is not known, or has no such dataset.
    """
    root = data_root(data)
    if root is None:
        raise SynthesightError(
            f"The dataset {name} was not found: set SYNTHESIGHT_DATA to the folder of the "
            "datasets, or name the dataset's own folder."
        )
    for place in (root / "stimuli" / name, root / name):
        if place.is_dir():
            return place
    raise SynthesightError(f"The folder {root} has no dataset {name}: put it there as {name}/.")

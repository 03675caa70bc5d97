"""The 17 published datasets by name, and where they are kept."""

from __future__ import annotations

import os
from pathlib import Path

from synthesight.errors import SynthesightError

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

"""People: the published trials of the 90 observers, and of the networks tested beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.trials.exchange import read_csv


def load_human_trials(data: Path, datasets: Sequence[str] | None = None) -> pl.DataFrame:
    """Published responses of people (Geirhos et al. 2018, 2019, 2021).

    People are numbered anew in each dataset: ``subject-01`` of one and ``subject-01`` of another
    may be two persons, so group by dataset too.

    Parameters
    ----------
    data
        Folder that holds ``human-trials/<dataset>/*.csv``.
    datasets
        Names; None for all that are there.

    Returns
    -------
    The trial table.

    Raises
    ------
    SynthesightError
        If there is no such folder or dataset, or a file is not as published.
    """
    return _load(Path(data) / "human-trials", datasets, "human")


def load_model_trials(data: Path, datasets: Sequence[str] | None = None) -> pl.DataFrame:
    """Published responses of AlexNet, GoogLeNet, VGG-16 and ResNet-50 (Geirhos et al. 2019).

    Parameters
    ----------
    data
        Folder that holds ``model-trials/<dataset>/*.csv``.
    datasets
        Names; None for all that are there.

    Returns
    -------
    The trial table.

    Raises
    ------
    SynthesightError
        If there is no such folder or dataset, or a file is not as published.
    """
    return _load(Path(data) / "model-trials", datasets, "discriminative")


def _load(folder: Path, datasets: Sequence[str] | None, kind: str) -> pl.DataFrame:
    if not folder.is_dir():
        raise SynthesightError(f"There is no folder {folder}: set SYNTHESIGHT_DATA to its parent.")
    there = sorted(place.name for place in folder.iterdir() if place.is_dir())
    if unknown := sorted(set(datasets or ()) - set(there)):
        raise SynthesightError(
            f"{folder} has no dataset {unknown[0]!r}: choose among {', '.join(there)}."
        )
    if datasets is None:
        return read_csv(folder, kind=kind)
    return pl.concat([read_csv(folder / name, name, kind=kind) for name in datasets])

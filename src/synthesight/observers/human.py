"""People: the published trials of the 90 observers, and of the networks tested beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.trials.exchange import read_csv


def load_human_trials(data: Path, datasets: Sequence[str] | None = None) -> pl.DataFrame:
    """Published responses of people (Geirhos et al. 2018, 2019, 2021).

    Parameters
    ----------
    data
        Folder that holds ``human-trials/<dataset>/*.csv``.
    datasets
        Names; None for all that are there.

    Returns
    -------
    The trial table.
    """
    return _load(data / "human-trials", datasets, "human")


def load_model_trials(data: Path, datasets: Sequence[str] | None = None) -> pl.DataFrame:
    """Published responses of AlexNet, GoogLeNet, VGG-16 and ResNet-50 (Geirhos et al. 2019)."""
    return _load(data / "model-trials", datasets, "discriminative")


def _load(folder: Path, datasets: Sequence[str] | None, kind: str) -> pl.DataFrame:
    if not folder.is_dir():
        raise SynthesightError(f"There is no folder {folder}: set SYNTHESIGHT_DATA to its parent.")
    names = datasets or sorted(place.name for place in folder.iterdir() if place.is_dir())
    return pl.concat([read_csv(folder / name, name, kind=kind) for name in names])

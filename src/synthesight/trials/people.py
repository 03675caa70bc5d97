"""People: the published trials of the 90 observers, and of the networks tested beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets.local import download_root
from synthesight.trials.exchange import read_csv
from synthesight.trials.obtain import HUMAN

MODEL = "model-trials"  # folder of the data folder


def load_human_trials(
    data: str | Path | None = None, datasets: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return the published responses of people (Geirhos et al. 2018, 2019, 2021).

    People are numbered anew in each dataset: ``subject-01`` of one and ``subject-01`` of another
    may be two persons, so group by dataset too.

    Parameters
    ----------
    data
        Folder that holds ``human-trials/<dataset>/*.csv``; None for SYNTHESIGHT_DATA, else
        the user's cache. :func:`get_people` downloads them.
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
    return _load(data, HUMAN, datasets, "human")


def load_model_trials(
    data: str | Path | None = None, datasets: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return the published responses of AlexNet, GoogLeNet, VGG-16 and ResNet-50.

    They are those of Geirhos et al. (2019), in ``model-trials/<dataset>/*.csv``. Parameters and
    errors are those of :func:`load_human_trials`.
    """
    return _load(data, MODEL, datasets, "discriminative")


def _load(
    data: str | Path | None, name: str, datasets: Sequence[str] | None, kind: str
) -> pl.DataFrame:
    folder = download_root(data) / name
    if not folder.is_dir():
        get = "run `synthesight data get people`, or " if name == HUMAN else ""
        raise SynthesightError(
            f"There is no folder {folder}: {get}set SYNTHESIGHT_DATA to the folder that has {name}."
        )
    known = sorted(place.name for place in folder.iterdir() if place.is_dir())
    if unknown := sorted(set(datasets or ()) - set(known)):
        raise SynthesightError(
            f"{folder} has no dataset {unknown[0]!r}: choose among {', '.join(known)}."
        )
    if datasets is None:
        return read_csv(folder, kind=kind)
    return pl.concat(
        [read_csv(folder / each, each, kind=kind) for each in datasets], how="diagonal_relaxed"
    )

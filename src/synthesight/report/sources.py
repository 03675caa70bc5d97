"""The trials that a report is about: those of runs, and of human observers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets.local import data_root
from synthesight.trials.people import load_human_trials, load_model_trials
from synthesight.trials.reading import read_trials
from synthesight.trials.schema import KEY


def gather(runs: Sequence[Path], data: Path | None = None) -> pl.DataFrame:
    """Return the trials of runs, and the published ones of people and networks where they are.

    Parameters
    ----------
    runs
        Folders that ``synthesight evaluate`` wrote, or of published CSV trials.
    data
        Folder with ``human-trials`` and ``model-trials``; None for SYNTHESIGHT_DATA. With runs,
        only trials of their datasets are added; without, all.

    Raises
    ------
    SynthesightError
        If there are neither runs nor published trials, or one cannot be read.
    """
    tables = _named_apart([read_trials(run) for run in runs], runs)
    published: list[pl.DataFrame] = []
    root = data_root(data)
    if root is not None and not root.is_dir():
        raise SynthesightError(
            f"There is no folder {root}: give `data`, or set SYNTHESIGHT_DATA, to the folder that "
            "has human-trials."
        )
    if root is not None:
        of_runs = {name for table in tables for name in table["dataset"].unique()}
        for folder, load in (
            ("human-trials", load_human_trials),
            ("model-trials", load_model_trials),
        ):
            if not (root / folder).is_dir():
                continue
            names = sorted(each.name for each in (root / folder).iterdir() if each.is_dir())
            if chosen := [name for name in names if not runs or name in of_runs]:
                published.append(load(root, chosen))
    if published:
        tables.append(_beside(pl.concat(published, how="diagonal_relaxed"), tables))
    if not tables:
        raise SynthesightError(
            "There is nothing to report: name a run, or set SYNTHESIGHT_DATA to the folder that "
            "has human-trials."
        )
    return pl.concat(tables, how="diagonal_relaxed")


def _beside(published: pl.DataFrame, runs: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the published trials to add: none twice, and nobody by the name of another.

    A run may hold published trials; and a user's own resnet50 is not the published one.
    """
    if not runs:
        return published
    own = pl.concat(runs, how="diagonal_relaxed")
    trial = [*KEY, "trial", "response"]
    published = published.join(own, on=trial, how="anti", nulls_equal=True, maintain_order="left")
    image = ["observer", "dataset", "condition", "image"]
    taken = published.join(own, on=image, how="semi", nulls_equal=True)["observer"].unique()
    called = pl.col("observer")
    return published.with_columns(
        observer=pl.when(called.is_in(taken.implode()))
        .then(pl.format("{} (published)", called))
        .otherwise(called)
    )


def _named_apart(tables: list[pl.DataFrame], runs: Sequence[Path]) -> list[pl.DataFrame]:
    """Add the run to the names of observers that several runs share: settings may differ."""
    places = [run.resolve() for run in runs]
    if again := next(
        (run for run, place in zip(runs, places, strict=True) if places.count(place) > 1), None
    ):
        raise SynthesightError(f"{again} is named twice: name each run once.")
    short = [place.name for place in places]
    calls = short if len(set(short)) == len(short) else [str(run) for run in runs]
    names = [name for table in tables for name in table["observer"].unique()]
    shared = [name for name in set(names) if names.count(name) > 1]
    called = pl.col("observer")
    return [
        table.with_columns(
            pl.when((pl.col("kind") != "human").fill_null(True) & called.is_in(shared))
            .then(pl.format("{} ({})", called, pl.lit(call)))
            .otherwise(called)
            .alias("observer")
        )
        for table, call in zip(tables, calls, strict=True)
    ]

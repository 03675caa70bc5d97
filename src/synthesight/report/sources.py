"""The trials that a report is about: those of runs, and of human observers beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from synthesight.analysis import IS_HUMAN, PARTICIPANT
from synthesight.errors import SynthesightError
from synthesight.report.looks import listed
from synthesight.stimuli.datasets.local import data_root, download_root
from synthesight.trials.obtain import HUMAN, get_people, published_people
from synthesight.trials.people import MODEL, load_human_trials, load_model_trials
from synthesight.trials.reading import read_trials
from synthesight.trials.schema import KEY

RUN = "_run"  # column of what trials were read from; null for published ones that were added


def gather(
    runs: Sequence[Path],
    data: Path | None = None,
    *,
    fetch: bool = False,
    note: Callable[[str], None] = lambda text: None,
    called: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the trials of runs, and the published ones of people and networks beside them.

    People in the runs who saw what published people saw are compared with these one by one: their
    kind is ``participant``.

    Parameters
    ----------
    runs
        Folders that ``synthesight evaluate`` wrote, or of published CSV trials.
    data
        Data folder, with ``human-trials`` and ``model-trials``; None for SYNTHESIGHT_DATA, else the
        user's cache. With runs, only trials of their datasets are added; without, all.
    fetch
        Whether to download people who are not here, unless HF_HUB_OFFLINE is set.
    note
        Called with a sentence where people are missing.
    called
        What the observer of each run is called; without any, those that share a name are told
        apart by their runs.

    Returns
    -------
    The trial table, with the column :data:`RUN`: which of ``runs`` a trial is of.

    Raises
    ------
    SynthesightError
        If there are neither runs nor published trials, or one cannot be read.
    """
    tables = [
        _by_source(read_trials(run), run, note).with_columns(pl.lit(str(run)).alias(RUN))
        for run in runs
    ]
    if called:
        tables = [
            table.with_columns(observer=pl.lit(name))
            for table, name in zip(tables, called, strict=True)
        ]
    else:
        tables = _named_apart(tables, runs)
    root = download_root(data)
    if data_root(data) is not None and not root.is_dir():
        raise SynthesightError(
            f"There is no folder {root}: give `data`, or set SYNTHESIGHT_DATA, to the folder that "
            "has human-trials."
        )
    of_runs = {name for table in tables for name in table["dataset"].unique()}
    if fetch:
        _fetch(root, [name for name in published_people() if not runs or name in of_runs], note)
    published: list[pl.DataFrame] = []
    for folder, load in ((HUMAN, load_human_trials), (MODEL, load_model_trials)):
        places = (root / folder).iterdir() if (root / folder).is_dir() else ()
        names = sorted(place.name for place in places if place.is_dir())
        if chosen := [name for name in names if not runs or name in of_runs]:
            published.append(load(root, chosen))
    if published:
        tables = _beside(pl.concat(published, how="diagonal_relaxed"), tables)
    if not tables:
        raise SynthesightError(
            "There is nothing to report: name a run, or get people by `synthesight data get "
            "people`."
        )
    return pl.concat(tables, how="diagonal_relaxed")


def _fetch(root: Path, datasets: Sequence[str], note: Callable[[str], None]) -> None:
    """Download people who saw these datasets; say who is missing where that is not possible."""
    if not (missing := [name for name in datasets if not (root / HUMAN / name).is_dir()]):
        return
    try:
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
            raise SynthesightError(
                "HF_HUB_OFFLINE is set, so nothing is downloaded: run `synthesight data get "
                "people`, or unset it."
            )
        get_people(root, missing)
    except SynthesightError as error:
        note(f"The published people who saw {listed(missing)} are not in this report. {error}")


def _beside(published: pl.DataFrame, runs: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Return all trials: none twice, and nobody by the name of another.

    A run may hold published trials; and a user's own resnet50 is not the published one.
    """
    if not runs:
        return [published]
    own = pl.concat(runs, how="diagonal_relaxed")
    trial = [*KEY, "trial", "response"]
    own = _participants(own, published, trial)
    published = published.join(own, on=trial, how="anti", nulls_equal=True, maintain_order="left")
    image = ["observer", "dataset", "condition", "image"]
    taken = published.join(own, on=image, how="semi", nulls_equal=True)["observer"].unique()
    called = pl.col("observer")
    return [
        own,
        published.with_columns(
            observer=pl.when(called.is_in(taken.implode()))
            .then(pl.format("{} (published)", called))
            .otherwise(called)
        ),
    ]


def _participants(own: pl.DataFrame, published: pl.DataFrame, trial: Sequence[str]) -> pl.DataFrame:
    """Mark the people of runs who are compared with published ones, and are none of these."""
    people = published.filter(IS_HUMAN)
    person = ["observer", "dataset"]
    same = own.join(people, on=trial, how="semi", nulls_equal=True).select(person).unique()
    others = (
        own.filter(IS_HUMAN, pl.col("dataset").is_in(people["dataset"].unique().implode()))
        .select(person)
        .unique()
        .join(same, on=person, how="anti")
        .with_columns(_kind=pl.lit(PARTICIPANT))
    )
    marked = own.join(others, on=person, how="left", maintain_order="left")
    return marked.with_columns(kind=pl.coalesce("_kind", "kind")).drop("_kind")


def _by_source(trials: pl.DataFrame, run: Path, note: Callable[[str], None]) -> pl.DataFrame:
    """Add the source to the names of models that several sources of one table share."""
    if "source" not in trials.columns:
        return trials
    called, source = pl.col("observer"), pl.col("source").cast(pl.String)
    sources = trials.select(source.drop_nulls().unique())["source"]
    short = sources.str.split("/").list.first()  # of owner/name, as repositories are called
    calls = short if short.n_unique() == len(short) else sources
    models = trials.filter(~IS_HUMAN).group_by("observer").agg(source.n_unique())
    shared = models.filter(pl.col("source") > 1)["observer"].sort()
    if shared.is_empty():
        return trials
    note(f"In {run}, several sources have {listed(shared.to_list())}: each name tells its own.")
    return trials.with_columns(
        observer=pl.when(~IS_HUMAN & called.is_in(shared.implode()))
        .then(pl.format("{} ({})", called, source.replace_strict(sources, calls, default="?")))
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

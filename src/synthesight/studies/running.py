"""Run a study: what is finished is skipped, what fails is told, and all of it is compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from synthesight import files
from synthesight.analysis import POPULATION, Population, get_metric
from synthesight.backends import run_jobs
from synthesight.errors import SynthesightError
from synthesight.evaluation import run_evaluation, slurm_jobs
from synthesight.progress import duration
from synthesight.studies.plan import LOG, RUNS, Plan, Row, kind_of, plan_study
from synthesight.studies.study import Study
from synthesight.tracking import JsonLines, open_tracker
from synthesight.trials.record import RECORD
from synthesight.trials.store import Run

RESULTS = "results.csv"


@dataclass(frozen=True)
class Outcome:
    """What became of a study.

    Attributes
    ----------
    plan
        What is left of it now.
    results
        See :func:`results_of`.
    failures
        A sentence for each run that could not be made.
    """

    plan: Plan
    results: pl.DataFrame
    failures: list[str]


def run_study(
    study: Study,
    out: str | Path,
    *,
    shard: str = "1/1",
    population: Population = POPULATION,
    say: Callable[[str], None] = lambda text: None,
    progress: bool | None = None,
) -> Outcome:
    """Make the runs of a study that are not finished, and measure all that there are.

    Several processes may do so with one folder, by themselves or each with a ``shard``. Whatever
    ends it, trials are kept, and the same call goes on.

    Parameters
    ----------
    study
        The study.
    out
        Its folder: ``runs/`` holds a folder a run, named by what is in it and its hash, so that a
        changed definition is another run. ``results.csv`` has what :func:`results_of` returns.
    shard
        ``"i/n"``: the i-th of n parts of each run's stimuli.
    population
        As of :func:`results_of`.
    say
        Called with a sentence before each run.
    progress
        See :class:`~synthesight.progress.Progress`.

    Returns
    -------
    What became of it. A run that fails does not end the others.

    Raises
    ------
    SynthesightError
        As :func:`~synthesight.studies.plan_study` does, before anything is run.
    """
    out = Path(out)
    plan = plan_study(study, out, download=True)
    failures: list[str] = []
    with files.writing(out):
        files.make_folder(out / RUNS)
    with open_tracker(study.track, out, {"runs": len(plan.rows)}) as tracker:
        log = JsonLines(out / LOG)
        left = [row for row in plan.rows if not row.finished]
        on_slurm = [row for row in left if row.cell.options.backend == "slurm"]
        if on_slurm:
            say(f"{_counted(on_slurm)} as one job array of Slurm.")
            with _noted(on_slurm, log, timed=False):
                _on_slurm(on_slurm, out, failures, progress)
        for number, row in enumerate(left, start=1):
            if row not in on_slurm:
                say(f"[{number}/{len(left)}] {_about(row, left[number - 1 :])}")
                with _noted([row], log):
                    _run(row, shard, failures, progress)
            figures = results_of(replace(plan, rows=[row]), resamples=0)
            for result in figures.iter_rows(named=True):
                place = (result["observer"], result["dataset"])
                names = ("accuracy", "shape_bias", "passes")
                tracker.log(
                    {" ".join((*place, each)): result[each] for each in names
                     if result[each] is not None},
                    step=number,
                )  # fmt: skip
    done = plan_study(study, out)
    results = results_of(done, population=population)
    with files.writing(out), files.whole(out / RESULTS) as unfinished:
        results.write_csv(unfinished, float_precision=6)
    return Outcome(done, results, failures)


def results_of(
    plan: Plan, *, population: Population = POPULATION, resamples: int = 2000
) -> pl.DataFrame:
    """Return what the runs of a study have measured so far.

    Parameters
    ----------
    plan
        The study's plan.
    population
        Of which the intervals speak: see :func:`synthesight.analysis.accuracy`.
    resamples
        Resamples of the bootstrap behind the 95 % confidence intervals of images; 0 for none.

    Returns
    -------
    A row for each observer and dataset: observer, dataset, images, unreadable, accuracy and
    shape_bias with ``_low`` and ``_high``, population, passes (of an image), and run.
    """
    rows = []
    for row in plan.rows:
        if not (row.folder / RECORD).exists():
            continue
        every = trials_of(row)
        for (name,), trials in every.group_by("dataset", maintain_order=True):
            answered = trials.filter(pl.col("error").is_null())
            known = answered.filter(pl.col("category").is_not_null())
            found: dict[str, Any] = {
                "observer": row.cell.observer, "dataset": name, "images": len(trials),
                "unreadable": len(trials) - len(answered),
            }  # fmt: skip
            for metric, of in (
                ("accuracy", known),
                ("shape_bias", known.filter(pl.col("texture").is_not_null())),
            ):
                found |= _measured(metric, of, population, resamples)
            found["passes"] = answered["evaluations"].mean()
            rows.append(found | {"run": row.folder.name})
    numbers = [
        f"{name}{end}" for name in ("accuracy", "shape_bias") for end in ("", "_low", "_high")
    ]
    schema: dict[str, Any] = {"observer": pl.String, "dataset": pl.String, "images": pl.Int64}
    schema |= {"unreadable": pl.Int64} | dict.fromkeys(numbers, pl.Float64)
    schema["population"] = pl.String
    return pl.DataFrame(rows, schema=schema | {"passes": pl.Float64, "run": pl.String})


def trials_of(row: Row) -> pl.DataFrame:
    """Return the trials of a run, of an observer that is called as the study calls it."""
    return Run.open(row.folder).trials().with_columns(observer=pl.lit(row.cell.observer))


def _measured(
    metric: str, trials: pl.DataFrame, population: Population, resamples: int
) -> dict[str, Any]:
    columns = {metric: "estimate", f"{metric}_low": "low", f"{metric}_high": "high"}
    if trials.is_empty():
        return dict.fromkeys(columns)
    columns["population"] = "population"
    how: dict[str, Any] = {"by": ["observer"], "population": population, "resamples": resamples}
    row = get_metric(metric).function(trials, **how).row(0, named=True)
    return {name: row.get(column) for name, column in columns.items()}


def _run(row: Row, shard: str, failures: list[str], progress: bool | None) -> None:
    options = replace(row.cell.options, shard=shard)
    try:
        run_evaluation(row.cell.model, list(row.cell.stimuli), row.folder, options,
                       progress=progress)  # fmt: skip
    except SynthesightError as error:
        failures.append(f"{row.cell.observer} on {row.cell.shows}: {error}")


def _on_slurm(rows: list[Row], out: Path, failures: list[str], progress: bool | None) -> None:
    works = [
        work
        for row in rows
        for work in slurm_jobs(
            row.cell.model, list(row.cell.stimuli), row.folder, row.cell.options
        )
    ]  # fmt: skip
    try:
        run_jobs(works, out / "slurm", rows[0].cell.options.slurm, progress=progress)
    except SynthesightError as error:
        failures.append(str(error))


@contextmanager
def _noted(rows: list[Row], log: JsonLines, *, timed: bool = True) -> Iterator[None]:
    """Write down what a sitting took, whatever ends it."""
    before, since = [_made(row) for row in rows], time.monotonic()
    try:
        yield
    finally:
        seconds = round(time.monotonic() - since, 2) if timed else None
        for row, then in zip(rows, before, strict=True):
            images, passes = (now - was for now, was in zip(_made(row), then, strict=True))
            if images:
                log.log({
                    "run": row.folder.name, "model": row.cell.model,
                    "kind": kind_of(row.cell, row.units), "images": images, "passes": passes,
                    "seconds": seconds, "device": Run.open(row.folder).manifest.get("device"),
                })  # fmt: skip


def _made(row: Row) -> tuple[int, float]:
    """Return how many images have an answer, and the passes that these took."""
    if not (row.folder / RECORD).exists():
        return 0, 0.0
    taken = Run.open(row.folder).trials().filter(pl.col("error").is_null())["evaluations"]
    return len(taken), float(taken.sum() or 0.0)


def _about(row: Row, left: list[Row]) -> str:
    known = [each.seconds for each in left if each.seconds is not None]
    time_left = f"; {duration(sum(known))} for all" if len(known) == len(left) else ""
    own = "" if row.seconds is None else f", about {duration(row.seconds)}{time_left}"
    return f"{row.cell.observer} on {row.cell.shows}: {row.images - row.done} images{own}"


def _counted(rows: list[Row]) -> str:
    return f"{len(rows)} run{'' if len(rows) == 1 else 's'}"

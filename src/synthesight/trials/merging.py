"""Merge runs that were made alike, such as the shards of several machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.trials.computing import computed, record_computed
from synthesight.trials.draws import Draws
from synthesight.trials.planned import add, planned
from synthesight.trials.record import first_difference
from synthesight.trials.schema import KEY
from synthesight.trials.store import Run, once, trial_parts

PART_BYTES = 2**25  # of memory; a part on the disk takes less


def merge(runs: Sequence[str | Path], out: str | Path) -> tuple[Run, list[str]]:
    """Make one run of several that were made alike; these stay as they are.

    A stimulus that several runs have shown has one trial: that of the run named first, unless only
    a later one could read its image. Called again with the same ``out``, it goes on.

    Parameters
    ----------
    runs
        Folders of the runs.
    out
        Folder of the merged run.

    Returns
    -------
    The merged run, and a sentence about each run whose responses differ from those of earlier ones.

    Raises
    ------
    SynthesightError
        If the runs were made otherwise, or have shown different images by the same names.
    """
    opened = [Run.open(run) for run in runs]
    places = [run.folder.resolve() for run in opened]
    if files.as_path(out).resolve() in places:
        raise SynthesightError(f"{out} is one of the runs: choose another `out`.")
    if len(set(places)) < len(places):
        again = next(
            run for run, place in zip(runs, places, strict=True) if places.count(place) > 1
        )
        raise SynthesightError(f"{again} is named twice: name each run once.")
    first = opened[0]
    for run in opened[1:]:
        if different := first_difference(run.manifest, first.manifest):
            raise SynthesightError(
                f"{run.folder} holds a run {different}, as {first.folder} does: merge runs that "
                "were made alike."
            )
    remarks = _conflicts(opened)
    target = Run.create_or_resume(out, first.manifest)
    with files.writing(target.folder):
        stimuli = pl.concat([_stimuli(run) for run in opened]).unique(
            "stimulus", keep="first", maintain_order=True
        )
        known = planned(target.folder)
        add(target.folder, stimuli.join(known, on="stimulus", how="anti", maintain_order="left"))
    for run in opened:
        for computing in computed(run.folder):
            record_computed(target.folder, computing)
        if run.keeps_draws:
            _merge_draws(run, target)
        for table in _new(run, _answers(target)):
            target.append(table)
    return target, remarks


def _merge_draws(run: Run, target: Run) -> None:
    """Take over the draws of images of which none are there yet, a part at a time."""
    parts, schedule = Draws(run.folder).parts, run.schedule()
    for path in parts.paths():
        parts.check(path)
        table = pl.scan_parquet(files.scannable(path), glob=False)
        known = Draws(target.folder).stimuli()
        target.keep(table.filter(~pl.col("stimulus").is_in(known)).collect(), schedule)


def _answers(run: Run) -> pl.DataFrame:
    """Return of each trial what tells whether another one is the same."""
    light = [*KEY, "response", "digest", "error"]
    return trial_parts(run.folder).read(lambda trials: once(trials.select(light)).collect())


def _conflicts(runs: Sequence[Run]) -> list[str]:
    """Return what to say about responses that differ; refuse images that do."""
    before, remarks = _answers(runs[0]), []
    for run in runs[1:]:
        answers = _answers(run)
        both = answers.join(before, on=KEY, how="inner", nulls_equal=True, suffix="_before").filter(
            pl.col("error").is_null(), pl.col("error_before").is_null()
        )
        if len(other := both.filter(pl.col("digest") != pl.col("digest_before"))):
            raise SynthesightError(
                f"{run.folder} has shown another image as {other['stimulus'][0]} than the runs "
                f"before it, and {len(other) - 1} more: merge runs of the same images."
            )
        if len(other := both.filter(~pl.col("response").eq_missing(pl.col("response_before")))):
            example = other.row(0, named=True)
            remarks.append(
                f"{run.folder} has other responses to {len(other)} of {len(both)} stimuli, such as "
                f"{example['response']} and not {example['response_before']} to "
                f"{example['stimulus']}: those of the runs before it are kept."
            )
        before = pl.concat([before, answers]).lazy().pipe(once).collect()
    return remarks


def _stimuli(run: Run) -> pl.DataFrame:
    """Return the stimuli of a run; of one of format 1, those that have a trial."""
    if len(plan := run.stimuli()):
        return plan
    return run.trials().select(plan.columns)


def _new(run: Run, have: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the trials of a run that are not there yet, a part's worth at a time."""
    answered = have.filter(pl.col("error").is_null())
    trials = run.trials().join(answered, on=KEY, how="anti", nulls_equal=True)
    unread = pl.col("error").is_not_null()
    trials = pl.concat(
        [
            trials.filter(~unread),
            trials.filter(unread).join(have, on=KEY, how="anti", nulls_equal=True),
        ]
    ).sort(KEY)
    rows = max(1, PART_BYTES * len(trials) // max(1, int(trials.estimated_size())))
    yield from trials.iter_slices(rows)

"""Know which stimuli a run is to show: they may become more, and none may change its content."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.parts import Parts

FOLDER = "planned-stimuli"
SCHEMA: dict[str, pl.DataType] = {
    "stimulus": pl.String(),
    "dataset": pl.String(),
    "condition": pl.String(),
}


def plan_of(folder: Path) -> Parts:
    """Return the parts that list a run's stimuli; the run is their union."""
    return Parts(folder, SCHEMA, needed=("stimulus",), inside=FOLDER)


def planned(folder: Path) -> pl.DataFrame:
    """Return the stimuli that a run is to show, each once; none for a run of format 1."""
    return plan_of(folder).read(
        lambda table: table.unique("stimulus", maintain_order=True).collect()
    )


def grow(folder: Path, stimuli: Iterable[Stimulus], shown: pl.Series) -> None:
    """Add stimuli to those of a run; OSError if the list cannot be written.

    They are all that an evaluation is given: those of the run and more, or some of them. If some
    are not the run's, and some of the run's are not among them, it is another set of stimuli, and
    refused. ``shown`` are ids that have trials, which stand for the list in a run of format 1.
    """
    given = pl.DataFrame(
        [(each.id, each.dataset, each.condition) for each in stimuli], schema=SCHEMA, orient="row"
    )
    before = planned(folder)
    known = before if len(before) else pl.DataFrame({"stimulus": shown}, schema_overrides=SCHEMA)
    new = given.join(known, on="stimulus", how="anti", maintain_order="left")
    if len(new) and len(known):
        left = known.join(given, on="stimulus", how="anti", maintain_order="left")["stimulus"]
        if len(left):
            raise SynthesightError(
                f"{folder} holds a run of other stimuli: {len(left)} of its {len(known)} (such as "
                f"{left[0]}) are not among `stimuli`, and {len(new)} of these (such as "
                f"{new['stimulus'][0]}) are not in it. Give those of the run too, so that it "
                "grows, or another `out`."
            )
    add(folder, given if before.is_empty() else new)


def add(folder: Path, stimuli: pl.DataFrame) -> None:
    """Add rows to the list of a run's stimuli.

    Raises
    ------
    OSError
        If the list cannot be written.
    """
    if not stimuli.is_empty():
        plan = plan_of(folder)
        files.make_folder(plan.folder)
        plan.append(stimuli)


def replaced(
    stimuli: Iterable[Stimulus], digests: Mapping[str, str], seconds: float | None = None
) -> Iterator[str]:
    """Yield the ids of stimuli that show another image than that of an earlier trial.

    ``digests`` has what the trial of each stimulus keeps. After so many ``seconds`` it stops, with
    images taken at random; None looks at all.
    """
    again = [stimulus for stimulus in stimuli if stimulus.id in digests]
    random.shuffle(again)
    started = time.monotonic()
    for stimulus in again:
        if seconds is not None and time.monotonic() - started > seconds:
            return
        try:
            stimulus.open()
        except UnreadableImage:
            continue  # It has its trial, and is not needed any more.
        if stimulus.digest != digests[stimulus.id]:
            yield stimulus.id

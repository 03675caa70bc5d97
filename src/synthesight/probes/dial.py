"""A dial of ambiguous images, shown to several observers: their psychometric functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from synthesight import files
from synthesight.analysis import RESAMPLES, with_people
from synthesight.errors import SynthesightError
from synthesight.report.dials import dials_section
from synthesight.report.section import Section
from synthesight.stimuli.make.dial import Pair, named_pair, pairs_of
from synthesight.stimuli.make.drawn import drawn_objects
from synthesight.stimuli.names import plain
from synthesight.stimuli.stimulus import Stimulus

if TYPE_CHECKING:
    from synthesight.observers.options import ModelOptions

STIMULI, RUNS = "stimuli", "runs"
LIST = "stimuli.csv"


def dial_pairs(
    images: Sequence[Stimulus],
    classes: tuple[str, str],
    kind: str = "hybrid",
    *,
    pairs: int = 1,
    seed: int = 0,
) -> list[Pair]:
    """Return what a dial turns between.

    Images are two, the first of the first class; or have categories, to be paired at random; or
    none, for drawn ones. Pairs of hybrids come both ways, each image once with its low frequencies.
    """
    both = kind == "hybrid"
    if not images:
        images = drawn_objects(shapes=classes, per_category=pairs, seed=seed)
    if len(images) == 2 and all(one.category is None for one in images):
        pair = named_pair(images[0], images[1], classes)
        return [pair, pair[::-1]] if both else [pair]
    return pairs_of(images, classes, pairs=pairs, seed=seed, both_ways=both)


def show_dial(
    models: Sequence[Any],
    stimuli: Sequence[Stimulus],
    out: str | Path,
    options: ModelOptions,
    *,
    progress: bool | None = None,
) -> pl.DataFrame:
    """Show the images of a dial to observers; go on where an earlier call stopped.

    The folder's ``stimuli/`` gets the images and a list of them with their factors, ``runs/`` a run
    for each observer; later calls may add some. ``classes`` of the options is what they choose
    among. Returns the trials of all runs in ``out``.
    """
    from synthesight.evaluation import run_evaluation
    from synthesight.observers.options import EvaluateOptions
    from synthesight.trials.store import Run

    folder = Path(out)
    _keep_images(stimuli, folder / STIMULI)
    given = EvaluateOptions(**options.given())
    for model in models:
        name = str(getattr(model, "name", model))
        run_evaluation(model, list(stimuli), folder / RUNS / plain(name), given, progress=progress)
    shown = [Run.open(place).trials() for place in sorted((folder / RUNS).iterdir())]
    return pl.concat(shown, how="diagonal_relaxed")


def dial_section(trials: pl.DataFrame, resamples: int = RESAMPLES) -> Section:
    """Return the psychometric functions of trials with a dial: tables and figures."""
    section = dials_section(with_people(trials), resamples)
    if section is None:
        raise SynthesightError(
            "No trial has the columns 'dial' and 'toward': show the images of a dial first."
        )
    return section


def _keep_images(stimuli: Sequence[Stimulus], folder: Path) -> None:
    """Write the images and their list, for people and other programs; refuse another dial's."""
    rows = [
        {"path": s.id, "dataset": s.dataset, "condition": s.condition, **s.factors} for s in stimuli
    ]
    listed = pl.DataFrame(rows, infer_schema_length=None).write_csv()
    record = folder / LIST
    if record.exists():
        if record.read_text("utf-8") != listed:
            raise SynthesightError(
                f"{folder} holds the images of another dial: use the same options to go on, or "
                "another `out`."
            )
        return
    with files.writing(folder, "folder"):
        for stimulus in stimuli:
            path = folder / stimulus.id
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(path) as unfinished:
                stimulus.open().save(unfinished, "PNG")
        files.write(record, listed)  # last: without it, the images are written anew

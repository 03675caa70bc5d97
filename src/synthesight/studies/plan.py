"""What a study will take: images, passes and time of each run, and what that is known from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synthesight.backends.checking import check_backend
from synthesight.errors import SynthesightError
from synthesight.evaluation import choose_stimuli
from synthesight.likelihood.rules import find_rule
from synthesight.observers.fitness import default_rule, increments_of
from synthesight.observers.given import read_given
from synthesight.observers.prompts import DEFAULT_PROMPT, check_prompts, write_prompts
from synthesight.progress import duration
from synthesight.stimuli.categories import SIXTEEN
from synthesight.stimuli.datasets import dataset, datasets
from synthesight.stimuli.datasets.local import local_folder
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.stimulus import Stimulus
from synthesight.studies.cells import Cell
from synthesight.studies.checking import OF_RULE, at
from synthesight.studies.study import Study
from synthesight.tracking import JsonLines
from synthesight.trials.record import RECORD
from synthesight.trials.state import state_of

RUNS = "runs"  # folder of a study's runs
LOG = "log.jsonl"  # what each sitting of a run took
A_TRIAL, A_CLASS, A_DRAW = 300, 16, 4  # bytes that a trial, a class of it and a kept draw take
NEVER_MEASURED = "prompts × draws of the rule"


@dataclass(frozen=True)
class Row:
    """What one run will take.

    Attributes
    ----------
    cell, folder
        The run, and where it is.
    images, done
        Stimuli in all, and those that have a trial.
    passes, most
        Network evaluations that are left, and whether that is the most that there can be.
    seconds
        Time that is left; None where nothing of the kind was measured.
    basis
        What the passes are known from.
    units
        Prompts or labels that each image is compared with.
    """

    cell: Cell
    folder: Path
    images: int
    done: int
    passes: float
    most: bool
    seconds: float | None
    basis: str
    units: int

    @property
    def finished(self) -> bool:
        """Whether every stimulus has a trial."""
        return self.done >= self.images


@dataclass(frozen=True)
class Plan:
    """What a study will take.

    Attributes
    ----------
    study, out
        The study, and its folder.
    rows
        Its runs, in order.
    remarks
        What does not apply to which model, and what is to be downloaded.
    """

    study: Study
    out: Path
    rows: list[Row]
    remarks: list[str]

    def table(self) -> pl.DataFrame:
        """Return a row a run: observer, stimuli, images, done, passes, time, known from."""
        return pl.DataFrame(
            {
                "observer": [row.cell.observer for row in self.rows],
                "stimuli": [row.cell.shows for row in self.rows],
                "images": [row.images for row in self.rows],
                "done": [row.done for row in self.rows],
                "passes left": [
                    f"{'≤ ' if row.most and row.passes else ''}{row.passes:,.0f}"
                    for row in self.rows
                ],
                "time left": [
                    "?" if row.seconds is None else duration(row.seconds) for row in self.rows
                ],
                "known from": ["" if row.finished else row.basis for row in self.rows],
            }
        )

    @property
    def sentence(self) -> str:
        """What all of it will take."""
        left = [row for row in self.rows if not row.finished]
        runs = f"{len(self.rows)} runs" if len(self.rows) != 1 else "1 run"
        if not left:
            return f"{runs}, all finished."
        most = "at most " if any(row.most for row in left) else ""
        passes = f"{most}{sum(row.passes for row in left):,.0f} passes"
        images = f"{sum(row.images - row.done for row in left):,} images"
        known = [row.seconds for row in left if row.seconds is not None]
        unknown = sorted({row.cell.model for row in left if row.seconds is None})
        time = f"about {duration(sum(known))}" if known else ""
        if unknown:
            names = ", ".join(unknown)
            time += f"{', and ' if time else ''}an unknown time for {names}, of which no run in "
            time += f"{self.out} was timed yet"
        finished = len(self.rows) - len(left)
        return f"{runs}, {finished} finished. Left: {images}, {passes}, {time}."


def plan_study(study: Study, out: str | Path, *, download: bool = False) -> Plan:
    """Check a study as a whole, and say what it will take.

    Parameters
    ----------
    study
        The study.
    out
        Its folder.
    download
        Whether to download the stimuli of datasets that are not here.

    Raises
    ------
    SynthesightError
        If stimuli are missing or leave nothing to choose, a backend or device cannot be, a run in
        ``out`` is damaged, or the disk is too small for what is left.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat", "dog"):
    ...         (Path(folder) / name).mkdir()
    ...         Image.new("RGB", (8, 8)).save(f"{folder}/{name}/1.png")
    ...     study = Study(models="natural-32", stimuli=folder, options={"max_draws": 50})
    ...     print(plan_study(study, f"{folder}/out").rows[0].passes)
    200.0
    """
    out = Path(out)
    found: dict[Any, list[Stimulus] | None] = {}
    remarks = list(study.remarks)
    log = JsonLines(out / LOG).read("images", "passes")
    rows = []
    for cell in study.cells:
        folder = out / RUNS / cell.folder
        with at(study.origin, ("stimuli",)):
            check_backend(cell.model, cell.options)
            _check_device(cell)
            key = (cell.stimuli, str(cell.options.range))
            if key not in found:
                found[key] = _found(cell, download)
            images, classes = _shown(cell, found[key], folder)
            if found[key] is None:
                remarks.append(f"{cell.shows} is not here, and is downloaded before it is shown.")
        rows.append(_row(cell, folder, images, _units(cell, classes), log))
    _check_disk(out, rows)
    return Plan(study, out, rows, list(dict.fromkeys(remarks)))


def _row(cell: Cell, folder: Path, images: int, units: int, log: list[dict[str, Any]]) -> Row:
    """Return what a run will take, by what the log says of those that are there."""
    alike = [row for row in log if row.get("kind") == kind_of(cell, units)]
    timed = [
        row for row in log if row.get("model") == cell.model and row.get("seconds") is not None
    ]
    (an_image, most), basis = _passes(cell, units), NEVER_MEASURED
    if seen := sum(row["images"] for row in alike):
        an_image, most = sum(row["passes"] for row in alike) / seen, False
        basis = f"{seen:,} images here: {an_image:,.0f} passes each"
    done = _done(folder, images)
    left = max(images - done, 0) * an_image
    seconds = None if left else 0.0
    if left and (passes := sum(row["passes"] for row in timed)):
        seconds = left * sum(row["seconds"] for row in timed) / passes
    return Row(cell, folder, images, done, left, most, seconds, basis, units)


def kind_of(cell: Cell, units: int) -> str:
    """Return what decides how many passes an image takes, as the log has it."""
    options = cell.written["options"]
    rule = {name: options[name] for name in ("rule", *OF_RULE) if name in options}
    return json.dumps([cell.model, units, rule], default=str)


def _done(folder: Path, images: int) -> int:
    """Return how many stimuli have a trial."""
    if not (folder / RECORD).exists():
        return 0
    state = state_of(folder)
    if state.damaged:
        raise state.damaged[0]
    # Not all, if some of those that the run was begun with are left.
    return min(state.done, images if state.finished else max(images - 1, 0))


def _found(cell: Cell, download: bool) -> list[Stimulus] | None:
    """Return the stimuli of a run; None where a dataset would have to be downloaded."""
    missing = [name for name in cell.stimuli if name in datasets() and not Path(name).exists()
               and local_folder(name) is None]  # fmt: skip
    if missing and not download:
        return None
    return find_stimuli(list(cell.stimuli), range=cell.options.range)


def _shown(cell: Cell, found: list[Stimulus] | None, folder: Path) -> tuple[int, list[str]]:
    if found is not None:
        shown, classes = choose_stimuli(found, folder, cell.options)
        if not classes:  # captions, of each image its own
            return len(shown), [""] * max(len(stimulus.captions) for stimulus in shown)
        return len(shown), classes
    count = sum(dataset(name).images or 0 for name in cell.stimuli if name in datasets())
    given = read_given(cell.options).get("classes")
    return min(count, cell.options.limit or count), list(given or SIXTEEN)


def _units(cell: Cell, classes: list[str]) -> int:
    """Return how many prompts or labels an image is compared with."""
    given = read_given(cell.options)
    if labels := given.get("labels"):
        return sum(map(len, labels.values()))
    if increments_of(cell.model) == "none" or not any(classes):
        return len(classes)
    prompts = check_prompts(given.get("prompt") or DEFAULT_PROMPT)
    return len(write_prompts(classes, prompts, given.get("names") or {})[0])


def _passes(cell: Cell, units: int) -> tuple[float, bool]:
    """Return the network evaluations of an image, and whether these are the most there can be."""
    increments = increments_of(cell.model)
    if increments == "none":
        return 1.0, False
    if increments == "parts":
        return float(units), cell.options.rule not in (None, "exhaustive")
    name = cell.options.rule or default_rule(cell.model)
    given = read_given(cell.options)
    made = find_rule(name)(**{key: given[key] for key in OF_RULE if key in given})  # type: ignore[arg-type]
    return float(units * made.max_draws), name != "exhaustive"


def _check_device(cell: Cell) -> None:
    if cell.options.device is not None and cell.options.backend == "local":
        from synthesight.likelihood.device import check_device

        check_device(cell.options.device)


def _check_disk(out: Path, rows: Iterable[Row]) -> None:
    """Refuse what the disk is too small for."""
    needed = 0.0
    for row in rows:
        needed += (row.images - row.done) * (A_TRIAL + A_CLASS * row.units)
        needed += A_DRAW * row.passes if row.cell.options.keep_draws else 0
    place = next(each for each in (out.absolute(), *out.absolute().parents) if each.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise SynthesightError(
            f"The runs need up to {needed / 1e9:.2g} GB in {out}, and {free / 1e9:.2g} GB are "
            "free: make room, choose another `out`, or leave out `keep_draws`."
        )

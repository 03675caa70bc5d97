"""Make a dataset of manipulated images, in the published session layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets import dataset, datasets
from synthesight.stimuli.images import UnreadableImage, to_array
from synthesight.stimuli.make.corruptions import SEVERITIES
from synthesight.stimuli.make.manipulations import (
    CORRUPTIONS,
    level_of,
    manipulate,
    mean_amplitude,
    named,
    random_of,
)
from synthesight.stimuli.names import Shown
from synthesight.stimuli.stimulus import Stimulus

SIZE = 224  # pixels, as published
AHEAD = 256  # images that wait for the processes of a pool


def make_dataset(
    stimuli: Sequence[Stimulus],
    manipulation: str,
    out: str | Path,
    *,
    conditions: Sequence[str] = (),
    size: int = SIZE,
    seed: int = 0,
    pool: Executor | None = None,
    report: Callable[[], None] = lambda: None,
) -> list[str]:
    """Apply a manipulation to photographs, once for each condition.

    Parameters
    ----------
    stimuli
        Images with categories.
    manipulation
        A name among :data:`~synthesight.stimuli.make.manipulations.MANIPULATIONS`, or
        :data:`~synthesight.stimuli.make.manipulations.CORRUPTIONS` of ImageNet-C.
    out
        Folder of the new dataset: ``dnn/session-1/`` is made in it, which
        :func:`~synthesight.stimuli.find.find_stimuli` reads with conditions and categories.
        Each image depends on seed, its id and the condition alone.
    conditions
        Conditions to make; without any, all published ones of that manipulation, or severities.
    size
        Side, in pixels, to which images are scaled and cropped first.
    seed
        Seed of noise, phases and displacements.
    pool
        Processes that share the work, if any; they must not be forked.
    report
        Called after each image.

    Returns
    -------
    A sentence for each image that could not be read.

    Raises
    ------
    SynthesightError
        If the manipulation or a condition is unknown, images lack categories or share a name, or
        the folder cannot be written, is called by a published dataset that has no such condition,
        or holds images of another making.
    """
    out = Path(out)
    named(manipulation)
    all_of_them = SEVERITIES if manipulation in CORRUPTIONS else dataset(manipulation).conditions
    conditions = list(dict.fromkeys(conditions or all_of_them))
    for condition in conditions:
        level_of(manipulation, condition)
    made = _files(stimuli, conditions)
    known = datasets().get(out.resolve().name)
    if known and (others := [each for each in conditions if each not in known.conditions]):
        raise SynthesightError(
            f"The published {known.name} has no condition {others[0]!r}, only "
            f"{', '.join(known.conditions)}: choose another `out`, with a name of your own."
        )
    failures: list[str] = []
    amplitude = None
    if manipulation == "power-equalisation":
        amplitude = mean_amplitude(image for _, image in _read(stimuli, size, []))
    folder = out / "dnn" / "session-1"
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Numbers in the names depend on all that is made: another making would add images twice.
        ours = {name for names in made for name in names}
        there = {entry.name for entry in folder.iterdir() if entry.suffix != files.UNFINISHED}
        if other := there - ours:
            raise SynthesightError(
                f"{out} holds images of another making (such as {min(other)}): choose another "
                "`out`, and make all conditions of a dataset at once."
            )
        tasks = (
            (
                image,
                manipulation,
                [
                    (condition, random_of(seed, f"{stimuli[place].id}\0{condition}"), folder / name)
                    for name, condition in zip(made[place], conditions, strict=True)
                ],
                amplitude,
            )
            for place, image in _read(stimuli, size, failures)
        )
        for _ in _each(_make, tasks, pool):
            report()
    return failures


Task = tuple[np.ndarray, str, list[tuple[str, np.random.Generator, Path]], "np.ndarray | None"]


def _make(task: Task) -> None:
    image, manipulation, wanted, amplitude = task
    for condition, rng, path in wanted:
        changed = manipulate(image, manipulation, condition, rng=rng, amplitude=amplitude)
        with files.whole(path) as unfinished:
            Image.fromarray(changed).save(unfinished, "PNG")


def _each(
    work: Callable[[Task], None], tasks: Iterator[Task], pool: Executor | None
) -> Iterator[None]:
    """Do tasks, in a pool of processes if there is one, and yield after each."""
    if pool is None:
        yield from map(work, tasks)
        return
    while some := list(islice(tasks, AHEAD)):
        yield from pool.map(work, some)


def _read(
    stimuli: Sequence[Stimulus], size: int, failures: list[str]
) -> Iterator[tuple[int, np.ndarray]]:
    for place, stimulus in enumerate(stimuli):
        try:
            yield place, to_array(stimulus.open(), size)
        except UnreadableImage as error:
            failures.append(str(error))


def _files(stimuli: Sequence[Stimulus], conditions: Sequence[str]) -> list[list[str]]:
    """Return the file of each image in each condition, as the published layout calls it."""
    names = _names(stimuli)
    return [
        [
            str(Shown(number, "made", "dnn", condition, str(stimulus.category), 0, f"{name}.png"))
            for number, condition in enumerate(conditions, start=place * len(conditions) + 1)
        ]
        for place, (stimulus, name) in enumerate(zip(stimuli, names, strict=True))
    ]


def _names(stimuli: Sequence[Stimulus]) -> list[str]:
    """Return what pairs images across observers: names without the layout's separators."""
    for stimulus in stimuli:
        if stimulus.category is None:
            raise SynthesightError(
                f"{stimulus.id} has no category: put images into <category>/ folders first."
            )
        if "_" in stimulus.category or "/" in stimulus.category:
            raise SynthesightError(
                f"The category {stimulus.category} has a character that the published layout "
                "keeps for itself: rename its folder without '_'."
            )
    names = [Path(stimulus.id).stem.replace("_", "-") for stimulus in stimuli]
    if len(set(names)) < len(names):
        names = [f"{s.category}-{name}" for s, name in zip(stimuli, names, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SynthesightError(f"Two images are called {twice}: rename one of them.")
    return names

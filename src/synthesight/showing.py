"""Show stimuli and write down the trials, so that next to nothing is lost whatever ends it."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import synthesight
from synthesight.observers.draw_errors import draw_errors, schedule_of
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.progress import Progress
from synthesight.stimuli.stimulus import Stimulus
from synthesight.stopping import check_stopped, held_back
from synthesight.trials.computing import record_computed
from synthesight.trials.sharing import Shared
from synthesight.trials.store import Run

PART_ROWS = 500
PART_SECONDS = 30.0
SOON = 5.0
LIBRARIES = (
    "torch", "diffusers", "transformers", "numpy", "pillow", "timm", "torchvision",
    "open-clip-torch",
)  # fmt: skip


def show(
    observer: Observer,
    stimuli: Sequence[Stimulus],
    classes: list[str],
    run: Run,
    row: Callable[[Response], dict[str, Any]],
    *,
    progress: bool | None = None,
) -> None:
    """Show the stimuli that a run lacks, together with whatever other processes do so.

    Trials, made of responses by ``row``, are written every few seconds, and whatever ends the work:
    a signal, or an error. Until then, draws are kept (:class:`~synthesight.trials.sharing.Shared`).
    An interruption is told, in a note to the exception, what was kept.
    """
    place = {"processor": processor(), "versions": installed()}
    shared = Shared(run, stimuli, every=run.keeps_draws)
    rows: list[dict[str, Any]] = []
    answered: list[Stimulus] = []
    flushed = time.monotonic()

    def flush() -> None:
        nonlocal rows, flushed
        with held_back():
            if run.keeps_draws:
                # Before the trials: what has both is done.
                made = shared.evaluated(stimulus.id for stimulus in answered)
                run.keep(draw_errors(observer, answered, classes, *made), schedule_of(observer))
                answered.clear()
            run.append(rows)
            shared.answered(each["stimulus"] for each in rows)
            rows, flushed = [], time.monotonic()
            record_computed(run.folder, observer.computing() | place)

    total = len(shared)
    try:
        with Progress(f"Evaluating {observer.name}", total, show=progress) as far:
            while True:
                for response in observer.respond(shared, classes):
                    rows.append(row(response))
                    answered.append(response.stimulus)
                    far.at(total - len(shared) + len(rows))
                    # What draws can tell again is in no hurry: fewer parts are quicker to read.
                    seconds = PART_SECONDS if shared.keeps else SOON
                    if len(rows) >= PART_ROWS or time.monotonic() - flushed > seconds:
                        flush()
                    check_stopped()
                if rows:
                    flush()
                if not shared.more():
                    break
    except KeyboardInterrupt as interrupted:
        kept = len(stimuli) - len(shared) + len(rows)
        draws = ", and the draws of images that were begun are kept" if shared.keeps else ""
        interrupted.add_note(
            f"{kept} of {len(stimuli)} trials are in {run.folder}{draws}: the same command goes on "
            "from there."
        )
        raise
    finally:
        with held_back():
            try:
                if rows:
                    flush()
            finally:
                shared.close()


@contextmanager
def answering_alike(observer: Observer) -> Iterator[None]:
    """Let an observer answer the same to the last bit, however its work is divided."""
    from synthesight.likelihood.reproducible import reproducibly

    before, observer.reproducible = observer.reproducible, True
    try:
        with reproducibly():
            yield
    finally:
        observer.reproducible = before


def processor() -> str:
    """Return what kind of processor this is: the last bits of evidence depend on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    return name.strip() or platform.machine()


def installed() -> dict[str, str]:
    """Return the versions of this package, and of those libraries that are installed."""
    found = {"synthesight": synthesight.__version__}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found

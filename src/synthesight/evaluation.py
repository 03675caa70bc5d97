"""Show stimuli to an observer and keep its trials: the one place where the rooms meet."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import synthesight
from synthesight.errors import SynthesightError
from synthesight.observers.observer import Observer, Response
from synthesight.stimuli.categories import Vocabulary
from synthesight.stimuli.names import Spelling, image_of
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.store import Run

PART_ROWS = 500
PART_SECONDS = 30.0
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")
MAY_DIFFER = ("versions", "platform", "device", "started")  # when a run goes on
OPTIONAL = ("timm", "torchvision", "open-clip-torch")


def evaluate(
    observer: Observer,
    stimuli: Sequence[Stimulus],
    out: str | Path,
    *,
    classes: Sequence[str] | None = None,
    shard: tuple[int, int] = (0, 1),
    begin: Callable[[int], None] = lambda count: None,
    report: Callable[[Response], None] = lambda response: None,
) -> Run:
    """Show stimuli to an observer; go on where an earlier call with the same ``out`` stopped.

    Parameters
    ----------
    observer
        From :func:`synthesight.load`.
    stimuli
        What is shown. Those whose category (in cue conflict, either cue) is not among the classes
        are for :func:`answerable` to leave out beforehand.
    out
        Folder of the run.
    classes
        The categories to choose among; None for the stimuli's own, in order of first appearance.
    shard
        (i, n): this process takes every n-th stimulus from the i-th. All shards write to one run.
    begin
        Called once, with how many stimuli are still to be shown.
    report
        Called after each trial.

    Returns
    -------
    The run, which holds one trial a stimulus; those that could not be read say why in ``error``,
    and are shown again when the run is resumed. Responses have the spelling of the stimuli's
    categories (car, where the stimuli say so, for the class automobile), so that they can be
    compared with other observers'.

    Raises
    ------
    SynthesightError
        If ``out`` holds a run that was made otherwise, there is nothing to choose among, or two
        stimuli have one id.
    """
    _check_distinct(stimuli)
    if classes is None:
        classes = categories_of(stimuli)
    chosen = observer.choose(classes)
    manifest: dict[str, Any] = {
        "observer": observer.describe(),
        "classes": chosen,
        # Datasets first: of what differs, the first is what a message says.
        "datasets": sorted({stimulus.dataset for stimulus in stimuli}),
        "stimuli": len(stimuli),
        "stimuli_ids_hash": _digest(stimuli),
        "versions": {"synthesight": synthesight.__version__}
        | {library: version(library) for library in LIBRARIES}
        | _versions_of(OPTIONAL),
        "platform": platform.platform(),
        "device": _device_name(observer.device),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    run = Run.create_or_resume(Path(out), manifest, ignore=MAY_DIFFER)
    done = run.done()
    mine = [s for s in stimuli[shard[0] :: shard[1]] if s.id not in done]
    begin(len(mine))
    spelling = _spelling(stimuli, chosen)
    seed = manifest["observer"].get("seed", 0)
    rows: list[dict[str, Any]] = []
    flushed = time.monotonic()
    try:
        for response in observer.respond(mine, chosen):
            rows.append(_row(response, observer, spelling, seed))
            report(response)
            if len(rows) >= PART_ROWS or time.monotonic() - flushed > PART_SECONDS:
                run.append(rows)
                rows, flushed = [], time.monotonic()
    finally:
        # Also when interrupted: what was decided is not lost.
        if rows:
            run.append(rows)
    return run


def _check_distinct(stimuli: Sequence[Stimulus]) -> None:
    """Refuse stimuli of one id: a run keeps one trial of each, and would lose the others."""
    seen: set[str] = set()
    for stimulus in stimuli:
        if stimulus.id in seen:
            raise SynthesightError(
                f"Two of the stimuli are called {stimulus.id}: give --stimuli folders or files of "
                "different names, each once."
            )
        seen.add(stimulus.id)


def _digest(stimuli: Iterable[Stimulus]) -> str:
    """A hash of which stimuli there are, in whatever order: another set is another run."""
    names = "\0".join(sorted(stimulus.id for stimulus in stimuli))
    return hashlib.blake2b(names.encode(), digest_size=16).hexdigest()


def _versions_of(libraries: Sequence[str]) -> dict[str, str]:
    """The versions of those libraries that are installed."""
    found = {}
    for library in libraries:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def _device_name(device: torch.device | None) -> str | None:
    """What computed, for people: the graphics card, or the kind of device."""
    if device is None:
        return None
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def categories_of(stimuli: Iterable[Stimulus]) -> list[str]:
    """The stimuli's own categories, in order of first appearance.

    Raises
    ------
    SynthesightError
        If they are no choice.
    """
    found = list(dict.fromkeys(s.category for s in stimuli if s.category is not None))
    if len(found) < 2:
        what = f"all show {found[0]!r}" if found else "have no categories"
        raise SynthesightError(f"The stimuli {what}: give --classes to choose among.")
    return found


def answerable(stimuli: Iterable[Stimulus], classes: Sequence[str]) -> list[Stimulus]:
    """The stimuli whose category, and in cue conflict whose texture too, is among the classes.

    Raises
    ------
    SynthesightError
        If there are none.
    """
    known = Vocabulary(classes)
    stimuli = list(stimuli)
    spelling = _spelling(stimuli, classes)
    kept = []
    for stimulus in stimuli:
        texture = spelling.texture(stimulus.dataset, _file_name(stimulus), stimulus.category)
        if all(cue in known for cue in (stimulus.category, texture) if cue):
            kept.append(stimulus)
    if not kept:
        raise SynthesightError(
            f"No stimulus has a category among --classes {','.join(classes)}: choose classes that "
            "the stimuli show."
        )
    return kept


def _file_name(stimulus: Stimulus) -> str:
    return stimulus.id.rsplit("/", 1)[-1]


def _spelling(stimuli: Iterable[Stimulus], classes: Iterable[str]) -> Spelling:
    return Spelling([(s.dataset, _file_name(s), s.category) for s in stimuli], classes)


def _row(response: Response, observer: Observer, spelling: Spelling, seed: int) -> dict[str, Any]:
    stimulus = response.stimulus
    name = _file_name(stimulus)
    return {
        "observer": observer.name,
        "kind": observer.kind,
        "dataset": stimulus.dataset,
        "condition": stimulus.condition,
        "session": stimulus.session,
        "trial": None,
        "stimulus": stimulus.id,
        "image": image_of(name),
        "category": spelling(stimulus.category, stimulus.dataset),
        "texture": spelling.texture(stimulus.dataset, name, stimulus.category),
        "response": spelling(response.response, stimulus.dataset),
        "rt": None,
        "evidence": None if response.error else response.evidence.tolist(),
        "draws": int(response.draws.max()),
        "evaluations": response.evaluations,
        "stopped": response.stopped,
        "seed": seed,
        "error": response.error,
    }


__all__ = ["answerable", "categories_of", "evaluate"]

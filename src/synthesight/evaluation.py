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

import synthesight
from synthesight.errors import SynthesightError
from synthesight.observers.observer import Observer, Response
from synthesight.stimuli.categories import canonical
from synthesight.stimuli.folders import published_id, texture_of
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.store import Run

PART_ROWS = 500
PART_SECONDS = 30.0
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")
OPTIONAL = ("timm", "torchvision", "open-clip-torch")


def evaluate(
    observer: Observer,
    stimuli: Sequence[Stimulus],
    out: str | Path,
    *,
    classes: Sequence[str] | None = None,
    shard: tuple[int, int] = (0, 1),
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
    report
        Called after each trial.

    Returns
    -------
    The run, which holds one trial a stimulus; those that could not be read say why in ``error``.

    Raises
    ------
    SynthesightError
        If ``out`` holds a run that was made otherwise, there is nothing to choose among, or two
        stimuli have one id.
    """
    _check_distinct(stimuli)
    if classes is None:
        classes = list(dict.fromkeys(s.category for s in stimuli if s.category is not None))
    chosen = observer.choose(classes)
    manifest: dict[str, Any] = {
        "observer": observer.describe(),
        "classes": chosen,
        "stimuli": len(stimuli),
        "stimuli_ids_hash": _digest(stimuli),
        "datasets": sorted({stimulus.dataset for stimulus in stimuli}),
        "versions": {"synthesight": synthesight.__version__}
        | {library: version(library) for library in LIBRARIES}
        | _versions_of(OPTIONAL),
        "platform": platform.platform(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    run = Run.create_or_resume(Path(out), manifest, ignore=("versions", "platform", "started"))
    done = run.done()
    mine = [s for s in stimuli[shard[0] :: shard[1]] if s.id not in done]
    name_of = {canonical(name): name for name in chosen}
    seed = manifest["observer"].get("seed", 0)
    rows: list[dict[str, Any]] = []
    flushed = time.monotonic()
    try:
        for response in observer.respond(mine, chosen):
            rows.append(_row(response, observer, name_of, seed))
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


def answerable(stimuli: Iterable[Stimulus], classes: Sequence[str]) -> list[Stimulus]:
    """The stimuli whose category, and in cue conflict whose texture too, is among the classes.

    Raises
    ------
    SynthesightError
        If there are none.
    """
    known = {canonical(name) for name in classes}
    kept = []
    for stimulus in stimuli:
        cues = [cue for cue in (stimulus.category, texture_of(_file_name(stimulus))) if cue]
        if all(canonical(cue) in known for cue in cues):
            kept.append(stimulus)
    if not kept:
        raise SynthesightError(
            f"No stimulus has a category among --classes {','.join(classes)}: choose classes that "
            "the stimuli show."
        )
    return kept


def _file_name(stimulus: Stimulus) -> str:
    return stimulus.id.rsplit("/", 1)[-1]


def _row(
    response: Response, observer: Observer, name_of: dict[str, str], seed: int
) -> dict[str, Any]:
    stimulus = response.stimulus
    name = _file_name(stimulus)
    texture = texture_of(name) if stimulus.category is not None else None
    return {
        "observer": observer.name,
        "kind": observer.kind,
        "dataset": stimulus.dataset,
        "condition": stimulus.condition,
        "session": stimulus.session,
        "trial": None,
        "stimulus": stimulus.id,
        "image": published_id(name),
        "category": _named(stimulus.category, name_of),
        "texture": _named(texture, name_of),
        "response": response.response,
        "rt": None,
        "evidence": None if response.error else response.evidence.tolist(),
        "draws": int(response.draws.max()),
        "evaluations": response.evaluations,
        "stopped": response.stopped,
        "seed": seed,
        "error": response.error,
    }


def _named(category: str | None, name_of: dict[str, str]) -> str | None:
    return None if category is None else name_of.get(canonical(category), category)


__all__ = ["answerable", "evaluate"]

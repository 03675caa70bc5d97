"""Show stimuli to an observer and keep its trials: the one place where the rooms meet."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from synthesight.backends import RayObserver, run_jobs
from synthesight.backends.checking import check_backend, read_shard
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.files import as_path, is_remote
from synthesight.forks import check_threads
from synthesight.observers.class_files import names_only, read_classes
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.given import read_wording
from synthesight.observers.loading import open_observer
from synthesight.observers.observer import Observer
from synthesight.observers.options import (
    EvaluateKeywords,
    EvaluateOptions,
    ModelOptions,
    read_options,
    typed,
)
from synthesight.observers.registry import resolve
from synthesight.observers.response import Response
from synthesight.showing import answering_alike, installed, processor, show
from synthesight.stimuli.categories import Vocabulary
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.names import Spelling, image_of
from synthesight.stimuli.stimulus import Stimulus, kept_factors
from synthesight.stimuli.synsets import coarse
from synthesight.trials.record import as_recorded
from synthesight.trials.schema import RESERVED, SCHEMA
from synthesight.trials.store import KEEP_DRAWS, Run


@typed(EvaluateOptions)
def evaluate(
    model: Any,
    stimuli: Any,
    out: str | Path,
    *,
    progress: bool | None = None,
    **options: Unpack[EvaluateKeywords],
) -> Run:
    """Show stimuli to an observer; go on where an earlier call with the same ``out`` stopped.

    Parameters
    ----------
    model
        An observer, or what :func:`synthesight.load` takes, such as a name.
    stimuli
        What :func:`synthesight.find_stimuli` takes: a folder, a file, the name of a dataset,
        stimuli, or a list of these. Those that show none of ``classes`` are left out: in cue
        conflict, those of which either cue is none.
    out
        Folder of the run.
    progress
        Whether to tell how far it is; see :class:`~synthesight.progress.Progress`.
    options
        As :class:`~synthesight.observers.options.EvaluateOptions` explains them. Without
        ``classes``, the choice is among the categories of all the stimuli.

    Returns
    -------
    The run, which holds one trial a stimulus. One that could not be read says why in ``error``,
    and is shown again when the run is resumed. Responses are spelt as the stimuli's categories
    (car, where the stimuli say so, for the class automobile), so that observers can be compared.

    Raises
    ------
    SynthesightError
        If ``out`` holds a run that was made otherwise, there is nothing to choose among, two
        stimuli have one id, or the model cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> from synthesight.stimuli import Stimulus
    >>> shown = [Stimulus("a.png", Image.new("RGB", (32, 32), "red"), category="truck"),
    ...          Stimulus("b.png", Image.new("RGB", (32, 32), "blue"), category="bird")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = evaluate("natural-32-cnn", shown, f"{folder}/run", device="cpu", progress=False)
    ...     run.trials()["category"].to_list()
    ['truck', 'bird']
    """
    given = read_options(EvaluateOptions, options)
    return run_evaluation(model, stimuli, out, given, progress=progress)


def run_evaluation(
    model: Any,
    stimuli: Any,
    out: str | Path,
    options: EvaluateOptions,
    *,
    progress: bool | None = None,
) -> Run:
    """Do what :func:`evaluate` says, with its options in one object."""
    check_threads()
    part, parts = read_shard(options.shard)
    check_backend(model, options)
    # What is wrong with the model's name or options is told before stimuli are looked for.
    if isinstance(model, str | Path):
        resolve(str(model))
    else:
        model = _observer(model, options)
    shown, classes = choose_stimuli(find_stimuli(stimuli, range=options.range), out, options)
    captioned = not classes
    if options.backend == "slurm":
        run_jobs(
            slurm_jobs(model, stimuli, out, options), slurm_folder(out), options.slurm,
            progress=progress,
        )  # fmt: skip
        return Run.open(out)
    observer = model if isinstance(model, Observer) else _observer(model, options)
    if options.keep_draws and not isinstance(observer, GenerativeClassifier):
        raise SynthesightError(
            f"{observer.name} gives no likelihood of draws in this process: leave out `keep_draws`."
        )
    chosen = [] if captioned else observer.choose(classes)
    named = {"model": str(model)} if isinstance(model, str | Path) else {}
    _check_names(observer.name, *{stimulus.dataset for stimulus in shown})
    manifest: dict[str, Any] = {
        "observer": observer.describe(),
        "classes": chosen,
        "datasets": sorted({stimulus.dataset for stimulus in shown}),
        "options": named | _places(stimuli) | options.record(),
        "versions": installed(),
        "platform": platform.platform(),
        "device": observer.device_name,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    if options.reproducible:
        # What the last bits depend on; a run that is to be reproducible is of one kind.
        manifest["reproducible"] = {"processor": processor(), "versions": manifest["versions"]}
        manifest["reproducible"]["device"] = manifest["device"]
    if observer.calibration is not None:
        manifest["calibration"] = observer.calibration.as_json()
    if options.keep_draws:
        manifest[KEEP_DRAWS] = True
    if ranges := sorted({str(stimulus.range) for stimulus in shown if stimulus.range}):
        manifest["range"] = ranges
    run = Run.create_or_resume(out, manifest, stimuli=shown)
    spelling = _spelling([] if captioned else shown, chosen)
    factors = kept_factors(shown, SCHEMA)
    seed = manifest["observer"].get("seed", 0)

    def row(response: Response) -> dict[str, Any]:
        return _row(response, observer, spelling, seed, factors)

    with answering_alike(observer) if options.reproducible else nullcontext():
        show(observer, shown[part::parts], chosen, run, row, progress=progress)
    return run


def _places(stimuli: Any) -> dict[str, list[str]]:
    """Return where the stimuli are, if they were named, by paths that hold in any folder."""
    named = [stimuli] if isinstance(stimuli, str | Path) else stimuli
    if not isinstance(named, list | tuple) or not all(isinstance(n, str | Path) for n in named):
        return {}
    paths = [(name, Path(name).expanduser()) for name in named]
    return {"stimuli": [str(path.resolve() if path.exists() else name) for name, path in paths]}


def _observer(model: Any, options: EvaluateOptions) -> Observer:
    names = {each.name for each in fields(ModelOptions)}
    given = {key: value for key, value in options.given().items() if key in names}
    if options.backend == "ray":
        return RayObserver(model, ModelOptions(**given), address=options.address, jobs=options.jobs)
    if isinstance(model, Observer):
        if options.classes is not None:
            names_only(read_classes(options.classes).wording(None), f"{model.name} is open already")
        # Of an evaluation and not of the observer: what it chooses among, and the sample.
        given.pop("classes", None)
        given.pop("seed", None)
    return open_observer(model, ModelOptions(**given))


def choose_stimuli(
    found: Sequence[Stimulus], out: str | Path, options: EvaluateOptions
) -> tuple[list[Stimulus], list[str]]:
    """Return which of the stimuli found an evaluation shows, and the classes to choose among.

    Without classes, each stimulus has captions of its own. ``out`` is the run's folder, which keeps
    the order of classes that it has.
    """
    shown = list(found)
    classes = read_wording(options).get("classes")
    if classes is None and any(stimulus.captions for stimulus in shown):
        classes = []
    elif classes is None:
        # Of all the stimuli: a sample is no easier choice than the whole.
        classes = as_recorded(as_path(out), categories_of(shown))
    else:
        shown = coarse(shown, classes)
        kept = answerable(shown, classes)
        if left_out := len(shown) - len(kept):
            warnings.warn(
                f"{left_out} of {len(shown)} stimuli show other categories than `classes`: they "
                "are left out.",
                SynthesightWarning,
                stacklevel=4,
            )
        shown = kept
    if options.limit is not None:
        shown = sample(shown, limit=options.limit, seed=options.seed)
    _check_distinct(shown)
    return shown, classes


def slurm_jobs(
    model: str | Path, stimuli: Any, out: str | Path, options: EvaluateOptions
) -> list[Callable[[], Run]]:
    """Return an evaluation as pieces of work for a job array, each with a share of the stimuli."""
    count = options.jobs or 1
    alone = replace(options, backend="local", jobs=None, slurm=None)
    parts = [replace(alone, shard=f"{n}/{count}") for n in range(1, count + 1)]
    return [partial(run_evaluation, model, stimuli, out, each, progress=True) for each in parts]


def slurm_folder(out: str | Path) -> Path:
    """Return where the logs of jobs go: beside a run, or here if that is in an object store."""
    return Path(f"{Path(out).name if is_remote(out) else out}.slurm")


def _check_names(*names: str) -> None:
    """Refuse the name that analyses have for all human observers together."""
    if any(name.strip().lower() == RESERVED for name in names):
        raise SynthesightError(
            f"A dataset or an observer is called {RESERVED!r}, which is the name of all human "
            "observers together: rename the folder, file or model."
        )


def _check_distinct(stimuli: Sequence[Stimulus]) -> None:
    """Refuse stimuli of one id: a run keeps one trial of each, and would lose the others."""
    seen: set[str] = set()
    for stimulus in stimuli:
        if stimulus.id in seen:
            raise SynthesightError(
                f"Two of the stimuli are called {stimulus.id}: give `stimuli` folders or files "
                "of different names, each once."
            )
        seen.add(stimulus.id)


def categories_of(stimuli: Iterable[Stimulus]) -> list[str]:
    """Return the stimuli's own categories, in order of first appearance."""
    found = list(dict.fromkeys(s.category for s in stimuli if s.category is not None))
    if len(found) < 2:
        what = f"all show {found[0]!r}" if found else "have no categories"
        raise SynthesightError(f"The stimuli {what}: give `classes` to choose among.")
    return found


def answerable(stimuli: Iterable[Stimulus], classes: Sequence[str]) -> list[Stimulus]:
    """Return the stimuli whose category, and in cue conflict texture, is among the classes."""
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
            f"No stimulus has a category among `classes={list(classes)}`: choose classes that the "
            "stimuli show."
        )
    return kept


def _file_name(stimulus: Stimulus) -> str:
    return stimulus.id.rsplit("/", 1)[-1]


def _spelling(stimuli: Iterable[Stimulus], classes: Iterable[str]) -> Spelling:
    return Spelling([(s.dataset, _file_name(s), s.category) for s in stimuli], classes)


def _row(
    response: Response,
    observer: Observer,
    spelling: Spelling,
    seed: int,
    factors: Mapping[str, type],
) -> dict[str, Any]:
    stimulus = response.stimulus
    name = _file_name(stimulus)
    row: dict[str, Any] = {
        factor: kind(stimulus.factors[factor]) if factor in stimulus.factors else None
        for factor, kind in factors.items()
    }
    row |= {
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
        "probability": None if response.probability is None else response.probability.tolist(),
        "captions": list(stimulus.captions) or None,
        "draws": int(response.draws.max()),
        "evaluations": response.evaluations,
        "stopped": response.stopped,
        "seed": seed,
        "error": response.error,
        "digest": stimulus.digest,
    }
    if stimulus.captions:
        # Sentences are nobody's categories: they stay as they are.
        row |= {"category": stimulus.category, "texture": None, "response": response.response}
    return row

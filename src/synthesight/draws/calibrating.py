"""Calibrate an observer on a finished run, and fit a model's own weighting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthesight import files
from synthesight.analysis import expected_calibration_error
from synthesight.draws.fitting import fit_weighting
from synthesight.draws.recording import Recording, read_recording
from synthesight.errors import SynthesightError
from synthesight.observers.calibration import FEWEST, SAME, Calibration, fit_calibration
from synthesight.observers.generated import DATASET
from synthesight.stimuli.categories import Vocabulary
from synthesight.trials.store import Run

RIVALS = 3  # the nearest classes are what draws are needed for


def calibrate(run: Run | str | Path) -> Calibration:
    """Return the calibration of a run's observer, from the images whose class is known.

    Those are labelled images, or images that the model made of its classes itself
    (:func:`~synthesight.observers.generate`). The calibration holds for the same model, weighting
    and rule; it tells what it was fitted to, and its expected calibration error on images that it
    was not fitted to (``ece``: fitted to one half, tested on the other, both ways).

    Parameters
    ----------
    run
        A run of a model, or its folder.

    Raises
    ------
    SynthesightError
        If the trials have no evidence of one set of classes, or fewer than 20 images have a known
        one.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    evidence, draws, labels, trials = _evidence(run)
    observer = run.manifest.get("observer") or {}
    generated = set(trials["dataset"]) == {DATASET}
    made: dict[str, Any] = {
        "observer": {key: observer.get(key) for key in SAME},
        "classes": run.manifest["classes"],
        "images": len(labels),
        "source": "generated" if generated else "labelled",
    }
    found = fit_calibration(evidence, draws, labels, made)
    if len(labels) >= 2 * FEWEST:
        order = np.random.default_rng(0).permutation(len(labels))
        probability = np.zeros_like(evidence)
        for half in (0, 1):
            one, other = order[half::2], order[1 - half :: 2]
            fitted = fit_calibration(evidence[one], draws[one], labels[one])
            probability[other] = fitted.probability(evidence[other], draws[other])
        kind = pl.List(pl.Float64)
        tested = trials.with_columns(probability=pl.Series(probability.tolist(), dtype=kind))
        row = expected_calibration_error(tested, "observer").row(0, named=True)
        made["ece"] = {key: round(row[key], 4) for key in ("estimate", "low", "high")}
    return Calibration(found.constant, found.spread, found.draws, made)


def _evidence(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray, pl.DataFrame]:
    """Return evidence, draws and the right class of the images that have one, and their trials."""
    classes = run.manifest.get("classes") or []
    names = Vocabulary(classes)
    spelled = pl.col("category", "response").map_elements(names.spelled, return_dtype=pl.String)
    trials = run.trials().filter(pl.col("error").is_null(), pl.col("evidence").is_not_null())
    trials = trials.with_columns(spelled).filter(pl.col("category").is_in(classes))
    if trials.is_empty():
        raise SynthesightError(
            f"{run.folder} holds no evidence about images of a known class: give a run of a model "
            "on labelled images."
        )
    place = {name: k for k, name in enumerate(classes)}
    labels = np.array([place[name] for name in trials["category"]], dtype=np.int64)
    evidence = np.array(trials["evidence"].to_list(), dtype=np.float64)
    return evidence, trials["draws"].to_numpy(), labels, trials


def own_weighting(run: Run | str | Path | Recording) -> dict[str, Any]:
    """Return a weighting fitted to a run's draws, and the proposal that goes with it.

    No label is needed where the run shows images that the model made itself: what it made them of
    is their class.

    Parameters
    ----------
    run
        A run that keeps its draws, or what :func:`read_recording` read.

    Returns
    -------
    ``weighting`` and ``proposal``, tables that :func:`synthesight.load` takes, and ``classes``:
    what a model's ``synthesight.json`` holds. The proposal spends draws where they tell the nearest
    classes apart, in proportion to w_t √E[d_t²].

    Raises
    ------
    SynthesightError
        If the run keeps no draws, or classes have several labels.
    """
    recording = run if isinstance(run, Recording) else read_recording(run)
    weight = fit_weighting(recording)
    bins = len(weight) - 1
    order = recording.evidence(weight).argsort(axis=1)[:, ::-1]
    image = np.arange(len(recording))[:, None]
    drawn = np.arange(recording.errors.shape[1])[None, :]
    best = recording.errors[image, drawn, order[:, :1]]
    square = np.zeros(best.shape)
    rivals = range(1, min(RIVALS, len(recording.classes) - 1) + 1)
    for rival in rivals:
        square += np.square(recording.errors[image, drawn, order[:, rival : rival + 1]] - best)
    time = recording.schedule.times[recording.steps]
    place = np.minimum((time * bins).astype(np.int64), bins - 1)
    known = ~np.isnan(square)
    total = np.bincount(place[known], square[known], bins) / len(rivals)
    count = np.bincount(place[known], minlength=bins)
    density = weight[1:] * np.sqrt(total / np.maximum(count, 1))
    table = np.concatenate([density[:1], density]) / density.max()
    return {
        "classes": recording.classes,
        "weighting": [float(f"{value:.4g}") for value in weight],
        "proposal": [float(f"{value:.4g}") for value in table],
    }


def write_weighting(found: dict[str, Any], path: str | Path) -> None:
    """Write what :func:`own_weighting` returns to a JSON file, which ``weighting`` then takes.

    Raises
    ------
    SynthesightError
        If the file cannot be written.
    """
    path = files.as_path(path)
    with files.writing(path):
        files.make_folder(path.parent)
        files.write(path, json.dumps(found, indent=2) + "\n")

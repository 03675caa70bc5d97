"""Train one network with and without noise, and compare how human-like the results see.

After the experiment of Jaini, Clark & Geirhos (2024): diffusion noise took a ResNet-50's shape bias
from 21 to 78 %. Here the network is small and the images are those of CIFAR-10, so that it takes
minutes on a GPU; beside diffusion noise there is Gaussian noise of one σ, and blur.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from PIL import Image

import synthesight
from synthesight import files
from synthesight.analysis import accuracy, error_consistency, shape_bias
from synthesight.errors import SynthesightError
from synthesight.evaluation import answerable
from synthesight.experiments.discriminative import DiscriminativeOptions
from synthesight.experiments.labelled import open_images
from synthesight.experiments.side_by_side import trained
from synthesight.observers.discriminative.noise import DiffusionNoise, WithNoise, name_of
from synthesight.observers.discriminative.trained import open_trained
from synthesight.observers.options import EvaluateKeywords
from synthesight.progress import Progress
from synthesight.stimuli.categories import SHARED_SEVEN, Vocabulary
from synthesight.stimuli.datasets import dataset
from synthesight.stimuli.datasets.local import local_folder
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.make.drawn import DATASET as DRAWN
from synthesight.stimuli.make.drawn import drawn_cue_conflict
from synthesight.stimuli.make.manipulations import MANIPULATIONS
from synthesight.stimuli.make.published import make_dataset
from synthesight.stimuli.prefetch import read_ahead
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.people import load_human_trials

SIDE = 32  # of the images that all of these observers see, in pixels
PUBLISHED = ("cue-conflict", "edge", "silhouette")  # which people were shown too
CLEAN = "test images"
MANIPULATED = "twelve manipulations"
NOISE = DiffusionNoise()  # at test
DRAWS = 32  # a class at most, of generative models beside


@dataclass(frozen=True)
class AugmentationOptions:
    """What defines the experiment.

    Attributes
    ----------
    epochs, batch_size
        Length of each training.
    seeds
        Trainings of each kind.
    sigma
        Standard deviation of Gaussian noise, for images in [0, 1].
    blur
        Standard deviation of blur, in pixels.
    per_class
        Test images of each class to manipulate.
    """

    epochs: int = 9
    batch_size: int = 128
    seeds: int = 3
    sigma: float = 0.5
    blur: float = 1.0
    per_class: int = 14

    @property
    def kinds(self) -> dict[str, str]:
        """Each kind of training with its augmentation."""
        return {
            "plain": "none",
            "diffusion-noise": "diffusion-noise",
            "gaussian-noise": f"gaussian-noise:{self.sigma:g}",
            "blur": f"blur:{self.blur:g}",
        }

    def trainings(self) -> dict[str, DiscriminativeOptions]:
        """Return the options of each training, by its name."""
        return {
            f"{kind}-{seed}": DiscriminativeOptions(
                epochs=self.epochs,
                batch_size=self.batch_size,
                augmentation=augmentation,
                seed=seed,
                save_every=500,
            )
            for kind, augmentation in self.kinds.items()
            for seed in range(self.seeds)
        }


def run_augmentation(
    train: str | Path,
    test: str | Path,
    out: Path,
    options: AugmentationOptions,
    *,
    device: torch.device,
    data: str | Path | None = None,
    beside: Sequence[str] = ("natural-32",),
    jobs: int | None = None,
    parallel: int = 1,
) -> pl.DataFrame:
    """Train, show stimuli, and measure; go on where an earlier call with the same ``out`` stopped.

    Parameters
    ----------
    train, test
        Labelled images of CIFAR-10's classes, or of others that have the seven which CIFAR-10
        shares with the 16 categories.
    out
        Folder of the experiment: ``trained/``, ``stimuli/``, ``runs/``, ``trials.parquet`` and
        ``figures.parquet``.
    device
        Where to train and to evaluate.
    data
        Folder of the published stimuli and of people's trials; those that are missing are left out.
    beside
        Other models to show the same stimuli to.
    jobs
        Processes that make stimuli; None for one a processor.
    parallel
        Trainings at once.

    Returns
    -------
    A row a figure: columns observer, kind (of training), seed, noise (at test), measure, dataset
    and value.
    """
    check_same(out, options)
    trainings = options.trainings()
    images = open_images(train)
    known = Vocabulary(images.names)
    if missing := [name for name in SHARED_SEVEN if name not in known]:
        raise SynthesightError(
            f"{train} has no images of {', '.join(missing)}: train on all seven categories of "
            f"{', '.join(SHARED_SEVEN)}, such as on CIFAR-10."
        )
    with trained(images, trainings, out / "trained", device, parallel):
        shown = [*clean_stimuli(test, options.per_class), *conflict_stimuli(data)]
        manipulated = manipulated_stimuli(test, out / "stimuli", options.per_class, jobs)
    tables = []
    for name in trainings:
        network = open_trained(out / "trained" / name / "model", name=name, device=device)
        noisy = WithNoise(network, NOISE)
        for observer, stimuli in ((network, [*shown, *manipulated]), (noisy, shown)):
            run = synthesight.evaluate(
                observer, stimuli, out / "runs" / observer.name, classes=SHARED_SEVEN, progress=True
            )
            tables.append(run.trials())
    for name in beside:
        more: EvaluateKeywords = {"classes": SHARED_SEVEN, "device": str(device)}
        if is_generative(name):
            more["max_draws"] = DRAWS
        place = out / "runs" / Path(name).name
        run = synthesight.evaluate(name, [*shown, *manipulated], place, progress=True, **more)
        tables.append(run.trials())
    trials = pl.concat(tables, how="diagonal_relaxed")
    with files.whole(out / "trials.parquet") as unfinished:
        trials.write_parquet(unfinished)
    found = figures(trials, data)
    with files.whole(out / "figures.parquet") as unfinished:
        found.write_parquet(unfinished)
    return found


def is_generative(name: str) -> bool:
    """Say whether a model of the zoo is a generative one that takes draws."""
    from synthesight.observers.registry import entries

    entry = entries().get(name)
    return entry is not None and entry.kind == "generative"


def check_same(out: Path, options: Any) -> None:
    """Refuse to mix experiments of different options in one folder."""
    out.mkdir(parents=True, exist_ok=True)
    path, given = out / "experiment.json", json.loads(json.dumps(asdict(options)))
    if path.is_file() and (was := json.loads(path.read_text("utf-8"))) != given:
        key = next(key for key in given if was.get(key) != given[key])
        raise SynthesightError(
            f"{out} holds an experiment with `{key}={was.get(key)!r}`, not {given[key]!r}: use the "
            "same options to go on, or another `out`."
        )
    files.write(path, json.dumps(given) + "\n")


def _of_seven(test: str | Path, per_class: int) -> list[Stimulus]:
    """Return a sample of the test images that show one of the seven shared categories."""
    chosen = sample(answerable(find_stimuli(str(test)), SHARED_SEVEN), per_category=per_class)
    return [replace(each, dataset=CLEAN) for each in chosen]


def clean_stimuli(test: str | Path, per_class: int) -> list[Stimulus]:
    """Return the unchanged test images: three times as many as are manipulated."""
    return in_memory(_of_seven(test, 3 * per_class))


def conflict_stimuli(data: str | Path | None) -> list[Stimulus]:
    """Return the published stimuli that are here, and the drawn cue conflict."""
    here = [name for name in PUBLISHED if local_folder(name, data) is not None]
    published = answerable(find_stimuli(here, data=data), SHARED_SEVEN) if here else []
    drawn = drawn_cue_conflict(shapes=SHARED_SEVEN, textures=SHARED_SEVEN, per_pair=2, size=112)
    return in_memory([*published, *drawn])


def manipulated_stimuli(
    test: str | Path, out: Path, per_class: int, jobs: int | None = None
) -> list[Stimulus]:
    """Make the twelve manipulations of test images, at their published size and conditions.

    Conditions that the benchmark leaves out are not made.
    """
    photographs = _of_seven(test, per_class)
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(jobs or os.cpu_count() or 1, mp_context=context) as pool,
        Progress("Making manipulated images", len(MANIPULATIONS), show=True) as far,
    ):
        for manipulation in MANIPULATIONS:
            known = dataset(manipulation)
            conditions = [each for each in known.conditions if each not in known.trivial]
            made = out / f"{manipulation}.made"
            if not made.is_file():
                make_dataset(
                    photographs, manipulation, out / manipulation, conditions=conditions, pool=pool
                )
                files.write(made, "")
            far.advance()
    return in_memory(find_stimuli([out / name for name in MANIPULATIONS]))


def in_memory(stimuli: Sequence[Stimulus]) -> list[Stimulus]:
    """Return stimuli scaled to what these observers see: many observers, but one reading.

    Raises
    ------
    SynthesightError
        If one of them cannot be read.
    """
    found = []
    for stimulus, image, error in read_ahead(stimuli, SIDE):
        if image is None:
            raise SynthesightError(str(error))
        found.append(replace(stimulus, source=Image.fromarray(image)))
    return found


def figures(trials: pl.DataFrame, data: str | Path | None = None) -> pl.DataFrame:
    """Return every figure of every observer; see :func:`run_augmentation`."""
    bias = shape_bias(
        trials.filter(pl.col("dataset").is_in(["cue-conflict", DRAWN])),
        ["observer", "dataset"],
        resamples=0,
    )
    right = accuracy(
        trials.filter(pl.col("dataset") != DRAWN), ["observer", "dataset"], resamples=0
    )
    tables = [_long(bias, "shape bias"), _long(right, "accuracy")]
    manipulated = right.filter(pl.col("dataset").is_in(list(MANIPULATIONS)))
    mean = manipulated.group_by("observer", maintain_order=True).agg(pl.col("estimate").mean())
    tables.append(_long(mean.with_columns(dataset=pl.lit(MANIPULATED)), "accuracy"))
    for name in PUBLISHED:
        own = trials.filter(pl.col("dataset") == name)
        people = _people(name, data)
        if own.is_empty() or people is None:
            continue
        people = people.join(own.select("image").unique(), on="image", how="semi")
        both = pl.concat([own, people], how="diagonal_relaxed")
        agreed = error_consistency(both, resamples=0)
        tables.append(_long(agreed.with_columns(dataset=pl.lit(name)), "error consistency"))
    split = pl.col("observer").str.split("+").list
    training = split.first().str.extract_groups(r"^(?<kind>.*)-(?<seed>\d+)$")
    trained = split.first().str.contains(r"-\d$")
    return pl.concat(tables).with_columns(
        kind=pl.when(trained).then(training.struct.field("kind")).otherwise(split.first()),
        seed=pl.when(trained).then(training.struct.field("seed").cast(pl.Int64)),
        noise=pl.col("observer").str.ends_with(f"+{name_of(NOISE)}"),
    )


def _people(name: str, data: str | Path | None) -> pl.DataFrame | None:
    try:
        return load_human_trials(data, [name])
    except SynthesightError:
        return None


def _long(table: pl.DataFrame, measure: str) -> pl.DataFrame:
    return table.select(
        "observer",
        "dataset",
        measure=pl.lit(measure),
        value=pl.col("estimate").cast(pl.Float64),
    )

"""Train two kinds of learners on images whose shape and texture agree; let them conflict in a test.

Which cue a learner then follows is its own choice: in training, either alone would do. The images
are drawn, so shapes and textures are known exactly, and a generative and a discriminative learner
see the same ones, equally often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

import synthesight
from synthesight import files
from synthesight.analysis import accuracy, shape_bias
from synthesight.experiments import generative, weighting
from synthesight.experiments.augmentation import SIDE, check_same, in_memory
from synthesight.experiments.discriminative import DiscriminativeOptions
from synthesight.experiments.generative import GenerativeOptions
from synthesight.experiments.images import LabelledImages
from synthesight.experiments.side_by_side import train_each
from synthesight.observers.discriminative.trained import open_trained
from synthesight.observers.observer import Observer
from synthesight.progress import Progress
from synthesight.stimuli.categories import SIXTEEN
from synthesight.stimuli.make.drawn import (
    BACKGROUND,
    DATASET,
    drawn_cue_conflict,
    drawn_objects,
)
from synthesight.stimuli.make.shapes import silhouette
from synthesight.stimuli.make.textures import texture
from synthesight.stimuli.stimulus import Stimulus

DRAWN_SIDE = 2 * SIDE  # scaled down, so that outlines are smooth
TRAINING_SEED, TEST_SEED = 1, 2  # of poses and grains: no image of the test was trained on
AGREE, SHAPE, TEXTURE = "agreeing cues", "shape alone", "texture alone"
TESTS = (AGREE, DATASET, SHAPE, TEXTURE)
__all__ = ["DATASET", "CuesOptions", "run_cues"]

LEARNERS = ("generative", "discriminative", "discriminative-noise")


@dataclass(frozen=True)
class CuesOptions:
    """What defines the experiment.

    Attributes
    ----------
    steps, batch_size
        Length of the generative training; the discriminative ones see as many images.
    per_category
        Training images of each of the 16 categories.
    width, depth
        Of the generative transformer.
    widths
        Channels of the discriminative network's stages.
    draws
        Draws of a class at most, when the generative learner answers.
    fitted
        Images that its time weighting is fitted to.
    seeds
        Trainings of each learner.
    """

    steps: int = 2000
    batch_size: int = 64
    per_category: int = 200
    width: int = 64
    depth: int = 6
    widths: tuple[int, ...] = (16, 32, 64)
    draws: int = 64
    fitted: int = 96
    seeds: int = 1

    def generative(self, seed: int) -> GenerativeOptions:
        """Return the options of a generative training."""
        return GenerativeOptions(
            steps=self.steps,
            batch_size=self.batch_size,
            width=self.width,
            heads=max(1, self.width // 64),
            depth=self.depth,
            grounded=0.0,
            seed=seed,
        )

    def discriminative(self, seed: int, augmentation: str) -> DiscriminativeOptions:
        """Return the options of a discriminative training that sees as many images."""
        size = 2 * self.batch_size
        per_epoch = len(SIXTEEN) * self.per_category // size * size
        return DiscriminativeOptions(
            epochs=max(1, round(self.steps * self.batch_size / max(1, per_epoch))),
            batch_size=size,
            widths=self.widths,
            augmentation=augmentation,
            shift=0,
            seed=seed,
        )


def run_cues(out: Path, options: CuesOptions, *, device: torch.device) -> pl.DataFrame:
    """Draw, train, show and measure; go on where an earlier call with the same ``out`` stopped.

    Parameters
    ----------
    out
        Folder of the experiment: ``trained/``, ``runs/``, ``trials.parquet``, ``figures.parquet``.
    device
        Where to train and to evaluate.

    Returns
    -------
    A row a figure: columns observer, kind (of learner), seed, noise, measure, dataset, value.
    """
    check_same(out, options)
    images = training_images(options.per_category)
    shown = in_memory(list(test_stimuli()))
    tables = []
    for seed in range(options.seeds):
        for learner in LEARNERS:
            observer = _learner(learner, seed, images, out / "trained", options, device)
            observer.name = f"{learner}-{seed}"
            run = synthesight.evaluate(
                observer, shown, out / "runs" / observer.name, classes=SIXTEEN, progress=True
            )
            tables.append(run.trials().with_columns(learner=pl.lit(learner), training=seed))
    trials = pl.concat(tables, how="diagonal_relaxed")
    with files.whole(out / "trials.parquet") as unfinished:
        trials.write_parquet(unfinished)
    found = figures(trials)
    with files.whole(out / "figures.parquet") as unfinished:
        found.write_parquet(unfinished)
    return found


def training_images(per_category: int) -> LabelledImages:
    """Draw the images that all learners are trained on: every shape in its own texture."""
    drawn = drawn_objects(per_category=per_category, size=DRAWN_SIDE, seed=TRAINING_SEED)
    labels = [SIXTEEN.index(str(each.category)) for each in drawn]
    return LabelledImages.from_stimuli(drawn, labels, list(SIXTEEN), SIDE, progress=False)


def test_stimuli() -> Iterator[Stimulus]:
    """Draw the test: both cues in agreement and in conflict, and either cue alone."""
    for each in drawn_objects(per_category=5, size=DRAWN_SIDE, seed=TEST_SEED):
        yield replace(each, dataset=AGREE)
    yield from drawn_cue_conflict(per_pair=1, size=DRAWN_SIDE, seed=TEST_SEED)
    for category in SIXTEEN:
        for number in range(5):
            chance = np.random.default_rng([TEST_SEED, SIXTEEN.index(category), number, 7])
            filled = Image.new("RGB", (DRAWN_SIDE, DRAWN_SIDE), BACKGROUND)
            colour = tuple(int(value) for value in chance.integers(0, 256, 3))
            mask = silhouette(
                category,
                DRAWN_SIDE,
                scale=chance.uniform(0.82, 0.96),
                angle=chance.uniform(-8, 8),
                mirrored=bool(chance.random() < 0.5),
            )
            filled.paste(colour, mask=mask)
            surface = Image.fromarray(texture(category, DRAWN_SIDE, chance))
            for dataset, image in ((SHAPE, filled), (TEXTURE, surface)):
                name = f"{dataset}/{category}/{category}{number}.png"
                yield Stimulus(name, image, dataset, category=category)


def _learner(
    learner: str,
    seed: int,
    images: LabelledImages,
    trained: Path,
    options: CuesOptions,
    device: torch.device,
) -> Observer:
    """Train a learner, if that is not done, and open it."""
    folder = trained / f"{learner}-{seed}"
    if learner == "generative":
        recipe = options.generative(seed)
        with Progress(f"Training {folder.name}", recipe.steps, show=True) as far:
            model = generative.train(
                images,
                folder,
                recipe,
                device=device,
                report=lambda step, loss: far.at(step, f"loss {loss:.3f}"),
            )
        if not (folder / "fitted").is_file():
            total = weighting.evaluations(images, options.fitted)
            with Progress("Fitting its time weighting", total, show=True) as far:
                weighting.measure(images, model, device=device, count=options.fitted, report=far.at)
            files.write(folder / "fitted", "")
        return synthesight.load(model, device=str(device), max_draws=options.draws)
    augmentation = "diffusion-noise" if "noise" in learner else "none"
    one = options.discriminative(seed, augmentation)
    train_each(images, {folder.name: one}, trained, device)
    return open_trained(folder / "model", device=device)


def figures(trials: pl.DataFrame) -> pl.DataFrame:
    """Return every figure of every learner; see :func:`run_cues`."""
    by = ["observer", "learner", "training", "dataset"]
    bias = shape_bias(trials.filter(dataset=DATASET), by, resamples=0)
    right = accuracy(trials.filter(pl.col("dataset") != DATASET), by, resamples=0)
    return pl.concat(
        table.select(
            "observer",
            kind="learner",
            seed="training",
            noise=pl.lit(False),
            measure=pl.lit(measure),
            dataset="dataset",
            value=pl.col("estimate").cast(pl.Float64),
        )
        for table, measure in ((bias, "shape bias"), (right, "accuracy"))
    )

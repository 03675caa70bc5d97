"""Accuracy, shape bias and other shares: these, new stimuli, new people, and both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from scipy.special import expit

from designs import Found, Simulate, design, intervals, trials_of
from synthesight.analysis import Population, accuracy, ood_accuracy, shape_bias

PEOPLE = 6


def declared(name: str, measure: str, population: Population, simulate: Callable[..., Found],
             **options: float | str) -> None:  # fmt: skip
    """Declare a design of a function with options."""
    made: Simulate = partial(simulate, population=population, **options)
    design(measure, name, population)(made)


def one_observer(
    n: int, studies: int, rng: np.random.Generator, *,
    population: Population, level: float, spread: float,
) -> Found:  # fmt: skip
    """Simulate an observer whose images differ in difficulty, in logits."""
    ease = rng.normal(0, spread, (studies, 1, n))
    trials = trials_of(rng.random(ease.shape) < expit(level + ease), ["m"])
    chance = expit(level + ease)
    truth = chance.mean(axis=(1, 2)) if population == "these" else mean_of(level, spread)
    return Found(*intervals(accuracy(trials, population=population)), truth)


def people(
    n: int, studies: int, rng: np.random.Generator, *,
    population: Population, level: float, ability: float, spread: float, count: int = PEOPLE,
) -> Found:  # fmt: skip
    """Simulate people of different ability on the same n images of different difficulty."""
    able = rng.normal(0, ability, (studies, count, 1))
    ease = rng.normal(0, spread, (studies, 1, n))
    chance = expit(level + able + ease)
    names = [f"subject-{number}" for number in range(count)]
    trials = trials_of(rng.random(chance.shape) < chance, names, "human")
    found = accuracy(trials, by=["dataset"], population=population)
    return Found(
        *intervals(found), people_truth(population, chance, level, able, ease, ability, spread)
    )


def people_truth(
    population: Population, chance: np.ndarray, level: float, able: np.ndarray, ease: np.ndarray,
    ability: float, spread: float,
) -> np.ndarray | float:  # fmt: skip
    """Return the true accuracy in each study, of the population."""
    if population == "these":
        return chance.mean(axis=(1, 2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    if population == "new-stimuli":
        return np.asarray((expit(level + able + spread * nodes) * weights).sum(axis=2).mean(axis=1))
    if population == "new-people":
        of_image = (expit(level + ease[:, 0, :, None] + ability * nodes) * weights).sum(axis=2)
        return np.asarray(of_image.mean(axis=1))
    return mean_of(level, float(np.hypot(ability, spread)))


def mean_of(level: float, spread: float) -> float:
    """Return the mean of expit(level + spread · z) of a normal z."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((expit(level + spread * nodes) * weights).sum() / weights.sum())


def cue_conflict(
    n: int, studies: int, rng: np.random.Generator, *,
    population: Population, level: float, shapes: float, textures: float, named: float = 0.65,
) -> Found:  # fmt: skip
    """Simulate n images of n / 8 shapes and 3 n / 80 textures, at least 4, as published ones are.

    Each image is a shape in one of the textures; the odds of a decision for the shape depend on
    both.
    """
    count_shapes, count_textures = max(4, n // 8), max(4, 3 * n // 80)
    shape = np.arange(n) % count_shapes
    texture = (np.arange(n) // count_shapes + np.arange(n) * 7) % count_textures
    by_shape = rng.normal(0, shapes, (studies, count_shapes))[:, shape]
    by_texture = rng.normal(0, textures, (studies, count_textures))[:, texture]
    chance = expit(level + by_shape + by_texture)
    image = np.array(
        [f"cat{s}-dog{t}_{k}.png" for k, (s, t) in enumerate(zip(shape, texture, strict=True))]
    )
    trials = trials_of((rng.random(chance.shape) < chance)[:, None], ["m"], image=image)
    other = rng.random(len(trials)) >= named
    trials = trials.with_columns(
        response=pl.when(pl.Series(other)).then(pl.lit("oven")).otherwise("response"),
        texture=pl.lit("dog"),
        shape_image=pl.col("stimulus").str.extract(r"^([a-z]+\d+)"),
        texture_image=pl.col("stimulus").str.extract(r"-([a-z]+\d+)"),
    )
    truth: float | np.ndarray = mean_of(level, float(np.hypot(shapes, textures)))
    if population == "these":
        truth = chance.mean(axis=1)
    return Found(*intervals(shape_bias(trials, population=population)), truth)


def conditions(
    n: int, studies: int, rng: np.random.Generator, *,
    population: Population, spread: float,
) -> Found:  # fmt: skip
    """Simulate an observer on n images, of which each of four conditions has a quarter."""
    levels = np.array([3.0, 1.5, 0.0, -2.0])
    condition = np.arange(n) % len(levels)
    ease = rng.normal(0, spread, (studies, 1, n))
    chance = expit(levels[condition] + ease)
    trials = trials_of(rng.random(chance.shape) < chance, ["m"])
    number = pl.col("stimulus").str.extract(r"(\d+)").cast(pl.Int64) % len(levels)
    trials = trials.with_columns(condition=pl.format("c{}", number))
    found = ood_accuracy(trials, by=["observer", "dataset"], population=population)
    return Found(*intervals(found), float(np.mean([mean_of(level, spread) for level in levels])))


for _level, _label in ((0.0, ".5"), (1.0, ".7"), (3.5, ".95")):
    declared(f"one observer, {_label}", "accuracy", "new-stimuli", one_observer,
             level=_level, spread=1.0)  # fmt: skip
declared("one observer, .7, images of one difficulty", "accuracy", "these", one_observer,
         level=0.85, spread=0.0)  # fmt: skip
declared("one observer, .7", "accuracy", "these", one_observer, level=1.0, spread=1.0)
_POPULATIONS: tuple[Population, ...] = (
    "these", "new-stimuli", "new-people", "new-people-and-stimuli",
)  # fmt: skip
for _population in _POPULATIONS:
    declared("6 people, .8", "accuracy", _population, people, level=1.6, ability=0.5, spread=1.0)
for _count in (4, 10):
    for _population in ("new-people", "new-people-and-stimuli"):
        declared(f"{_count} people, .8", "accuracy", _population, people, level=1.6, ability=0.5,
                 spread=1.0, count=_count)  # fmt: skip
declared("6 people, .95", "accuracy", "new-people-and-stimuli", people, level=3.5, ability=0.7,
         spread=1.0)  # fmt: skip
declared("6 people, all alike", "accuracy", "new-people-and-stimuli", people, level=1.6,
         ability=0.0, spread=1.0)  # fmt: skip
declared("shapes and textures matter, .25", "shape bias", "new-stimuli", cue_conflict, level=-1.4,
         shapes=0.7, textures=0.9)  # fmt: skip
declared("neither matters, .2", "shape bias", "new-stimuli", cue_conflict, level=-1.4, shapes=0.0,
         textures=0.0)  # fmt: skip
declared("both matter, .9", "shape bias", "new-stimuli", cue_conflict, level=2.6, shapes=0.7,
         textures=0.7)  # fmt: skip
declared("both matter, .25", "shape bias", "these", cue_conflict, level=-1.4, shapes=0.7,
         textures=0.9)  # fmt: skip
declared("four conditions", "OOD accuracy", "new-stimuli", conditions, spread=1.0)

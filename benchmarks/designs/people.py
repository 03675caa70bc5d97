"""Models beside people: κ for new people, differences from people, and ranks.

Images are easy or hard. On hard ones people differ in how often they are right, as a Beta
distribution has it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
from scipy.special import expit
from scipy.stats import beta, rankdata

from designs import Found, design, intervals, trials_of
from designs.agreement import agreement, answers
from designs.shares import mean_of, people_truth
from synthesight.analysis import (
    Population,
    benchmark,
    difference_from_people,
    error_consistency,
    kappa,
    squared_accuracy_difference,
)

HARD = 0.4  # share of images
EASY = 0.97  # how often people are right on the others
WITH_STIMULI: Population = "new-people-and-stimuli"


def among_people(right: np.ndarray, models: int) -> pl.DataFrame:
    """Return trials of so many models, then people: see :func:`trials_of`."""
    names = [f"model{n}" for n in range(models)]
    names += [f"person{n}" for n in range(right.shape[1] - models)]
    is_model = pl.col("observer").str.starts_with("model")
    kind = pl.when(is_model).then(pl.lit("discriminative")).otherwise(pl.lit("human"))
    return trials_of(right, names).with_columns(kind=kind)


def new_people(
    n: int, studies: int, rng: np.random.Generator, *,
    population: Population, people: int, model: tuple[float, float], spread: tuple[float, float],
) -> Found:  # fmt: skip
    """Simulate a model, and people who are right on hard images as Beta(spread) has it.

    A model's answers to the same images stay what they are; other images have other answers.
    """
    is_hard = rng.random((studies, n)) < HARD
    able = beta(*spread).rvs((studies, people, 1), random_state=rng)
    chance = np.where(is_hard[:, None], able, EASY)
    own = np.where(is_hard, model[1], model[0])[:, None]
    right = rng.random((studies, people + 1, n)) < np.concatenate([own, chance], axis=1)
    trials = among_people(right, 1)
    found = error_consistency(trials, by="dataset", population=population)
    others = beta(*spread).ppf((np.arange(400) + 0.5) / 400)[:, None]
    hard, easy_right, hard_right = (np.full(studies, share) for share in
                                    (HARD, (1 - HARD) * model[0], HARD * model[1]))  # fmt: skip
    if population == "new-people":
        hard, easy_right, hard_right = (
            each.mean(axis=1) for each in (is_hard, right[:, 0] & ~is_hard, right[:, 0] & is_hard)
        )
    p, q = easy_right + hard_right, EASY * (1 - hard) + others * hard
    observed = 1 - p - q + 2 * (EASY * easy_right + others * hard_right)
    truth = kappa(observed, p * q + (1 - p) * (1 - q)).mean(axis=0)
    return Found(*intervals(found.filter(observer="model0")), truth)


for _population in ("new-people", WITH_STIMULI):
    for _people, _spread, _label in (
        (4, (6.0, 6.0), "people of .78"),
        (10, (6.0, 6.0), "people of .78"),
        (10, (20.0, 2.0), "people of .95"),
    ):
        _model = (0.95, 0.4) if _spread[1] > 2 else (0.98, 0.85)
        design("mean κ, people differ", f"{_people} {_label}", _population)(
            partial(new_people, population=_population, people=_people, model=_model,
                    spread=_spread)
        )  # fmt: skip


def squared(
    n: int, studies: int, rng: np.random.Generator, *,
    model: tuple[float, float], person: tuple[float, float],
) -> Found:  # fmt: skip
    right = answers(HARD, np.array([model, *[person] * 4]), (studies, n), rng)
    found = squared_accuracy_difference(among_people(right, 1), by="dataset")
    share = np.array([1 - HARD, HARD])
    truth = float(share @ (np.array(model) - np.array(person))) ** 2
    return Found(*intervals(found.filter(observer="model0")), truth)


for _model, _person in (
    ((0.9, 0.3), (0.95, 0.5)),
    ((0.95, 0.5), (0.95, 0.5)),
    ((0.98, 0.9), (0.98, 0.95)),
    ((0.6, 0.2), (0.98, 0.7)),
):
    _share = np.array([1 - HARD, HARD])
    design(
        "squared accuracy difference",
        f"accuracies {_share @ _model:.2f}, {_share @ _person:.2f}; 4 people",
        "new-stimuli",
    )(partial(squared, model=_model, person=_person))


def apart(
    n: int, studies: int, rng: np.random.Generator, *,
    population: Population, model: float, level: float, ability: float, people: int,
) -> Found:  # fmt: skip
    """Simulate a model and people of different ability on the same images."""
    ease = rng.normal(0, 1, (studies, 1, n))
    able = rng.normal(0, ability, (studies, people, 1))
    chance = expit(level + able + ease)
    own = expit(model + ease)
    right = rng.random((studies, people + 1, n)) < np.concatenate([own, chance], axis=1)
    found = difference_from_people(among_people(right, 1), population=population)
    of_people = people_truth(population, chance, level, able, ease, ability, 1.0)
    of_images = own.mean(axis=(1, 2)) if population == "new-people" else mean_of(model, 1.0)
    return Found(*intervals(found), of_images - of_people)


for _population in ("new-stimuli", "new-people", WITH_STIMULI):
    design("accuracy less people's", "model .7, 6 people of .8", _population)(
        partial(apart, population=_population, model=1.0, level=1.6, ability=0.5, people=6)
    )
for _population in ("new-stimuli", WITH_STIMULI):
    design("accuracy less people's", "model .95, 6 people of .95", _population)(
        partial(apart, population=_population, model=3.5, level=3.5, ability=0.7, people=6)
    )


def ranks(
    n: int, studies: int, rng: np.random.Generator, *, models: tuple[tuple[float, float], ...]
) -> Found:
    """Simulate models and four people; each study tells of one model's mean rank."""
    person = np.array([0.95, 0.5])
    observers = np.array([*models, *[person] * 4])
    share = np.array([1 - HARD, HARD])
    distance = [float(share @ (np.array(each) - person)) ** 2 for each in models]
    observed, kappas = np.array([agreement(HARD, np.array(each), person) for each in models]).T
    rounded = np.round([distance, -observed, -kappas], 9)
    truth = np.mean([rankdata(each) for each in rounded], axis=0)
    ends, chosen = [], rng.integers(0, len(models), studies)
    for right, which in zip(answers(HARD, observers, (studies, n), rng), chosen, strict=True):
        table = benchmark(among_people(right[None], len(models)))
        row = table.row(by_predicate=pl.col("observer") == f"model{which}", named=True)
        ends.append([row[f"mean_rank_{end}"] for end in ("low", "high")])
    low, high = np.array(ends, dtype=np.float64).T
    return Found(low, high, truth[chosen])


design("mean rank", "5 models, far apart", "new-stimuli")(
    partial(ranks, models=((0.9, 0.2), (0.95, 0.5), (0.8, 0.3), (0.6, 0.5), (0.99, 0.8)))
)
design("mean rank", "5 models, close together", "new-stimuli")(
    partial(ranks, models=((0.9, 0.3), (0.92, 0.31), (0.91, 0.33), (0.9, 0.35), (0.93, 0.36)))
)
design("mean rank", "5 models near the ceiling", "new-stimuli")(
    partial(ranks, models=((0.99, 0.9), (0.98, 0.92), (0.97, 0.95), (0.99, 0.96), (0.98, 0.98)))
)

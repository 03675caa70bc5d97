"""Agreement of errors, and paired tests: of two observers, with people, near the ceiling.

Images are easy or hard, and each observer is right with a probability of its own on either. Errors
agree because the hard images are the same for all; accuracies and κ follow in closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from designs import Found, design, intervals, trials_of
from synthesight.analysis import (
    compare,
    error_consistency,
    joint_probabilities,
    kappa,
    observed_consistency,
    pairwise_consistency,
)
from synthesight.errors import SynthesightError

# Accuracies of two observers, and their κ.
PAIRS = (
    (0.5, 0.5, 0.0), (0.5, 0.7, 0.4), (0.8, 0.7, 0.3), (0.8, 0.8, 0.8), (0.9, 0.9, 0.0),
    (0.9, 0.8, 0.4), (0.95, 0.9, 0.2), (0.95, 0.95, 0.6), (0.99, 0.9, 0.0), (0.99, 0.99, 0.4),
)  # fmt: skip
# Share of hard images; on easy and hard ones, how often the model and a person are right.
CROWDS = (
    (0.4, (0.9, 0.3), (0.95, 0.5)),
    (0.3, (0.98, 0.6), (0.98, 0.6)),
    (0.1, (1.0, 0.5), (1.0, 0.5)),
    (0.2, (0.99, 0.8), (1.0, 0.6)),
    (0.4, (0.98, 0.98), (0.95, 0.5)),
    (0.1, (1.0, 0.9), (1.0, 0.7)),
)


def answers(
    hard: float, observers: np.ndarray, shape: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Return who was right: bool, shape (studies, observers, images).

    Parameters
    ----------
    observers
        float64, shape (O, 2): how often each is right on easy and on hard images.
    shape
        Studies and images.
    """
    is_hard = (rng.random(shape) < hard).astype(np.int64)
    chance = observers[:, is_hard].transpose(1, 0, 2)
    return rng.random(chance.shape) < chance


def agreement(hard: float, one: np.ndarray, two: np.ndarray) -> tuple[float, float]:
    """Return the observed agreement and κ of two observers."""
    share = np.array([1 - hard, hard])
    p, q, both = share @ one, share @ two, share @ (one * two)
    observed = 1 - p - q + 2 * both
    return float(observed), float(kappa(observed, p * q + (1 - p) * (1 - q)))


def pair(
    n: int, studies: int, rng: np.random.Generator,
    *, first: float, second: float, true: float,
) -> Found:  # fmt: skip
    cells = joint_probabilities(first, second, true)
    outcome = rng.choice(4, size=(studies, n), p=cells / cells.sum())
    right = np.stack([outcome < 2, outcome % 2 == 0], axis=1)
    found = pairwise_consistency(trials_of(right, ["a", "b"]))
    # A study without any p-value rejects nothing.
    p = found["p"].fill_null(1.0).to_numpy() if true == 0 else None
    return Found(*intervals(found), true, p)


for _first, _second, _true in PAIRS:
    design("κ", f"accuracies {_first}, {_second}; κ {_true}", "new-stimuli")(
        partial(pair, first=_first, second=_second, true=_true)
    )


def crowd(
    n: int, studies: int, rng: np.random.Generator,
    *, hard: float, model: tuple[float, float], person: tuple[float, float],
    conditions: int, people: int, measure: Callable[..., pl.DataFrame], which: int,
) -> Found:  # fmt: skip
    observers = np.array([model, *[person] * people])
    names = ["model", *(f"person{number}" for number in range(people))]
    tables = []
    for condition in range(conditions):
        right = answers(hard, observers, (studies, n), rng)
        image = np.array([f"{condition}-{number}.png" for number in range(n)])
        table = trials_of(right, names, image=image)
        tables.append(table.with_columns(condition=pl.lit(str(condition))))
    is_person = pl.col("observer") != "model"
    trials = pl.concat(tables).with_columns(
        kind=pl.when(is_person).then(pl.lit("human")).otherwise("kind")
    )
    found = measure(trials, by="dataset").filter(observer="model")
    truth = agreement(hard, observers[0], observers[1])[which]
    p = None
    if measure is error_consistency and abs(truth) < 1e-9:
        p = found["p"].fill_null(1.0).to_numpy()
    return Found(*intervals(found), truth, p)


for _hard, _model, _person in CROWDS:
    for _conditions, _people in ((1, 4), (1, 10), (6, 4)):
        for _measure, _which, _name in (
            (error_consistency, 1, "mean κ"),
            (observed_consistency, 0, "observed consistency"),
        ):
            _share = np.array([1 - _hard, _hard])
            design(
                _name,
                f"accuracies {_share @ _model:.2f}, {_share @ _person:.2f}; {_people} people, "
                f"{_conditions} conditions",
                "new-stimuli",
            )(
                partial(
                    crowd, hard=_hard, model=_model, person=_person, conditions=_conditions,
                    people=_people, measure=_measure, which=_which,
                )
            )  # fmt: skip


def compared(trials: pl.DataFrame, measure: str, truth: float) -> Found:
    """Compare the observers ``a`` and ``b`` of every study, with the person if there is one."""
    found = []
    for study in trials.partition_by("dataset"):
        try:
            each = compare(study, "a", "b", measure=measure)
            found.append((each.low, each.high, each.p))
        except SynthesightError:  # the measure is undefined: nothing is rejected
            found.append((np.nan, np.nan, 1.0))
    low, high, p = np.array(found).T
    return Found(low, high, truth, None if truth else np.nan_to_num(p, nan=1.0))


def accuracies(
    n: int, studies: int, rng: np.random.Generator,
    *, hard: float, a: tuple[float, float], b: tuple[float, float],
) -> Found:  # fmt: skip
    right = answers(hard, np.array([a, b]), (studies, n), rng)
    truth = float(np.array([1 - hard, hard]) @ (np.array(a) - np.array(b)))
    return compared(trials_of(right, ["a", "b"]), "accuracy", round(truth, 9))


for _hard, _a, _b in (
    (0.4, (0.9, 0.4), (0.9, 0.4)),
    (0.2, (1.0, 0.75), (1.0, 0.75)),
    (0.1, (1.0, 0.9), (1.0, 0.9)),
    (0.2, (0.95, 0.95), (1.0, 0.75)),
    (0.4, (0.9, 0.5), (0.9, 0.4)),
    (0.1, (1.0, 0.9), (1.0, 0.5)),
):
    _share = np.array([1 - _hard, _hard])
    design("compare accuracy", f"accuracies {_share @ _a:.2f}, {_share @ _b:.2f}", "new-stimuli")(
        partial(accuracies, hard=_hard, a=_a, b=_b)
    )


def kappas(
    n: int, studies: int, rng: np.random.Generator,
    *, accuracy: float, own: tuple[float, float], true: tuple[float, float],
) -> Found:  # fmt: skip
    """One person and two models, independent of each other given the person."""
    person = rng.random((studies, n)) < accuracy
    models = []
    for each, wanted in zip(own, true, strict=True):
        both, one, _, _ = joint_probabilities(each, accuracy, wanted)
        chance = np.where(person, both / accuracy, one / (1 - accuracy))
        models.append(rng.random((studies, n)) < chance)
    trials = trials_of(np.stack([*models, person], axis=1), ["a", "b", "p"])
    trials = trials.with_columns(kind=pl.when(observer="p").then(pl.lit("human")).otherwise("kind"))
    return compared(trials, "error_consistency", true[0] - true[1])


for _accuracy, _own, _both in (
    (0.8, (0.7, 0.7), (0.3, 0.3)),
    (0.8, (0.9, 0.5), (0.2, 0.2)),
    (0.9, (0.95, 0.6), (0.1, 0.1)),
    (0.95, (0.95, 0.95), (0.4, 0.4)),
    (0.9, (0.99, 0.9), (0.0, 0.0)),
    (0.99, (0.99, 0.95), (0.2, 0.2)),
    (0.8, (0.7, 0.7), (0.45, 0.3)),
    (0.95, (0.95, 0.9), (0.6, 0.3)),
):
    design(
        "compare κ",
        f"accuracies {_own[0]}, {_own[1]}; person {_accuracy}; κ {_both[0]}, {_both[1]}",
        "new-stimuli",
    )(partial(kappas, accuracy=_accuracy, own=_own, true=_both))


def crowded_kappas(
    n: int, studies: int, rng: np.random.Generator,
    *, hard: float, a: tuple[float, float], b: tuple[float, float], person: tuple[float, float],
    people: int, conditions: int,
) -> Found:  # fmt: skip
    observers = np.array([a, b, *[person] * people])
    names = ["a", "b", *(f"person{number}" for number in range(people))]
    tables = []
    for condition in range(conditions):
        image = np.array([f"{condition}-{number}.png" for number in range(n)])
        table = trials_of(answers(hard, observers, (studies, n), rng), names, image=image)
        tables.append(table.with_columns(condition=pl.lit(str(condition))))
    is_model = pl.col("observer").is_in(["a", "b"])
    trials = pl.concat(tables).with_columns(
        kind=pl.when(is_model).then("kind").otherwise(pl.lit("human"))
    )
    return compared(trials, "error_consistency", 0.0)


# Two models of one κ with people, of the same accuracy or another.
for _number, _other, _people, _conditions in (
    (0, (0.9, 0.3), 4, 1), (0, (1.0, 0.5140845), 4, 1), (0, (0.9, 0.3), 10, 1),
    (0, (0.9, 0.3), 4, 6), (1, (0.98, 0.6), 4, 1), (2, (1.0, 0.5), 4, 1), (2, (1.0, 0.5), 10, 1),
    (2, (1.0, 0.5), 4, 6), (3, (0.99, 0.8), 4, 1), (3, (1.0, 0.8280543), 4, 1),
):  # fmt: skip
    _hard, _model, _person = CROWDS[_number]
    _share = np.array([1 - _hard, _hard])
    design(
        "compare mean κ",
        f"accuracies {_share @ _model:.2f}, {_share @ _other:.2f}; {_people} people "
        f"{_share @ _person:.2f}, {_conditions} conditions",
        "new-stimuli",
    )(
        partial(
            crowded_kappas, hard=_hard, a=_model, b=_other, person=_person, people=_people,
            conditions=_conditions,
        )
    )  # fmt: skip


def biases(
    n: int, studies: int, rng: np.random.Generator,
    *, spread: float,
) -> Found:  # fmt: skip
    """Cue conflict of n shapes, with textures a third as many, each combined with seven others.

    A shape and a texture draw either observer to a cue by an amount of their own.
    """
    textures = max(4, round(0.3 * n))
    categories = np.arange(n) % 16
    texture = np.stack([(np.arange(n) * 7 + 5 * k) % textures for k in range(8)], axis=1)
    tables = []
    for study in range(studies):
        logit = np.zeros((2, n, 8))
        for side in range(2):
            of_shape = rng.normal(0, spread, n)[:, None]
            logit[side] = -0.5 + of_shape + rng.normal(0, spread, textures)[texture]
        right = rng.random(logit.shape) < 1 / (1 + np.exp(-logit))
        which, shape, place = (axis.ravel() for axis in np.indices(right.shape))
        other = texture[shape, place]
        tables.append(
            pl.DataFrame(
                {
                    "dataset": f"study{study:05}",
                    "observer": np.where(which == 0, "a", "b"),
                    "shape_image": shape.astype(str),
                    "texture_image": other.astype(str),
                    "stimulus": [f"{s}x{t}.png" for s, t in zip(shape, other, strict=True)],
                    "category": [f"shape{c}" for c in categories[shape]],
                    "texture": [f"texture{t % 16}" for t in other],
                    "right": right.ravel(),
                }
            )
        )
    trials = pl.concat(tables).with_columns(
        kind=pl.lit("discriminative"),
        response=pl.when("right").then("category").otherwise("texture"),
    )
    return compared(trials.unique(["dataset", "observer", "stimulus"]), "shape_bias", 0.0)


for _spread in (0.0, 0.8, 1.5):
    design(
        "compare shape bias", f"shapes and textures vary by {_spread} logits", "new-stimuli",
        (20, 80, 160),
    )(partial(biases, spread=_spread))  # fmt: skip

"""Rank correlations with people's times, doubt, calibration and psychometric functions."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
from scipy.special import expit
from scipy.stats import norm, rankdata

from designs import SIZES, Found, design, intervals, trials_of
from synthesight.analysis import (
    Population,
    doubt,
    expected_calibration_error,
    psychometric,
    reaction_time,
)

REDRAWN = 200  # studies that the truth is the mean of
PEOPLE = 6


def times(
    n: int, studies: int, rng: np.random.Generator, *,
    population: Population, follows: float, row: str, count: int = PEOPLE,
) -> Found:  # fmt: skip
    """Simulate people's times of n images, and a model whose effort follows their difficulty.

    People share a difficulty and have each a part of their own, and noise.
    """
    low, high, truth = np.full((3, studies), np.nan)
    for study in range(studies):
        drawn = _Times(rng, n, count, follows)
        again = []
        for _ in range(REDRAWN):
            other = _Times(rng, n, count, follows)
            if "stimuli" not in population:
                other.ease, other.effort = drawn.ease, drawn.effort
            if "people" not in population:
                other.slope = drawn.slope
            if population == "these":
                other.own = drawn.own
            again.append(other.correlation(row))
        truth[study] = np.mean(again)
        found = reaction_time(drawn.trials(), population=population, effort="evaluations")
        found = found.filter(observer="people" if row == "people" else "m")
        low[study], high[study] = (each[0] for each in intervals(found))
    return Found(low, high, truth)


class _Times:
    def __init__(self, rng: np.random.Generator, n: int, count: int, follows: float) -> None:
        self.ease = rng.normal(0, 1, (1, n))
        self.slope = rng.normal(1, 0.4, (count, 1))
        self.own = rng.normal(0, 0.7, (count, n))
        self.noise = rng.normal(0, 1, (count, n))
        self.effort = follows * self.ease[0] + np.sqrt(1 - follows**2) * rng.normal(0, 1, n)

    def times(self) -> np.ndarray:
        return self.slope * self.ease + self.own + self.noise

    def correlation(self, row: str) -> float:
        times = self.times()
        if row == "m":
            return _spearman(self.effort, times.mean(axis=0))
        half = len(times) // 2
        return _spearman(times[:half].mean(axis=0), times[half:].mean(axis=0))

    def trials(self) -> pl.DataFrame:
        times = np.exp(0.2 * self.times() - 0.5)
        names = [f"p{number}" for number in range(len(times))]
        people = trials_of(np.ones((1, *times.shape), bool), names, "human")
        model = trials_of(np.ones((1, 1, times.shape[1]), bool), ["m"])
        return pl.concat(
            [
                people.with_columns(rt=pl.Series(times.ravel())),
                model.with_columns(evaluations=pl.Series(self.effort)),
            ],
            how="diagonal_relaxed",
        )


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def doubted(n: int, studies: int, rng: np.random.Generator, *, measure: str, people: int) -> Found:
    """Simulate answers of people to n images, and a model that knows their shares up to noise."""

    def drawn(images: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        share = rng.dirichlet([4.0, 1.0, 0.5], images)
        return share, rng.multinomial(people, share), np.log(share + 1e-9) + rng.normal(
            0, 1, share.shape
        )  # fmt: skip

    def found(counts: np.ndarray, evidence: np.ndarray) -> pl.DataFrame:
        names = [f"{k}.png" for k in range(len(counts))]
        answers = pl.DataFrame({"category": "cat", "image": names}).with_columns(
            pl.Series(name, counts[:, k].astype(float)) for k, name in enumerate(classes)
        )
        answers = answers.unpivot(
            index=["category", "image"], variable_name="response", value_name="count"
        )
        trials = trials_of(np.ones((1, 1, len(counts)), bool), ["m"])
        trials = trials.with_columns(evidence=pl.Series(evidence.tolist()))
        return doubt(trials, classes, answers.filter(pl.col("count") > 0)).filter(measure=measure)

    classes = ["cat", "dog", "car"]
    truth = float(found(*drawn(40_000)[1:])["estimate"][0])
    ends = [intervals(found(*drawn(n)[1:])) for _ in range(studies)]
    low, high = (np.array([end[side][0] for end in ends]) for side in (0, 1))
    return Found(low, high, truth)


def confident(
    n: int, studies: int, rng: np.random.Generator, *, sharpened: float
) -> Found:  # fmt: skip
    """Simulate a network that is right as its logit says, but states that times a factor."""
    logit = rng.normal(1.5, 1.2, (studies, n))
    right = rng.random(logit.shape) < expit(logit)
    stated = expit(sharpened * logit).ravel()
    trials = trials_of(right[:, None], ["m"]).with_columns(
        probability=pl.Series(np.stack([stated, 1 - stated], axis=1).tolist()),
        evidence=pl.Series(np.zeros((stated.size, 2)).tolist()),
    )
    # Where the logit is below 0, the other class is the more probable: it is answered.
    swapped = pl.Series(stated < 0.5)
    other = pl.when(pl.col("response") == "cat").then(pl.lit("dog")).otherwise(pl.lit("cat"))
    trials = trials.with_columns(response=pl.when(swapped).then(other).otherwise("response"))
    bins = max(1, min(10, n // 20))
    many = np.sort(np.abs(rng.normal(1.5, 1.2, 400_000)))
    gaps = [expit(part).mean() - expit(sharpened * part).mean()
            for part in np.array_split(many, bins)]  # fmt: skip
    found = expected_calibration_error(trials, ["observer", "dataset"])
    return Found(*intervals(found), float(np.abs(gaps).mean()))


def turning(n: int, studies: int, rng: np.random.Generator, *, spread: float) -> Found:
    """Simulate n trials at nine steps of a dial, of 20 pairs whose equality differs."""
    x = np.linspace(0.5, 4.5, 9)
    pairs = 20 if spread else 1
    each = max(1, n // (len(x) * pairs))
    chance = norm.cdf((x - rng.normal(2.5, spread, (studies, pairs, 1))) / 0.6)
    said = rng.random((*chance.shape, each)) < (0.02 + 0.96 * chance)[..., None]
    study, pair, step, number = (axis.ravel() for axis in np.indices(said.shape))
    trials = pl.DataFrame(
        {
            "observer": "m",
            "dataset": pl.Series([f"study{k:05}" for k in range(studies)]).gather(study),
            "stimulus": pl.Series(pair * 10_000 + step * 1_000 + number).cast(pl.String),
            "category": "cat",
            "response": np.where(said.ravel(), "cat", "dog"),
            "dial": x[step],
            "toward": "cat",
        }
    )
    if spread:
        trials = trials.with_columns(pair=pl.Series(pair).cast(pl.String))
    return Found(*intervals(psychometric(trials, ["dataset"], resamples=500)), 2.5)


POPULATIONS: tuple[Population, ...] = (
    "these", "new-stimuli", "new-people", "new-people-and-stimuli",
)  # fmt: skip
for _population in POPULATIONS:
    for _row, _name in (("m", "a model and 6 people, ρ ≈ .4"), ("people", "halves of 6 people")):
        design("reaction time", _name, _population, SIZES[:3])(
            partial(times, population=_population, follows=0.6, row=_row)
        )
design("reaction time", "a model and 6 people, ρ = 0", "new-stimuli", SIZES[:3])(
    partial(times, population="new-stimuli", follows=0.0, row="m")
)
for _measure in ("cross_entropy", "entropy_correlation", "second_choice"):
    for _people in (6, 50):
        design(
            "doubt", f"{_measure.replace('_', ' ')}, {_people} people", "new-stimuli", SIZES[:3]
        )(partial(doubted, measure=_measure, people=_people))
for _factor, _name in ((1.0, "calibrated"), (1.5, "too sure"), (3.0, "far too sure")):
    design("calibration error", _name, "new-stimuli")(partial(confident, sharpened=_factor))
design("psychometric", "one pair", "these", (90, 360))(partial(turning, spread=0.0))
design("psychometric", "20 pairs that differ", "new-stimuli", (180, 360))(
    partial(turning, spread=0.7)
)

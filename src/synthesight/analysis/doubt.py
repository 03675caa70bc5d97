"""Doubt: whether a model is unsure of what people are unsure of, and of what else it thinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import log_softmax, xlogy

from synthesight.analysis._stats.agreement import IS_HUMAN, PEOPLE
from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.correlations import rank_correlations
from synthesight.analysis._stats.evidence import known_classes, table_of
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.limits import correlation_limits, mean_limits, share_limits
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.spread import Influence, Spread, Variance
from synthesight.analysis._stats.units import (
    POPULATION,
    Population,
    check_population,
    populations_of,
    units_of,
)
from synthesight.errors import SynthesightError
from synthesight.sheets import plain, read_sheet
from synthesight.stimuli.categories import Vocabulary, canonical

KEY = ["category", "image"]
MEASURES = ("cross_entropy", "entropy_correlation", "second_choice")


def read_answers(path: str | Path) -> pl.DataFrame:
    """Read how many people gave each answer to each image, such as CIFAR-10H.

    Parameters
    ----------
    path
        A table with the columns ``label`` (or category), ``name`` (or image, stimulus) and one
        column of counts for each class.

    Returns
    -------
    Columns category, image, response and count: one row for each answer that was given.

    Raises
    ------
    SynthesightError
        If the file cannot be read, or lacks such columns.
    """
    path = Path(path)
    try:
        table = read_sheet(path).table
    except OSError as error:
        raise SynthesightError(f"{path} cannot be read: give a table of answers.") from error
    named = {plain(column): column for column in table.columns}
    label = next((named[each] for each in ("label", "category") if each in named), None)
    name = next((named[each] for each in ("name", "image", "stimulus") if each in named), None)
    if label is None or name is None:
        raise SynthesightError(
            f"{path} does not say which images were answered: give it the columns label and name."
        )
    categories = Vocabulary(table[label].drop_nulls().unique().to_list())
    counts = [each for each in table.columns if each not in (label, name) and each in categories]
    if not counts:
        raise SynthesightError(
            f"{path} has no column of counts: give one for each class, called as the labels are."
        )
    return (
        table.select(
            pl.col(label).alias("category"),
            pl.col(name).str.split("/").list.last().alias("image"),
            *(pl.col(each).cast(pl.Float64, strict=False) for each in counts),
        )
        .unpivot(index=KEY, variable_name="response", value_name="count")
        .filter(pl.col("count") > 0)
    )


@any_frame
def doubt(
    trials: pl.DataFrame,
    classes: Sequence[str] | Mapping[str, Sequence[str]],
    answers: pl.DataFrame | None = None,
    *,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Compare models' distributions over classes with the distributions of people's answers.

    Three measures, over the images that people answered:

    - ``cross_entropy``: of people's answers under the model, in nats a response; lower is better,
      and people's own entropy is the lowest that any model can reach (Peterson et al. 2019).
    - ``entropy_correlation``: Spearman's correlation of the model's entropy with people's.
    - ``second_choice``: share of the images on which people doubt whose second answer, after the
      right one, is the model's too. People doubt where one answer comes second alone.

    People stand beside as one random half of them against the other. That is less than all of
    them, so it is no bound: a model is compared with all.

    A model's distribution is its probabilities where it was calibrated, else its scores.

    Parameters
    ----------
    trials
        The trial table, with ``evidence`` of models.
    classes
        Classes of the evidence, in its order, as ``run.manifest["classes"]`` has them; or these by
        observer.
    answers
        How often people gave each answer: columns category, image, response and count, as
        :func:`read_answers` returns. None: the responses of human observers in ``trials``.
    population, resamples
        As of :func:`accuracy`. People are those who answered: none are sampled.
    seed
        Seed of the halves of people.

    Returns
    -------
    One row an observer and measure: columns observer, measure, estimate, low, high (95 % confidence
    interval), n (images), population and people (two halves; for cross entropy, people's entropy).

    Raises
    ------
    SynthesightError
        If there are no answers of people, or no evidence, or no image in both.

    Examples
    --------
    >>> trials = pl.DataFrame({
    ...     "observer": "m", "stimulus": ["1.png", "2.png"], "category": "cat", "response": "cat",
    ...     "evidence": [[0.0, -1.0], [0.0, -3.0]],
    ... })
    >>> answers = pl.DataFrame({
    ...     "category": "cat", "image": ["1.png", "1.png", "2.png"],
    ...     "response": ["cat", "dog", "cat"], "count": [3.0, 1.0, 4.0],
    ... })
    >>> found = doubt(trials, ["cat", "dog"], answers, resamples=0)
    >>> found["measure"][0], round(found["estimate"][0], 3)
    ('cross_entropy', 0.306)
    """
    check_population(population)
    judged_trials = judged(trials)
    if answers is None:
        # People number the same images in each dataset and condition.
        given = judged_trials.filter(IS_HUMAN & pl.col("response").is_not_null())
        if given.is_empty():
            raise SynthesightError(
                "There are no answers of people: add trials of kind 'human', or give `answers`."
            )
        answers = given.group_by("dataset", "condition", *KEY, "response").agg(
            count=pl.len().cast(pl.Float64)
        )
    known = pl.col("evidence").list.eval(pl.element().is_nan()).list.any().not_()
    models = judged_trials.filter(~IS_HUMAN & known)
    parts = []
    for name in models["observer"].unique().sort():
        own = classes if not isinstance(classes, Mapping) else classes.get(name)
        if own is None:
            raise SynthesightError(f"`classes` does not name those of {name!r}: add them.")
        shown = known_classes(models.filter(observer=name), own)
        parts.append(_of_model(name, shown, list(own), answers, population, seed))
    if not parts:
        raise SynthesightError("No model has evidence: evaluate one, whose runs keep it.")
    table = pl.concat(parts)
    return (
        table
        if resamples
        else table.with_columns(
            pl.lit(None, pl.Float64).alias("low"), pl.lit(None, pl.Float64).alias("high")
        )
    )


def _of_model(
    name: str,
    shown: pl.DataFrame,
    classes: list[str],
    answers: pl.DataFrame,
    population: Population,
    seed: int,
) -> pl.DataFrame:
    place = {canonical(each): number for number, each in enumerate(classes)}
    key = [*(each for each in ("dataset", "condition") if each in answers.columns), *KEY]

    def spelled(table: pl.DataFrame, column: str) -> pl.DataFrame:
        distinct = table[column].unique().drop_nulls()
        return table.with_columns(
            pl.col(column).replace({each: canonical(each) for each in distinct})
        )

    shown = spelled(shown, "category").with_row_index("_row")
    counted = spelled(spelled(answers, "category"), "response")
    found = counted.join(shown.select("_row", *key), on=key, how="inner").with_columns(
        _class=pl.col("response").replace_strict(place, default=None, return_dtype=pl.Int64)
    )
    found = found.drop_nulls("_class")
    counts = np.zeros((len(shown), len(classes)))
    np.add.at(
        counts, (found["_row"].to_numpy(), found["_class"].to_numpy()), found["count"].to_numpy()
    )
    answered = counts.sum(axis=1) > 0
    if not answered.any():
        raise SynthesightError(
            f"People answered none of the images of {name!r}: give `answers` for the same images, "
            "known by category and file name."
        )
    counts, shown = counts[answered], shown.filter(pl.Series(answered))
    model = _log_probability(shown, len(classes))
    right = shown["category"].replace_strict(place, default=-1, return_dtype=pl.Int64).to_numpy()
    share = _shares(counts)
    own = _entropy(share)
    first, second = _halves(counts, seed)
    correlation = rank_correlations(
        np.stack([_entropy(np.exp(model)), _entropy(first)], axis=1),
        np.stack([own, _entropy(second)], axis=1),
    )
    chosen = _second(counts, right)
    agree = np.where(chosen >= 0, _second(model, right) == chosen, np.nan)
    both = [_second(half, right) for half in (first, second)]
    clear = (both[0] >= 0) & (both[1] >= 0)
    people = np.mean((both[0] == both[1])[clear]) if clear.any() else np.nan
    # Means and the correlation, in the order of MEASURES.
    values = np.stack([-(share * model).sum(axis=1), agree], axis=1)
    shown_in = np.stack([answered[answered], correlation.shown[:, 0], chosen >= 0], axis=1)
    n = shown_in.sum(axis=0)
    mean = divide(np.nansum(values, axis=0), n[[0, 2]].astype(np.float64))
    estimate = np.array([mean[0], correlation.estimate[0], mean[1]])
    effects = np.nan_to_num((values - mean) / np.maximum(n[[0, 2]], 1))
    effects = np.stack([effects[:, 0], correlation.effects[:, 0], effects[:, 1]], axis=1)
    influence = Influence(effects, shown_in, effects, n, units_of(shown))
    variance = Spread(population, [(np.arange(3), influence)], 3).variance()
    each = [Variance(*(part[[k]] for part in (variance.value, variance.freedom, variance.units)))
            for k in range(3)]  # fmt: skip
    ends = [
        mean_limits(estimate[[0]], each[0], 0.0),
        correlation_limits(estimate[[1]], each[1], n[[1]]),
        share_limits(estimate[[2]], each[2], n[[2]]),
    ]
    low, high = np.concatenate(ends, axis=1)
    return pl.DataFrame(
        {
            "observer": [name] * 3,
            "measure": MEASURES,
            "estimate": estimate,
            "low": low,
            "high": high,
            "n": n,
            "population": populations_of(population, np.zeros(3, bool), influence.untold),
            PEOPLE: np.array([own.mean(), correlation.estimate[1], people]),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _log_probability(shown: pl.DataFrame, classes: int) -> np.ndarray:
    """Return the logarithm of each class's probability, or of its score: (N, K)."""
    known = shown["probability"].is_not_null().to_numpy()
    found = log_softmax(table_of(shown, classes), axis=1)
    given = shown["probability"].filter(pl.Series(known)).explode().to_numpy()
    found[known] = np.log(np.maximum(given, np.finfo(np.float64).tiny)).reshape(-1, classes)
    return found


def _entropy(share: np.ndarray) -> np.ndarray:
    """Return the entropy of each row in nats; NaN of a row without any."""
    return np.where(share.sum(axis=1) > 0, -xlogy(share, share).sum(axis=1), np.nan)


def _second(values: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the class that comes first beside the right one; −1 where none does so alone.

    Of counts, one that nobody named comes nowhere.
    """
    counts = (values >= 0).all()
    others = np.where(np.arange(values.shape[1]) == right[:, None], -np.inf, values)
    ordered = np.sort(others, axis=1)
    alone = ordered[:, -1] > ordered[:, -2]
    if counts:
        alone &= ordered[:, -1] > 0
    return np.where(alone & (right >= 0), others.argmax(axis=1), -1)


def _halves(counts: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of a random half of each image's answers, and of the others."""
    rng = np.random.default_rng(seed)
    whole = np.rint(counts).astype(np.int64)
    size = whole.sum(axis=1) // 2
    half = np.array(
        [rng.multivariate_hypergeometric(row, take) for row, take in zip(whole, size, strict=True)]
    )
    first, second = half.astype(np.float64), (whole - half).astype(np.float64)
    return _shares(first), _shares(second)


def _shares(counts: np.ndarray) -> np.ndarray:
    total = np.broadcast_to(counts.sum(axis=1, keepdims=True), counts.shape)
    return np.nan_to_num(divide(counts, total))


__all__ = ["MEASURES", "doubt", "read_answers"]

"""Doubt: whether a model is unsure of what people are unsure of, and of what else it thinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import logsumexp, xlogy

from synthesight.analysis._stats.agreement import IS_HUMAN, PEOPLE
from synthesight.analysis._stats.bootstrap import RESAMPLES, Bootstrap, interval
from synthesight.analysis._stats.correlations import rank_correlations
from synthesight.analysis._stats.evidence import known_classes, table_of
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.images import Images
from synthesight.analysis._stats.ratios import divide
from synthesight.analysis._stats.response_matrix import judged
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
    temperature: float = 1.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Compare models' distributions over classes with the distributions of people's answers.

    Three measures, over the images that people answered:

    - ``cross_entropy``: of people's answers under the model's softmax, in nats a response; lower is
      better, and people's own entropy is the lowest that any model can reach (Peterson et al.
      2019).
    - ``entropy_correlation``: Spearman's correlation of the model's entropy with people's.
    - ``second_choice``: share of the images on which people doubt whose second answer, after the
      right one, is the model's too. People doubt where one answer comes second alone.

    People stand beside as one random half of them against the other. That is less than all of
    them, so it is no bound: a model is compared with all.

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
    temperature
        What evidence is divided by before the softmax, such as one that was fitted.
    resamples
        Resamples of the bootstrap over images; with 0 there are no intervals.
    seed
        Seed of the bootstrap, and of the halves.

    Returns
    -------
    One row an observer and measure: columns observer, measure, estimate, low, high (95 % confidence
    interval), n (images) and people (two halves; for cross entropy, people's entropy).

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
    if not temperature > 0:
        raise SynthesightError(f"`temperature={temperature!r}` cannot be: give one above 0.")
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
    models = judged_trials.filter(~IS_HUMAN & pl.col("evidence").is_not_null())
    parts = []
    for name in models["observer"].unique().sort():
        own = classes if not isinstance(classes, Mapping) else classes.get(name)
        if own is None:
            raise SynthesightError(f"`classes` does not name those of {name!r}: add them.")
        shown = known_classes(models.filter(observer=name), own)
        parts.append(_of_model(name, shown, list(own), answers, temperature, resamples, seed))
    if not parts:
        raise SynthesightError("No model has evidence: evaluate one, whose runs keep it.")
    return pl.concat(parts)


def _of_model(
    name: str,
    shown: pl.DataFrame,
    classes: list[str],
    answers: pl.DataFrame,
    temperature: float,
    resamples: int,
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
    evidence = table_of(shown, len(classes)) / temperature
    model = evidence - logsumexp(evidence, axis=1, keepdims=True)
    right = shown["category"].replace_strict(place, default=-1, return_dtype=pl.Int64).to_numpy()
    bootstrap = Bootstrap(resamples, seed)
    images = Images(np.arange(len(counts)), len(counts), None)
    share = _shares(counts)
    own = _entropy(share)
    first, second = _halves(counts, seed)
    cross = _mean(bootstrap, images, -(share * model).sum(axis=1))
    correlation, _ = rank_correlations(
        np.stack([_entropy(np.exp(model)), _entropy(first)], axis=1),
        np.stack([own, _entropy(second)], axis=1),
        images,
        bootstrap,
    )
    chosen = _second(counts, right)
    agree = np.where(chosen >= 0, _second(model, right) == chosen, np.nan)
    both = [_second(half, right) for half in (first, second)]
    clear = (both[0] >= 0) & (both[1] >= 0)
    people = np.mean((both[0] == both[1])[clear]) if clear.any() else np.nan
    agreement = _mean(bootstrap, images, agree)
    found_by = (
        (cross, float(own.mean()), len(counts)),
        (correlation[:, 0], float(correlation[0, 1]), len(counts)),
        (agreement, float(people), int((chosen >= 0).sum())),
    )
    rows = []
    for measure, (values, ceiling, n) in zip(MEASURES, found_by, strict=True):
        low, high = interval(values[1:, None])
        rows.append((name, measure, values[0], low[0], high[0], n, ceiling))
    schema = {"observer": pl.String, "measure": pl.String} | dict.fromkeys(
        ("estimate", "low", "high"), pl.Float64
    )
    table = pl.DataFrame(rows, schema | {"n": pl.Int64, PEOPLE: pl.Float64}, orient="row")
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))


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


def _mean(bootstrap: Bootstrap, images: Images, values: np.ndarray) -> np.ndarray:
    """Return the mean of the defined values, then of resamples: shape (1 + B,)."""
    defined = ~np.isnan(values)
    columns = np.stack([np.where(defined, values, 0.0), defined], axis=1)
    total = np.vstack([columns.sum(axis=0), bootstrap.sums(columns, images)])
    return divide(total[:, 0], total[:, 1])


__all__ = ["MEASURES", "doubt", "read_answers"]

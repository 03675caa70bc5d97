"""Error consistency: do two observers err on the same images more than chance would have it?

κ = (c_obs − c_exp) / (1 − c_exp), where c_obs is the share of images on which both are right or
both are wrong, and c_exp = p₁p₂ + (1 − p₁)(1 − p₂) what independent observers of the same
accuracies would share (Geirhos, Meding & Wichmann 2020). κ is undefined, and given as null, where
c_exp = 1: both always right, or both always wrong.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Error consistency of two observers on the same images.

    Parameters
    ----------
    first, second
        bool, shape (N,): whether each response was correct.

    Returns
    -------
    κ, or NaN where it is undefined.

    Raises
    ------
    SynthesightError
        If the two saw different numbers of images, or none.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.size == 0:
        raise SynthesightError(
            f"Error consistency needs the same images for both observers, and {first.size} and "
            f"{second.size} responses came: keep the images that both saw."
        )
    _, _, value = _pairwise(np.stack([first, second], axis=1))
    return float(value[0, 1])


def error_consistency(trials: pl.DataFrame) -> pl.DataFrame:
    """Error consistency of each pair of observers, for each dataset and condition.

    Parameters
    ----------
    trials
        The trial table. Images are paired by ``image``. No response is an error; a stimulus that
        could not be read is no trial; of repeated trials of one image the first counts.

    Returns
    -------
    One row for each dataset, condition and unordered pair with images in common: ``first``,
    ``second``, ``n`` (images that both saw), ``observed``, ``expected`` and ``kappa`` (null where
    undefined).
    """
    shown = trials.filter(pl.col("error").is_null() & pl.col("category").is_not_null())
    shown = shown.with_columns(
        correct=(pl.col("response") == pl.col("category")).fill_null(False).cast(pl.Float64)
    )
    frames = []
    groups = shown.partition_by("dataset", "condition", as_dict=True, maintain_order=True)
    for (dataset, condition), group in groups.items():
        wide = group.pivot(
            on="observer", index="image", values="correct", aggregate_function="first"
        ).drop("image")
        names = sorted(wide.columns)
        right = wide.select(names).to_numpy()
        n, observed, value = _pairwise(right)
        expected = _expected(right)
        row, column = np.triu_indices(len(names), k=1)
        common = n[row, column] > 0
        row, column = row[common], column[common]
        frames.append(
            pl.DataFrame(
                {
                    "dataset": [dataset] * len(row),
                    "condition": [condition] * len(row),
                    "first": np.array(names, dtype=object)[row].tolist(),
                    "second": np.array(names, dtype=object)[column].tolist(),
                    "n": n[row, column].astype(np.int64),
                    "observed": observed[row, column],
                    "expected": expected[row, column],
                    "kappa": value[row, column],
                },
                schema_overrides={
                    "dataset": pl.String,
                    "condition": pl.String,
                    "first": pl.String,
                    "second": pl.String,
                },
            ).with_columns(pl.col("kappa").fill_nan(None))
        )
    if not frames:
        raise SynthesightError("No trials to compare: the table is empty.")
    return pl.concat(frames)


def mean_consistency(pairs: pl.DataFrame, kinds: dict[str, str]) -> pl.DataFrame:
    """Each observer's mean κ with people: over people and conditions, then over datasets.

    Parameters
    ----------
    pairs
        What :func:`error_consistency` gives.
    kinds
        The kind of each observer.

    Returns
    -------
    ``observer``, ``kind``, ``kappa`` and ``pairs`` (how many comparisons it is the mean of). A
    person is compared with the other people.
    """
    people = [name for name, kind in kinds.items() if kind == "human"]
    both = pl.concat(
        [
            pairs.rename({"first": "observer", "second": "with"}),
            pairs.rename({"second": "observer", "first": "with"}).select(
                pairs.rename({"first": "observer", "second": "with"}).columns
            ),
        ]
    ).filter(pl.col("with").is_in(people))
    by_dataset = both.group_by("observer", "dataset").agg(
        pl.col("kappa").mean(), pl.col("kappa").count().alias("pairs")
    )
    return (
        by_dataset.group_by("observer")
        .agg(pl.col("kappa").mean(), pl.col("pairs").sum())
        .with_columns(kind=pl.col("observer").replace_strict(kinds, default=None))
        .select("observer", "kind", "kappa", "pairs")
        .sort("kappa", descending=True, nulls_last=True)
    )


def _pairwise(right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images in common, observed consistency and κ of all pairs of columns (NaN: not seen)."""
    seen = ~np.isnan(right)
    correct = np.where(seen, right, 0.0)
    wrong = np.where(seen, 1.0 - right, 0.0)
    n = seen.T.astype(np.float64) @ seen
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (correct.T @ correct + wrong.T @ wrong) / n
        expected = _expected(right)
        value = np.where(expected < 1.0, (observed - expected) / (1.0 - expected), np.nan)
    return n, observed, value


def _expected(right: np.ndarray) -> np.ndarray:
    """Consistency by chance of all pairs, accuracies taken over the images in common."""
    seen = ~np.isnan(right)
    correct = np.where(seen, right, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (correct.T @ seen) / (seen.T.astype(np.float64) @ seen)
    return share * share.T + (1.0 - share) * (1.0 - share.T)

"""Confusion matrices: which categories got which responses."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from scipy.stats import norm

from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.limits import LEVEL
from synthesight.analysis._stats.response_matrix import IMAGE, judged


@any_frame
def confusion(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    interval: bool = True,
) -> pl.DataFrame:
    """Return how often each category got each response (as drawn by Geirhos et al. 2018).

    Each trial counts once, so a stimulus that was shown twice counts twice. No response is a
    response of its own, null, as ``na`` is in the published matrices: the diagonal of a group is
    its accuracy in each category. An unreadable stimulus is no trial.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    by
        Column or columns that tell the groups, a matrix each. ``category`` tells the rows of a
        matrix and is not among them.
    interval
        Whether to give 95 % confidence intervals of the shares: Wilson's (1927), with as many
        independent trials as would make the share vary as it does between images, at most all of
        them. A crowd that saw the same images is thus no more certain than the images allow. Where
        all responses to a category are alike, each image counts as one trial.

    Returns
    -------
    One row for each cell of each matrix, empty ones too: the columns ``by``, ``category``
    (those that the group was shown), ``response`` (those that anybody could give: all categories
    and responses of the table, and null if there is one), ``count`` (trials) and ``share`` of the
    category's trials, which adds up to 1 over responses; ``low`` and ``high``, if asked for.

    Raises
    ------
    SynthesightError
        If it is no trial table, or lacks a column of ``by``.
    """
    groups = [column for column in by if column != "category"]
    trials = judged(trials, groups)
    key = [*groups, "category", "response"]
    counts = trials.group_by(key).agg(pl.len().cast(pl.Int64).alias("count"))
    shown = counts.group_by(key[:-1]).agg(pl.col("count").sum().alias("_shown")).sort(key[:-1])
    responses = pl.concat([counts["category"], counts["response"]]).unique()
    cells = (
        shown.join(responses.sort(nulls_last=True).alias("response").to_frame(), how="cross")
        .join(counts, on=key, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(pl.col("count").fill_null(0))
        .with_columns(share=pl.col("count") / pl.col("_shown"))
    )
    if interval:
        cells = _with_interval(cells, trials, key)
    return cells.select(*key, "count", "share", *(["low", "high"] if interval else []))


def _with_interval(cells: pl.DataFrame, trials: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    row = key[:-1]
    image = list(dict.fromkeys([*row, *IMAGE]))
    times = trials.group_by(image).agg(_times=pl.len().cast(pl.Float64))
    images = times.group_by(row).agg(
        _images=pl.len().cast(pl.Float64), _nn=(pl.col("_times") ** 2).sum()
    )
    given = (
        trials.group_by([*image, "response"])
        .agg(_given=pl.len().cast(pl.Float64))
        .join(times, on=image, nulls_equal=True)
        .group_by(key)
        .agg(_cc=(pl.col("_given") ** 2).sum(), _cn=(pl.col("_given") * pl.col("_times")).sum())
    )
    p, shown = pl.col("share"), pl.col("_shown").cast(pl.Float64)
    # Σ (c − p n)² over images, c of whose n trials got the response.
    between = (pl.col("_cc") - 2 * p * pl.col("_cn") + p**2 * pl.col("_nn")).clip(lower_bound=0.0)
    independent = (p * (1 - p) * shown**2 / between).clip(pl.lit(1.0), shown)
    n = pl.when((p > 0) & (p < 1)).then(independent).otherwise(pl.col("_images"))
    z2 = float(norm.ppf(0.5 + LEVEL / 2)) ** 2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (p * (1 - p) / n + z2 / (4 * n**2))).sqrt() / (1 + z2 / n)
    return (
        cells.join(images, on=row, how="left", nulls_equal=True, maintain_order="left")
        .join(given, on=key, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(pl.col("_cc", "_cn").fill_null(0.0))
        .with_columns(low=(centre - half).clip(0.0, 1.0), high=(centre + half).clip(0.0, 1.0))
    )

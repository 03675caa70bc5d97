"""Confusion matrices: what was answered to what."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis.panels import judged


def confusion(
    trials: pl.DataFrame, by: Sequence[str] = ("observer", "kind", "dataset")
) -> pl.DataFrame:
    """How often each category got each response (as drawn by Geirhos et al. 2018).

    Each trial counts once, so a stimulus that was shown twice counts twice. No response is a
    response of its own, null, as ``na`` is in the published matrices: the diagonal of a group is
    its accuracy in each category. An unreadable stimulus is no trial.

    Parameters
    ----------
    trials
        The trial table.
    by
        Columns that tell the groups, such as condition; a matrix each. ``category`` tells the
        rows of a matrix and is not among them.

    Returns
    -------
    One row for each cell of each matrix, empty ones too: the columns ``by``, ``category``
    (those that the group was shown), ``response`` (those that anybody could give: all categories
    and responses of the table, and null if there is one), ``count`` (trials) and ``share`` of the
    category's trials, which adds up to 1 over responses.
    """
    groups = [column for column in by if column != "category"]
    counted = judged(trials, groups)
    key = [*groups, "category", "response"]
    counts = counted.group_by(key).agg(pl.len().cast(pl.Int64).alias("count"))
    shown = counts.group_by(key[:-1]).agg(pl.col("count").sum().alias("_shown")).sort(key[:-1])
    responses = pl.concat([counts["category"], counts["response"]]).unique()
    return (
        shown.join(responses.sort(nulls_last=True).alias("response").to_frame(), how="cross")
        .join(counts, on=key, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(pl.col("count").fill_null(0))
        .with_columns(share=pl.col("count") / pl.col("_shown"))
        .select(*key, "count", "share")
    )

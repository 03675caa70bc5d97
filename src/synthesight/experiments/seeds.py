"""Sum up figures over the seeds of an experiment: every figure, their mean, and an interval."""

from __future__ import annotations

import polars as pl
from scipy import stats

LEVEL = 0.95


def over_seeds(figures: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return the mean of each group's figures over seeds, with Student's interval.

    The interval is for the mean over all seeds, and takes figures of different seeds for a sample
    of a normal distribution: with three seeds, it is 2.5 standard deviations wide on either side.

    Parameters
    ----------
    figures
        A row a seed of each group, with the columns ``by`` and ``value``.
    by
        Columns that tell the groups.

    Returns
    -------
    The columns ``by``, ``mean``, ``low``, ``high`` (null for one seed), ``seeds`` and ``values``,
    the figures themselves.

    Examples
    --------
    >>> table = pl.DataFrame({"kind": "plain", "value": [0.2, 0.3, 0.4]})
    >>> over_seeds(table, ["kind"])["low"].round(3).to_list()
    [0.052]
    """
    summary = (
        figures.drop_nulls("value")
        .group_by(by, maintain_order=True)
        .agg(
            mean=pl.col("value").mean(),
            sd=pl.col("value").std(),
            seeds=pl.len(),
            values=pl.col("value"),
        )
    )
    quantile = pl.col("seeds").map_elements(
        lambda count: float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) if count > 1 else None,
        return_dtype=pl.Float64,
    )
    half = quantile * pl.col("sd") / pl.col("seeds").sqrt()
    return summary.with_columns(low=pl.col("mean") - half, high=pl.col("mean") + half).select(
        *by, "mean", "low", "high", "seeds", "values"
    )

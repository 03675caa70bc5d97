"""Accuracy and shape bias, for each observer or for a group, with intervals over stimuli."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synthesight.analysis.bootstrap import ratio_interval


def accuracy(trials: pl.DataFrame, by: Sequence[str] = ("observer", "dataset")) -> pl.DataFrame:
    """Share of correct responses; no response is an error, an unreadable stimulus no trial.

    Parameters
    ----------
    trials
        The trial table.
    by
        Columns that tell the groups.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high`` (95 % interval, bootstrap
    over stimuli), ``n`` (trials) and ``stimuli``.
    """
    shown = trials.filter(pl.col("error").is_null() & pl.col("category").is_not_null())
    right = (pl.col("response") == pl.col("category")).fill_null(False)
    return _ratios(
        shown, by, right.cast(pl.Float64), pl.col("category").is_not_null().cast(pl.Float64)
    )


def shape_bias(trials: pl.DataFrame, by: Sequence[str] = ("observer",)) -> pl.DataFrame:
    """Shape decisions over shape and texture decisions (Geirhos et al. 2019).

    Only cue-conflict images whose two cues differ count, and only responses that name either cue.

    Parameters
    ----------
    trials
        The trial table, with ``texture``.
    by
        Columns that tell the groups; ``category`` gives the bias of each shape.

    Returns
    -------
    As :func:`accuracy`; ``n`` is the number of trials that named a cue.
    """
    conflict = trials.filter(
        pl.col("texture").is_not_null() & (pl.col("texture") != pl.col("category"))
    )
    shape = (pl.col("response") == pl.col("category")).fill_null(False).cast(pl.Float64)
    texture = (pl.col("response") == pl.col("texture")).fill_null(False).cast(pl.Float64)
    return _ratios(conflict, by, shape, shape + texture)


def _ratios(
    trials: pl.DataFrame, by: Sequence[str], numerator: pl.Expr, denominator: pl.Expr
) -> pl.DataFrame:
    sums = trials.group_by(*by, "image").agg(
        numerator.sum().alias("numerator"), denominator.sum().alias("denominator")
    )
    rows = []
    groups = sums.sort("image").partition_by(list(by), as_dict=True, maintain_order=True)
    for key, group in groups.items():
        above, below = group["numerator"].to_numpy(), group["denominator"].to_numpy()
        estimate, low, high = ratio_interval(above, below)
        rows.append(
            dict(zip(by, key, strict=True))
            | {"estimate": estimate, "low": low, "high": high}
            | {"n": int(below.sum()), "stimuli": len(group)}
        )
    return pl.DataFrame(rows).sort(by) if rows else pl.DataFrame()

"""How long an observer takes over a stimulus: seconds of people, effort of models."""

from __future__ import annotations

import polars as pl

from synthesight.errors import SynthesightError

EFFORTS = ("auto", "evaluations", "margin", "entropy")


def with_effort(trials: pl.DataFrame, effort: str = "auto") -> pl.DataFrame:
    """Return trials with the column ``effort``: float64, more where a decision took longer.

    Parameters
    ----------
    trials
        Judged trials.
    effort
        What it is for models. ``"evaluations"``: network evaluations until the decision.
        ``"margin"``: minus the lead of the first class over the second in evidence. ``"entropy"``:
        of the softmax of evidence, in nats. The name of a numeric column, with a minus before it
        where less takes longer. ``"auto"``: evaluations of observers for whom they vary, else the
        margin. For whoever has response times, they are the effort, in seconds.

    Raises
    ------
    SynthesightError
        If there is no such column, or it holds no numbers.
    """
    ordered = pl.col("evidence").list.sort(descending=True)
    margin = ordered.list.get(1, null_on_oob=True) - ordered.list.get(0, null_on_oob=True)
    evaluations = pl.col("evaluations").cast(pl.Float64)
    if effort == "evaluations":
        chosen = evaluations
    elif effort == "margin":
        chosen = margin
    elif effort == "entropy":
        weight = (pl.element() - pl.element().max()).exp()
        share = weight / weight.sum()
        chosen = pl.col("evidence").list.eval(-(share * share.log()).fill_nan(0)).list.sum()
        chosen = pl.when(pl.col("evidence").list.len() > 0).then(chosen)
    elif effort == "auto":
        varies = evaluations.n_unique().over("observer", "dataset") > 1
        chosen = pl.when(varies).then(evaluations).otherwise(margin)
    else:
        chosen = _of_column(trials, effort)
    return trials.with_columns(effort=pl.coalesce("rt", chosen.cast(pl.Float64)).fill_nan(None))


def _of_column(trials: pl.DataFrame, effort: str) -> pl.Expr:
    name = effort.removeprefix("-")
    if name not in trials.columns or not trials.schema[name].is_numeric():
        numeric = [column for column, kind in trials.schema.items() if kind.is_numeric()]
        raise SynthesightError(
            f"`effort={effort!r}` is no column of numbers: choose {', '.join(EFFORTS)}, or one of "
            f"{', '.join(numeric)}."
        )
    value = pl.col(name).cast(pl.Float64)
    return -value if effort.startswith("-") else value

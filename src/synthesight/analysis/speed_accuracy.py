"""Speed and accuracy: how often those who answer by a deadline are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.effort import with_effort
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population
from synthesight.errors import SynthesightError

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_BY_THEN = Ratio(pl.col("correct"), counted=pl.col("effort") <= pl.col("deadline"))


@any_frame
def speed_accuracy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset"),
    *,
    shares: Sequence[float] = SHARES,
    effort: str = "auto",
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the accuracy of the responses that were given by each deadline.

    Deadlines are set where a share of a group's timed responses has been given, so that people's
    seconds and models' network evaluations can be laid side by side. Where early responses are the
    more accurate, hard images take longer; a model that answers whatever the image at one cost has
    no curve.

    Parameters
    ----------
    trials
        The trial table, with ``rt`` of people, and evaluations or evidence of models.
    by
        Column or columns that tell the groups.
    shares
        Shares of responses, in (0, 1].
    effort
        What models' time is: see :func:`reaction_time`.
    population, resamples
        As of :func:`accuracy`.

    Returns
    -------
    One row a group and deadline: the columns ``by``, share, deadline (seconds, or the unit of
    ``effort``), estimate, low, high, n (responses by then) and stimuli. Trials without a time are
    left out.

    Raises
    ------
    SynthesightError
        If there are no times, a share is not in (0, 1], or ``effort`` is no column of numbers.

    Examples
    --------
    >>> trials = pl.DataFrame({
    ...     "observer": ["a"] * 4, "stimulus": ["1", "2", "3", "4"], "category": ["cat"] * 4,
    ...     "response": ["cat", "cat", "dog", "cat"], "rt": [0.4, 0.5, 0.6, 0.7],
    ... })
    >>> found = speed_accuracy(trials, by="observer", shares=[0.5, 1.0], resamples=0)
    >>> found.select("share", "deadline", "estimate", "n").rows()
    [(0.5, 0.5, 1.0, 2), (1.0, 0.7, 0.75, 4)]
    """  # fmt: skip
    names = [by] if isinstance(by, str) else list(by)
    wanted = np.asarray(shares, dtype=np.float64)
    if wanted.size == 0 or not ((wanted > 0) & (wanted <= 1)).all():
        raise SynthesightError(f"`shares={shares!r}` cannot be: give numbers above 0 and up to 1.")
    timed = with_effort(judged(trials, names), effort).filter(pl.col("effort").is_not_null())
    if timed.is_empty():
        raise SynthesightError(
            "No trial has a time: give trials with `rt`, with evaluations that vary, or evidence."
        )
    deadline = pl.col("effort").quantile
    every = [
        timed.with_columns(
            share=pl.lit(float(share)),
            deadline=deadline(share, "lower").over(names) if names else deadline(share, "lower"),
        )
        for share in wanted
    ]
    expanded = pl.concat(every)
    return _BY_THEN.table(
        expanded, [*names, "share", "deadline"],
        population=population, resamples=resamples,
    )  # fmt: skip

"""Shape over texture by rank: which of two conflicting cues has more evidence, named or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES
from synthesight.analysis._stats.evidence import known_classes, table_of
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import judged
from synthesight.analysis._stats.units import POPULATION, Population

_AHEAD = Ratio(pl.col("_ahead"))


@any_frame
def shape_preference(
    trials: pl.DataFrame,
    classes: Sequence[str],
    by: Sequence[str] = ("observer", "dataset"),
    *,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return the share of cue-conflict images whose shape has more evidence than their texture.

    Shape bias uses the images on which either cue is named, and of these the first choice alone.
    This measure uses the whole ranking, and every image: where a third class wins, it still says
    which cue lies ahead. It is this project's own, without a paper; ties count one half.

    Parameters
    ----------
    trials
        The trial table, with ``evidence`` and ``texture``.
    classes
        Classes of the evidence, in its order, as ``run.manifest["classes"]`` has them.
    by
        Column or columns that tell the groups.
    population, resamples
        As of :func:`accuracy`.

    Returns
    -------
    One row a group: the columns ``by``, estimate, low, high, n (images of two cues that are both
    among the classes) and stimuli.

    Raises
    ------
    SynthesightError
        If no trial has evidence for these classes.

    Examples
    --------
    >>> trials = pl.DataFrame({
    ...     "observer": "m", "stimulus": ["1", "2"], "category": "cat", "texture": "dog",
    ...     "response": ["car", "dog"], "evidence": [[-1.0, -2.0, 0.0], [-3.0, 0.0, -4.0]],
    ... })
    >>> classes = ["cat", "dog", "car"]
    >>> shape_preference(trials, classes, by="observer", resamples=0)["estimate"].item()
    0.5
    """  # fmt: skip
    names = [by] if isinstance(by, str) else list(by)
    shown = known_classes(judged(trials, names), classes)
    both = pl.col("category").is_in(list(classes)) & pl.col("texture").is_in(list(classes))
    shown = shown.filter(both & (pl.col("texture") != pl.col("category")))
    evidence = table_of(shown, len(classes))
    place = {name: number for number, name in enumerate(classes)}
    shape, texture = (
        evidence[np.arange(len(shown)), shown[cue].replace_strict(place, return_dtype=pl.Int64)]
        for cue in ("category", "texture")
    )
    ahead = (np.sign(shape - texture) + 1) / 2
    return _AHEAD.table(
        shown.with_columns(_ahead=pl.Series(ahead, dtype=pl.Float64)), names,
        population=population, resamples=resamples,
    )  # fmt: skip

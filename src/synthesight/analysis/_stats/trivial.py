"""The conditions that the benchmark leaves out."""

from __future__ import annotations

import polars as pl

from synthesight.stimuli.datasets import datasets


def without_trivial(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the trials of the conditions that the benchmark counts.

    Left out are those where images are as they were, or so distorted that people are near chance
    (model-vs-human toolbox, Geirhos et al. 2021).
    """
    names = [f"{name}\t{each}" for name, known in datasets().items() for each in known.trivial]
    trivial = pl.concat_str("dataset", "condition", separator="\t").is_in(names)
    return trials.filter(~trivial.fill_null(False))

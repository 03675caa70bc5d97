"""Where in time a run's evidence is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from synthesight.analysis import RESAMPLES, Ratio, accuracy, judged
from synthesight.draws.recording import Recording, read_recording
from synthesight.likelihood.diffusion import Weighting
from synthesight.trials.store import Run

BINS = 10
MARGIN = Ratio(pl.col("margin"))


def time(
    run: Run | str | Path | Recording,
    weighting: Weighting | None = None,
    *,
    bins: int = BINS,
    resamples: int = RESAMPLES,
) -> pl.DataFrame:
    """Return accuracy and evidence by the time of the draws.

    Parameters
    ----------
    run
        A run that keeps its draws, or what :func:`~synthesight.draws.read_recording` read.
    weighting
        A name or table; None for the run's own.
    bins
        Bins of time, of equal width.
    resamples
        As of :func:`synthesight.analysis.accuracy`.

    Returns
    -------
    One row a bin and measure: ``from`` and ``to`` in time, ``measure``, ``estimate``, ``low``,
    ``high`` (95 % confidence interval) and ``n`` (images that have a draw there). Measures are
    ``accuracy`` of the class of least error in the bin; and ``margin``: what the bin adds to the
    evidence of the right class over that of the best other one, under the weighting. That
    other class is the best over all draws, so that the margins of all bins add up to the margin.

    Raises
    ------
    SynthesightError
        If the run keeps no draws.
    """
    recording = run if isinstance(run, Recording) else read_recording(run)
    nats = recording.nats(recording.weight(weighting))
    labels, image = recording.labels, np.arange(len(recording))
    whole = recording.of_classes(nats)
    whole[image, labels] = -np.inf
    rival = whole.argmax(axis=1)
    counts = recording.counts
    drawn = recording.schedule.times[recording.steps]
    place = np.minimum((drawn * bins).astype(np.int64), bins - 1)
    place = np.where(np.isnan(nats[:, :, 0]), -1, place)
    rows = []
    for each in range(bins):
        member = place == each
        there = np.flatnonzero(member.any(axis=1))
        if not len(there):
            continue
        inside = np.where(member[there][:, :, None], nats[there], np.nan)
        # Within a bin each time counts as it does in the run; where that is nothing, evenly.
        if not np.nansum(np.abs(inside)):
            even = recording[there].nats(np.ones(len(recording.schedule)))
            inside = np.where(member[there][:, :, None], even, np.nan)
        own = recording.of_classes(inside)
        summed = _class_sums(recording, np.where(member[there][:, :, None], nats[there], 0.0))
        gap = summed[image[: len(there)], labels[there]] - summed[image[: len(there)], rival[there]]
        trials = recording[there].answered(own, "own", margin=pl.Series(gap / counts[there]))
        for measure, table in (
            ("accuracy", accuracy(trials, "observer", resamples=resamples)),
            ("margin", MARGIN.table(judged(trials), ["observer"], resamples=resamples)),
        ):
            found = table.select("estimate", "low", "high", "n").row(0)
            rows.append((each / bins, (each + 1) / bins, measure, *found))
    return pl.DataFrame(
        rows, schema=["from", "to", "measure", "estimate", "low", "high", "n"], orient="row"
    )


def _class_sums(recording: Recording, nats: np.ndarray) -> np.ndarray:
    """Return sums over draws of each class's nats: of several labels, those of its best one."""
    total = nats.sum(axis=1)
    member = recording.groups[None, :] == np.arange(len(recording.classes))[:, None]
    return np.where(member, total[:, None, :], -np.inf).max(axis=2)

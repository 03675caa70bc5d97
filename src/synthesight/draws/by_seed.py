"""How much a run's answers depend on the draws that it happened to get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from synthesight.draws.recording import Recording, complete, read_recording
from synthesight.errors import SynthesightError
from synthesight.likelihood.diffusion import Weighting
from synthesight.trials.store import Run

SIZES = (5, 10, 20, 50, 100, 200, 500, 1000)


def seeds(run: Run | str | Path | Recording, weighting: Weighting | None = None) -> pl.DataFrame:
    """Return how accuracy and responses vary over disjoint sets of draws.

    Parameters
    ----------
    run
        A run that keeps its draws, of rule ``exhaustive``; or what
        :func:`~synthesight.draws.read_recording` read.
    weighting
        A name or table; None for the run's own.

    Returns
    -------
    One row a size of the sets, ``draws``: the number of disjoint ``sets``; mean ``accuracy``, its
    standard deviation ``sd`` over the sets, ``least`` and ``most``; ``agreement``, the share of
    images to which two sets give the same response, and ``changed``, the share whose response is
    not that of all draws; and ``n``, the images.

    Raises
    ------
    SynthesightError
        If the run keeps no draws, or only a few of all classes.
    """
    recording = complete(run if isinstance(run, Recording) else read_recording(run))
    nats = recording.nats(recording.weight(weighting))
    whole = recording.of_classes(nats).argmax(axis=1)
    total = nats.shape[1]
    sizes = sorted({size for size in (*SIZES, total // 2) if 1 <= size <= total // 2})
    if not sizes:
        raise SynthesightError(
            f"The images have {total} draws of all classes, which make no two sets: evaluate with "
            "more `max_draws`."
        )
    rows = []
    for size in sizes:
        sets = total // size
        answers = np.stack(
            [
                recording.of_classes(nats[:, n * size : (n + 1) * size]).argmax(axis=1)
                for n in range(sets)
            ]
        )
        right = (answers == recording.labels).mean(axis=1)
        votes = (answers[:, :, None] == np.arange(len(recording.classes))).sum(axis=0)
        agreement = (votes * (votes - 1)).sum(axis=1).mean() / (sets * (sets - 1))
        changed = (answers != whole).mean()
        rows.append(
            (size, sets, right.mean(), right.std(ddof=1), right.min(), right.max(), agreement,
             changed, len(recording))
        )  # fmt: skip
    columns = ["draws", "sets", "accuracy", "sd", "least", "most", "agreement", "changed", "n"]
    return pl.DataFrame(rows, schema=columns, orient="row")

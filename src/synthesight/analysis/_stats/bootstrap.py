"""The bootstrap over stimuli, and over observers too: weights times columns, without a loop.

Resampling n stimuli with replacement gives each a count; sums over a resample are these counts
times the columns, so that all resamples of all observers are one matrix product. All columns of a
product share their resamples: differences between observers are paired (Efron & Tibshirani 1993).
With both stimuli and observers resampled, a cell weighs the product of its two counts (Owen 2007,
"The pigeonhole bootstrap"), whose interval is a little too wide rather than too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synthesight.analysis._stats.images import Images

LEVEL = 0.95
RESAMPLES = 2000
_BLOCK = 4_000_000  # weights held at a time


def weights(count: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of ``count`` things is in each resample.

    Returns
    -------
    float32, shape (resamples, count); each row adds up to ``count``. Counts of less than 2^24
    stimuli, and their sums, are exact in it, and products are twice as fast.
    """
    drawn = rng.integers(0, count, (resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    counts = np.bincount(drawn.ravel(), minlength=resamples * count)
    return counts.reshape(resamples, count).astype(np.float32)


def resampled_weights(count: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield :func:`weights` in blocks of rows that fit into memory; none for no resamples."""
    step = max(1, _BLOCK // max(count, 1))
    for start in range(0, resamples, step):
        yield weights(count, min(step, resamples - start), rng)


def resampled_sums(columns: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return sums of columns over resampled stimuli, the same resamples for every column.

    Parameters
    ----------
    columns
        float64, shape (S, C): a row a stimulus.

    Returns
    -------
    float64, shape (resamples, C).
    """
    columns = columns.astype(np.float32)
    blocks = [drawn @ columns for drawn in resampled_weights(len(columns), resamples, rng)]
    return np.concatenate([np.empty((0, columns.shape[1])), *blocks])


class Bootstrap:
    """The cluster bootstrap: an image is drawn at once in all matrices that show it.

    Parameters
    ----------
    resamples
        Number of resamples, B.
    seed
        Seed of all draws.
    """

    def __init__(self, resamples: int, seed: int) -> None:
        self.resamples = resamples
        self.rng = np.random.default_rng(seed)
        self._seed = seed

    def sums(self, columns: np.ndarray, images: Images) -> np.ndarray:
        """Return sums of a matrix's columns over resamples of its images.

        Parameters
        ----------
        columns
            float64, shape (S, C).

        Returns
        -------
        float64, shape (B, C).
        """
        rng = self.rng
        if images.shared is not None:
            # Each of these matrices begins the same stream anew: its draws need not be kept.
            rng = np.random.default_rng([self._seed, images.shared])
        return resampled_sums(images.gathered(columns), self.resamples, rng)


def interval(replicates: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile interval of each column, from the replicates that are defined.

    Parameters
    ----------
    replicates
        float64, shape (B, ...); NaN where a resample leaves the measure undefined.

    Returns
    -------
    low, high : float64, shape (...); NaN where no replicate is defined, or B is 0.
    """
    shape = replicates.shape[1:]
    if len(replicates) == 0:
        return np.full(shape, np.nan), np.full(shape, np.nan)
    # np.nanquantile goes column by column in Python. Sorted, NaN come last.
    ordered = np.sort(replicates.reshape(len(replicates), -1), axis=0)
    last = (~np.isnan(ordered)).sum(axis=0) - 1
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        place = share * np.maximum(last, 0)
        below = place.astype(np.int64)
        lower, upper = (
            np.take_along_axis(ordered, index[None], axis=0)[0]
            for index in (below, np.minimum(below + 1, np.maximum(last, 0)))
        )
        ends.append((lower + (place - below) * (upper - lower)).reshape(shape))
    return ends[0], ends[1]

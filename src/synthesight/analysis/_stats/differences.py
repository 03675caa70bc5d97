"""The difference of two observers on the same stimuli, and how it varies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import t

from synthesight.analysis._stats.agreement import correctness
from synthesight.analysis._stats.bootstrap import weights
from synthesight.analysis._stats.compared import Compared, Pairs
from synthesight.analysis._stats.joint_tables import TOSSED, tosses
from synthesight.analysis._stats.limits import student
from synthesight.analysis._stats.pairs import Statistic
from synthesight.analysis._stats.ratios import Ratio, divide
from synthesight.analysis._stats.response_matrix import UNIT, response_matrices
from synthesight.analysis._stats.spread import Influence, Spread, Variance
from synthesight.analysis._stats.units import POOL, Population, person_pool, units_of

_ROWS = 500_000  # trials handed to a metric at a time


@dataclass(frozen=True, eq=False)
class Gap:
    """A difference of two observers.

    Attributes
    ----------
    estimate
        As it was measured; NaN where undefined.
    centre
        What the interval is put around.
    below, above
        Variances of the centre, to the lower and the upper end.
    n
        Stimuli that both saw.
    few
        Whether an observer had too few errors: see :meth:`Compared.weak`.
    """

    estimate: float
    centre: float
    below: Variance
    above: Variance
    n: int
    few: bool = False

    def limits(self) -> tuple[float, float]:
        """Return the ends of the 95 % interval; NaN where nothing varied."""
        ends = []
        for variance, sign in ((self.below, -1), (self.above, 1)):
            value = float(variance.value[0])
            far = float(student(variance.freedom)[0]) * np.sqrt(value if value > 0 else np.nan)
            ends.append(self.centre + sign * far)
        return ends[0], ends[1]

    def p(self) -> float:
        """Return the p-value of no difference: 1 less the level at which the interval ends at 0."""
        variance = self.below if self.centre > 0 else self.above
        value = float(variance.value[0])
        if not value > 0:
            return 1.0 if self.centre == 0 else float("nan")
        return float(2 * t.sf(abs(self.centre) / np.sqrt(value), variance.freedom[0]))


def ratio_gap(
    trials: pl.DataFrame, first: str, second: str, ratio: Ratio, population: Population
) -> Gap:
    """Return the difference of a ratio.

    Of shares, two images more are counted, which both observers answer by tossing coins, as Agresti
    & Min (2005) advise for paired proportions.

    Parameters
    ----------
    trials
        Judged trials that count, of these two observers, on the stimuli that both saw.
    """
    matrix = next(response_matrices(trials, [], ["observer"], ratio.sums))
    order = [matrix.columns["observer"].to_list().index(name) for name in (first, second)]
    above, below = (matrix.values[name][:, order] for name in ("numerator", "denominator"))
    measured = divide(above.sum(axis=0), below.sum(axis=0))
    units = matrix.units
    rows = np.ones(len(above))
    if (above >= 0).all() and (above <= below).all():
        coins = tosses(2)
        above, below = np.vstack([above, coins]), np.vstack([below, np.ones(coins.shape)])
        rows = np.append(rows, np.full(len(coins), TOSSED / len(coins)))
        units = units.with_others(len(coins), 0)
    total = rows @ below
    share = divide(rows @ above, total)
    effects = np.sqrt(rows)[:, None] * divide(
        above - share * below, np.broadcast_to(total, below.shape)
    )
    shown = (below > 0) & (np.arange(len(below)) < len(matrix.seen))[:, None]
    influence = Influence(effects, shown, effects, shown.sum(axis=0), units)
    spread = Spread(population, [(np.arange(2), influence)], 2)
    variance = spread.variance(np.array([[1.0], [-1.0]]))
    estimate, centre = (float(each[0] - each[1]) for each in (measured, share))
    return Gap(estimate, centre, variance, variance, len(matrix.seen))


def agreement_gap(
    trials: pl.DataFrame,
    first: str,
    second: str,
    reference: Sequence[str],
    statistic: Statistic,
    *,
    trivial: bool,
    population: Population,
) -> Gap | None:
    """Return the difference of how much two observers agree with others; None without any.

    Both are on the stimuli that the two and a reference observer saw, and with the reference
    observers with whom the statistic is defined for both.

    Parameters
    ----------
    trials
        Judged trials.
    reference
        Names of observers, none of the two among them.
    """
    pair, other = (pl.col("observer").is_in(names) for names in ([first, second], reference))
    both = pl.col("observer").filter(pair).n_unique().over(UNIT) == 2
    trials = trials.filter(pair | other).filter(both & other.any().over(UNIT))
    if trials.is_empty():
        return None
    groups = pl.DataFrame({"compared": [first, second]})
    found = Compared(groups, population)
    total = 0
    trials = trials.with_columns(person_pool(trials, pooled=False))
    for number, matrix in enumerate(correctness(trials, trivial=trivial, more=(POOL,))):
        names = matrix.columns["observer"].to_list()
        two = np.array([names.index(first), names.index(second)])
        others = np.array([at for at, name in enumerate(names) if name in reference])
        pairs = Pairs.of(matrix, two, others, statistic, two=False)
        if pairs is not None:
            found.add(matrix, number, groups, pairs.shared())
        total += len(matrix.seen)
    estimates = found.mean.estimates()
    few = bool(found.weak().any())
    return Gap(float(estimates[0] - estimates[1]), *found.difference(), total, few)


def called_gap(
    trials: pl.DataFrame,
    second: str,
    measured: Callable[..., pl.DataFrame],
    resamples: int,
    rng: np.random.Generator,
) -> Gap:
    """Return the difference of any measure, which is called on trials that are resampled.

    Images are resampled; in cue conflict, shapes and textures are, and an image is in a resample
    as often as both together are (Owen 2007), whose spread is a little too wide.

    Parameters
    ----------
    trials
        As of :func:`ratio_gap`.
    """
    units = units_of(trials)
    codes = [np.unique(each, return_inverse=True)[1] for each in (units.shape, units.texture)]
    crossed = units.shape != units.texture
    step = max(1, _ROWS // len(trials))

    def gaps(table: pl.DataFrame, count: int) -> np.ndarray:
        values = measured(table, by=("_resample", "observer"), resamples=0)
        gap = np.full((count, 2), np.nan)
        which = (values["observer"] == second).cast(pl.Int64).to_numpy()
        gap[values["_resample"].to_numpy(), which] = values["estimate"].fill_null(np.nan)
        return gap[:, 0] - gap[:, 1]

    blocks = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        times = weights(int(codes[0].max()) + 1, count, rng)[:, codes[0]]
        if crossed.any():
            textures = weights(int(codes[1].max()) + 1, count, rng)[:, codes[1]]
            times = np.where(crossed, times * textures, times)
        of, row = np.nonzero(times)
        often = times[of, row].astype(np.int64)
        of, row = np.repeat(of, often), np.repeat(row, often)
        blocks.append(gaps(trials[row].with_columns(_resample=pl.Series(of)), count))
    estimate = float(gaps(trials.with_columns(_resample=pl.lit(0, pl.Int64)), 1)[0])
    n = min(int(each.max()) + 1 for each in codes)
    value = np.nanvar(np.concatenate(blocks)) * n / max(n - 1, 1)
    variance = Variance(np.array([value]), np.array([n - 1.0]), np.array([float(n)]))
    shown = trials.select(pl.struct(UNIT).n_unique()).item()
    return Gap(estimate, estimate, variance, variance, shown)

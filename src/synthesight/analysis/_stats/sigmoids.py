"""Psychometric functions: ψ(x) = γ + (1 − γ − λ) F((x − m) / s), fitted by maximum likelihood.

F is a standard normal or logistic distribution, m its middle and s its spread; γ and λ are the
shares of responses that do not depend on the stimulus, at either end (Wichmann & Hill 2001a). Many
data sets are fitted at once: a grid finds the region, and Fisher scoring the maximum in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri, xlogy

from synthesight.errors import SynthesightError

MOST_LAPSES = 0.4  # of either end: above, the function may not cross one half
_TINY = 1e-9
_STEPS = 100  # of Fisher scoring, at most
FINE = (61, 25, 13, 13)  # values of middle, spread, γ and λ where likelihoods are compared
_BLOCK = 2**22  # log-likelihoods of the grid, held at a time


@dataclass(frozen=True)
class Sigmoid:
    """A distribution function, its density and its quantiles."""

    name: str
    at: Callable[[np.ndarray], np.ndarray]
    density: Callable[[np.ndarray], np.ndarray]
    quantile: Callable[[np.ndarray], np.ndarray]


SIGMOIDS = {
    "normal": Sigmoid("normal", ndtr, lambda z: np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), ndtri),
    "logistic": Sigmoid("logistic", expit, lambda z: expit(z) * expit(-z), logit),
}


@dataclass(frozen=True)
class Curves:
    """B psychometric functions.

    Attributes
    ----------
    sigmoid
        Their distribution F.
    values
        float64, shape (B, 4): middle m, spread s, γ and λ of each.
    """

    sigmoid: Sigmoid
    values: np.ndarray

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return ψ: float64, shape (B, J), of the dial x, float64, shape (J,)."""
        middle, spread, guess, lapse = self.values.T[:, :, None]
        return guess + (1 - guess - lapse) * self.sigmoid.at((x - middle) / spread)

    def equality(self) -> np.ndarray:
        """Return where ψ is one half: float64, shape (B,)."""
        return self.values[:, 0] + self.values[:, 1] * self._z()

    def slope(self) -> np.ndarray:
        """Return the derivative of ψ there, per unit of the dial: float64, shape (B,)."""
        height = 1 - self.values[:, 2] - self.values[:, 3]
        return height * self.sigmoid.density(self._z()) / self.values[:, 1]

    def deviance(self, x: np.ndarray, count: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Return 2 × (log-likelihood of the observed shares − that of ψ): float64, shape (B,).

        ``count`` and ``total`` are float64, shape (B, J).
        """
        share = count / np.maximum(total, 1)
        chance = np.clip(self.at(x), _TINY, 1 - _TINY)
        for_it = xlogy(count, share) - xlogy(count, chance)
        against = xlogy(total - count, 1 - share) - xlogy(total - count, 1 - chance)
        return np.maximum(2 * (for_it + against).sum(axis=1), 0.0)

    def _z(self) -> np.ndarray:
        guess, lapse = self.values[:, 2], self.values[:, 3]
        return self.sigmoid.quantile((0.5 - guess) / (1 - guess - lapse))


def fit_curves(
    x: np.ndarray,
    count: np.ndarray,
    total: np.ndarray,
    *,
    sigmoid: str = "normal",
    guess: float | None = None,
    lapse: float | None = None,
) -> Curves:
    """Fit a psychometric function to each of B data sets.

    Parameters
    ----------
    x
        float64, shape (J,): steps of the dial, rising, at least two.
    count, total
        float64, shape (B, J): responses for the class that the dial turns to, and all responses.
    sigmoid
        ``"normal"`` or ``"logistic"``.
    guess, lapse
        γ and λ where they are known; None fits them, from 0 to 0.4.

    Returns
    -------
    The functions of greatest likelihood. The middle is at most one span beyond the dial; the
    spread between a twentieth of the least distance of two steps, and four spans.

    Raises
    ------
    SynthesightError
        If there is no such sigmoid, or a rate cannot be.
    """
    if sigmoid not in SIGMOIDS:
        raise SynthesightError(
            f"There is no `sigmoid={sigmoid!r}`: choose among {', '.join(SIGMOIDS)}."
        )
    for name, rate in (("guess", guess), ("lapse", lapse)):
        if rate is not None and not 0 <= rate <= MOST_LAPSES:
            raise SynthesightError(
                f"`{name}={rate}` cannot be: give a share from 0 to {MOST_LAPSES}, or None."
            )
    least, most = _bounds(x, guess, lapse)
    shape = SIGMOIDS[sigmoid]
    # Steep functions are a valley of their own: one ascent begins among the others.
    smooth = np.where(np.arange(4) == 1, np.diff(x).min() / 2, least)
    found = []
    for lowest in (least, smooth):
        start = _from_grid(shape, x, count, total, lowest, most)
        found.append(
            _centred(_refined(start, x, count, total, least, most), shape, x, count, total)
        )
    first, second = (_likelihood(Curves(shape, values), x, count, total) for values in found)
    return Curves(shape, np.where((second > first + 1e-9)[:, None], found[1], found[0]))


def likely_curves(
    curve: Curves,
    x: np.ndarray,
    count: np.ndarray,
    total: np.ndarray,
    *,
    guess: float | None = None,
    lapse: float | None = None,
    drop: float = 1.920729,
) -> Curves:
    """Return many functions whose log-likelihood is at most ``drop`` below that of the best one.

    The range of a quantity over them is its interval by profile likelihood: at 95 %, the drop is
    half of the chi-square quantile of one degree of freedom. Parameters are those of
    :func:`fit_curves` with one data set, of which ``curve`` is the fit.
    """
    least, most = _bounds(x, guess, lapse)
    best = _likelihood(curve, x, count, total)[0]
    axes = _axes(x, least, most)
    for fine in (False, True):
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 4)
        drops = best - _likelihood(Curves(curve.sigmoid, grid), x, count, total)
        if fine:
            break
        # The next grid covers the region, with a margin of one step of this one.
        near = np.concatenate([grid[drops <= max(6 * drop, np.sort(drops)[20])], curve.values])
        axes = [
            _finer(axis, near[:, n], FINE[n], logarithmic=n == 1) for n, axis in enumerate(axes)
        ]
    return Curves(curve.sigmoid, np.concatenate([curve.values, grid[drops <= drop]]))


def _bounds(
    x: np.ndarray, guess: float | None, lapse: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest of middle, spread, γ and λ."""
    span, gap = float(x[-1] - x[0]), float(np.diff(x).min())
    low = [x[0] - span, gap / 20, guess or 0.0, lapse or 0.0]
    rates = [MOST_LAPSES if rate is None else rate for rate in (guess, lapse)]
    return np.array(low), np.array([x[-1] + span, 4 * span, *rates])


def _axes(x: np.ndarray, least: np.ndarray, most: np.ndarray) -> list[np.ndarray]:
    """Return the values of each parameter in a coarse grid."""
    middles = np.unique(np.concatenate([x, (x[1:] + x[:-1]) / 2, least[:1], most[:1]]))
    rates = [
        np.unique(np.clip([0.0, 0.005, 0.06, 0.2, 0.35], low, high))
        for low, high in zip(least[2:], most[2:], strict=True)
    ]
    return [middles, np.geomspace(least[1] * 2, most[1] / 2, 9), *rates]


def _finer(axis: np.ndarray, near: np.ndarray, count: int, *, logarithmic: bool) -> np.ndarray:
    first = max(np.searchsorted(axis, near.min(), "right") - 2, 0)
    last = min(np.searchsorted(axis, near.max(), "left") + 1, len(axis) - 1)
    spaced = np.geomspace if logarithmic else np.linspace
    return np.unique(spaced(axis[first], axis[last], count))


def _centred(
    values: np.ndarray, sigmoid: Sigmoid, x: np.ndarray, count: np.ndarray, total: np.ndarray
) -> np.ndarray:
    """Put the middle of a step function half-way between two steps of the dial.

    Where responses change at once, every place between the two is as likely.
    """
    place = np.clip(np.searchsorted(x, values[:, 0]), 1, len(x) - 1)
    inside = (values[:, 0] > x[0]) & (values[:, 0] < x[-1])
    centred = values.copy()
    centred[:, 0] = np.where(inside, (x[place - 1] + x[place]) / 2, values[:, 0])
    before = _likelihood(Curves(sigmoid, values), x, count, total)
    after = _likelihood(Curves(sigmoid, centred), x, count, total)
    return np.where((after >= before - 1e-6)[:, None], centred, values)


def _from_grid(
    sigmoid: Sigmoid,
    x: np.ndarray,
    count: np.ndarray,
    total: np.ndarray,
    least: np.ndarray,
    most: np.ndarray,
) -> Curves:
    """Return the best of a grid for each data set."""
    middles, *others = _axes(x, least, most)
    grid = np.stack(np.meshgrid(middles, *others, indexing="ij"), axis=-1).reshape(-1, 4)
    chance = np.clip(Curves(sigmoid, grid).at(x), _TINY, 1 - _TINY).T  # (J, G)
    yes, no = np.log(chance), np.log1p(-chance)
    per_middle = len(grid) // len(middles)
    values = np.empty((len(count), 4))
    step = max(1, _BLOCK // len(grid))
    for first in range(0, len(count), step):
        part = slice(first, first + step)
        likelihood = count[part] @ yes + (total[part] - count[part]) @ no
        best = likelihood.argmax(axis=1)
        # Where nothing tells middles apart, such as between two steps, take their mean.
        of_middle = likelihood.reshape(len(likelihood), len(middles), per_middle)
        rivals = np.take_along_axis(of_middle, (best % per_middle)[:, None, None], axis=2)[:, :, 0]
        tied = rivals >= rivals.max(axis=1, keepdims=True) - 1e-9
        values[part] = grid[best]
        values[part, 0] = (tied @ middles) / tied.sum(axis=1)
    return Curves(sigmoid, values)


def _refined(
    start: Curves,
    x: np.ndarray,
    count: np.ndarray,
    total: np.ndarray,
    least: np.ndarray,
    most: np.ndarray,
) -> np.ndarray:
    """Climb to the maximum by Fisher scoring, damped as Levenberg and Marquardt do."""
    free = most > least
    values = start.values.copy()
    likelihood = _likelihood(start, x, count, total)
    damping = np.full(len(values), 1e-2)
    for _ in range(_STEPS):
        (at,) = np.nonzero(damping < 1e3)  # the others have arrived
        if not len(at):
            break
        curves, k, n = Curves(start.sigmoid, values[at]), count[at], total[at]
        chance = np.clip(curves.at(x), _TINY, 1 - _TINY)
        change = _derivatives(curves, x)  # (B, J, 4), of m, log s, γ, λ
        variance = chance * (1 - chance)
        gradient = np.einsum("bj,bjp->bp", (k - n * chance) / variance, change)
        fisher = np.einsum("bj,bjp,bjq->bpq", n / variance, change, change)
        # Rates that are fixed, or at a bound that they press against, stay.
        down, up = curves.values <= least, curves.values >= most
        stuck = ~free | (down & (gradient < 0)) | (up & (gradient > 0))
        gradient = np.where(stuck, 0.0, gradient)
        ridge = damping[at, None] * np.einsum("bpp->bp", fisher) + 1e-9
        fisher = np.where(stuck[:, :, None] | stuck[:, None, :], 0.0, fisher)
        fisher += np.where(stuck, 1.0, ridge)[:, :, None] * np.eye(4)
        move = np.linalg.solve(fisher, gradient[:, :, None])[..., 0]
        trial = curves.values + move
        trial[:, 1] = curves.values[:, 1] * np.exp(np.clip(move[:, 1], -2, 2))
        trial = np.clip(trial, least, most)
        found = _likelihood(Curves(start.sigmoid, trial), x, k, n)
        better = found > likelihood[at]
        small = found - likelihood[at] < 1e-9
        values[at] = np.where(better[:, None], trial, curves.values)
        likelihood[at] = np.maximum(found, likelihood[at])
        damping[at] = np.where(better & ~small, damping[at] / 5, damping[at] * 6)
        damping = np.maximum(damping, 1e-9)
    return values


def _likelihood(curves: Curves, x: np.ndarray, count: np.ndarray, total: np.ndarray) -> np.ndarray:
    chance = np.clip(curves.at(x), _TINY, 1 - _TINY)
    return (count * np.log(chance) + (total - count) * np.log1p(-chance)).sum(axis=1)


def _derivatives(curves: Curves, x: np.ndarray) -> np.ndarray:
    middle, spread, guess, lapse = curves.values.T[:, :, None]
    z = (x - middle) / spread
    inner = curves.sigmoid.at(z)
    steep = (1 - guess - lapse) * curves.sigmoid.density(z)
    return np.stack([-steep / spread, -steep * z, 1 - inner, -inner], axis=2)

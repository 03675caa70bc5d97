"""The psychometric function: how responses turn from one class to another along a dial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from synthesight.analysis._stats.bootstrap import RESAMPLES, weights
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.limits import LEVEL
from synthesight.analysis._stats.sigmoids import SIGMOIDS, Curves, fit_curves, likely_curves
from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import canonical
from synthesight.trials.schema import conform

DIAL, TOWARD, OTHER, PAIR = "dial", "toward", "other", "pair"
FEW = 5  # pairs, below which resampling them says little

_FIGURES: dict[str, Any] = {
    **dict.fromkeys(
        ("estimate", "low", "high", "slope", "slope_low", "slope_high", "middle", "spread"),
        pl.Float64,
    ),
    **dict.fromkeys(("guess", "lapse", "deviance"), pl.Float64),
    "df": pl.Int64,
    "p": pl.Float64,
    "n": pl.Int64,
    "stimuli": pl.Int64,
    "pairs": pl.Int64,
    "population": pl.String,
}


@any_frame
def psychometric(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset", "condition"),
    *,
    dial: str = DIAL,
    toward: str = TOWARD,
    sigmoid: str = "normal",
    guess: float | None = None,
    lapse: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Fit a psychometric function to each group: the point of subjective equality and the slope.

    P(response is the class ``toward``) = γ + (1 − γ − λ) F((dial − middle) / spread), fitted by
    maximum likelihood. Counted are responses that name ``toward`` or, where the table has it, the
    class ``other``; without it, every response. No response names none.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas, with the columns ``dial`` and ``toward``: of
        :func:`~synthesight.stimuli.make.dial_stimuli`, or of any experiment that has a dial.
    by
        Column or columns that tell the groups.
    dial
        Column of numbers that rise towards ``toward``.
    toward
        Column of the class that responses turn to.
    sigmoid
        F: ``"normal"`` or ``"logistic"``.
    guess, lapse
        γ and λ, the shares of responses that do not depend on the dial at its lower and upper end,
        such as errors on unambiguous images. None fits them, from 0 to 0.4.
    resamples, seed
        Resamples of the bootstraps and their seed; with 0 there are no intervals and no p.

    Returns
    -------
    One row a group, sorted: the columns ``by``, and

    - ``estimate``, ``low``, ``high``: the dial at which both classes are named equally often (the
      point of subjective equality), and its 95 % confidence interval. −∞ or +∞ where it lies
      below or above all steps of the dial;
    - ``slope``, ``slope_low``, ``slope_high``: the function's derivative there, per unit of the
      dial;
    - ``middle``, ``spread``, ``guess``, ``lapse``: the parameters, for :func:`psychometric_curve`;
    - ``deviance``, ``df``, ``p``: goodness of fit, and the share of data sets made by the fitted
      function that fit worse. A small p says that responses vary more than trials that are
      independent, or otherwise than F;
    - ``n``, ``stimuli``, ``pairs``: trials, stimuli, and pairs of images (null without a column
      ``pair``);
    - ``population``: ``"new-stimuli"`` where a group has at least five pairs: intervals are for
      other pairs of images such as these, by the bootstrap over pairs, and no narrower than the
      others. Else ``"these"``: they are for other trials with these images, by profile likelihood.

    Estimates are null where a group has fewer than two steps.

    Raises
    ------
    SynthesightError
        If the table lacks a column, or the dial is no number.

    References
    ----------
    Wichmann & Hill (2001), The psychometric function I and II, Perception & Psychophysics 63.

    Examples
    --------
    >>> steps = np.repeat(np.linspace(0, 1, 5), 10)
    >>> trials = pl.DataFrame({
    ...     "observer": "me", "stimulus": [f"{n}.png" for n in range(50)], "dial": steps,
    ...     "toward": "cat", "response": ["cat" if n % 10 < 10 * s else "dog"
    ...                                   for n, s in enumerate(steps)],
    ... })
    >>> fit = psychometric(trials, by="observer", resamples=200)
    >>> round(fit["estimate"].item(), 2)
    0.47
    """  # fmt: skip
    trials = conform(trials)
    for column in (dial, toward, *by):
        if column not in trials.columns:
            raise SynthesightError(
                f"The trials have no column {column!r}, which a psychometric function needs: "
                f"choose among {', '.join(trials.columns)}."
            )
    if not trials.schema[dial].is_numeric():
        raise SynthesightError(f"The column {dial!r} holds no numbers: choose a `dial` that does.")
    used = _counted(trials, toward).filter(pl.col(dial).is_finite())
    rows, key = [], [pl.col(name) for name in by]
    groups = used.group_by(key, maintain_order=True) if by else [((), used)]
    for number, (name, group) in enumerate(groups):
        rng = np.random.default_rng([seed, number])
        figures = _fitted(group, dial, sigmoid, guess, lapse, resamples, rng)
        rows.append(dict(zip(by, name, strict=True)) | figures)
    schema = {name: trials.schema[name] for name in by} | _FIGURES
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.sort(by) if by else table


@any_frame
def psychometric_points(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "dataset", "condition"),
    *,
    dial: str = DIAL,
    toward: str = TOWARD,
) -> pl.DataFrame:
    """Return the share of responses ``toward`` at each step of the dial.

    The columns are ``by``, the dial, ``estimate``, ``low``, ``high`` (Wilson's 95 % interval, of
    independent trials) and ``n``. Parameters are those of :func:`psychometric`.
    """
    z = 1.959963985
    points = (
        _counted(conform(trials), toward)
        .group_by(*by, dial)
        .agg(estimate=pl.col("_toward").mean(), n=pl.len().cast(pl.Int64))
        .sort(*by, dial)
    )
    share, n = pl.col("estimate"), pl.col("n")
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * (share * (1 - share) / n + z**2 / (4 * n**2)).sqrt() / (1 + z**2 / n)
    return points.with_columns(low=centre - half, high=centre + half).select(
        *by, dial, "estimate", "low", "high", "n"
    )


@any_frame
def equality_difference(
    trials: pl.DataFrame,
    first: str,
    second: str,
    *,
    dial: str = DIAL,
    toward: str = TOWARD,
    sigmoid: str = "normal",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, float]:
    """Return how far apart two observers' points of subjective equality are, with its interval.

    Parameters
    ----------
    trials
        Of both observers, on one dial and in one view, with the column ``pair``.
    first, second
        The observers.
    dial, toward, sigmoid
        As of :func:`psychometric`.
    resamples, seed
        Resamples of pairs, the same for both observers, and their seed.

    Returns
    -------
    ``estimate``, ``low`` and ``high``: the first's dial minus the second's, and its 95 % interval;
    ``pairs``, those that both saw. Equality beyond the dial counts as at its end.

    Raises
    ------
    SynthesightError
        If both saw fewer than five pairs in common, or the table lacks a column.
    """
    given = conform(trials)
    for column in (dial, toward, PAIR):
        if column not in given.columns:
            raise SynthesightError(f"The trials have no column {column!r}: show a dial of pairs.")
    own = [_counted(given, toward).filter(observer=name) for name in (first, second)]
    common = sorted(set(own[0][PAIR].drop_nulls()) & set(own[1][PAIR].drop_nulls()))
    if len(common) < FEW:
        raise SynthesightError(
            f"{first} and {second} saw {len(common)} pairs in common: show both at least {FEW}."
        )
    drawn = weights(len(common), resamples, np.random.default_rng(seed))
    drawn = np.concatenate([np.ones((1, len(common))), drawn])
    ends = []
    for table in own:
        x, count, total = _counts(table.filter(pl.col(PAIR).is_in(common)), dial, by_pair=True)
        fits = fit_curves(x, drawn @ count, drawn @ total, sigmoid=sigmoid)
        ends.append(np.clip(fits.equality(), x[0], x[-1]))
    apart = ends[0] - ends[1]
    low, high = _limits(apart[1:]) if resamples else (np.nan, np.nan)
    return {"estimate": float(apart[0]), "low": low, "high": high, "pairs": len(common)}


def psychometric_curve(fits: pl.DataFrame, x: np.ndarray, sigmoid: str = "normal") -> pl.DataFrame:
    """Return the fitted functions of :func:`psychometric` at the places ``x`` of the dial.

    A row for each function that was fitted and each place: the columns of ``fits`` that tell the
    groups, ``dial`` and ``estimate``.
    """
    fits = fits.drop_nulls("middle")
    values = fits.select("middle", "spread", "guess", "lapse").to_numpy()
    chance = Curves(SIGMOIDS[sigmoid], values).at(x)
    row, place = np.indices(chance.shape).reshape(2, -1)
    return fits.select(pl.exclude(*_FIGURES))[row].with_columns(
        pl.Series(DIAL, x[place]), pl.Series("estimate", chance.ravel())
    )


def _counted(trials: pl.DataFrame, toward: str) -> pl.DataFrame:
    """Return the trials that count, with whether each names ``toward``, however it is spelt."""
    said = _plain("response")
    counted = pl.col("response").is_not_null() & pl.col(toward).is_not_null()
    if OTHER in trials.columns:
        counted &= (said == _plain(toward)) | (said == _plain(OTHER)) | pl.col(OTHER).is_null()
    return trials.filter(counted).with_columns(_toward=said == _plain(toward))


def _plain(column: str) -> pl.Expr:
    """Return a column of classes in one spelling: car for automobile."""
    return pl.col(column).map_batches(
        lambda names: names.replace({name: canonical(name) for name in names.drop_nulls().unique()})
    )


def _fitted(
    group: pl.DataFrame,
    dial: str,
    sigmoid: str,
    guess: float | None,
    lapse: float | None,
    resamples: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    pairs = group[PAIR].n_unique() if PAIR in group.columns else None
    facts = {"n": len(group), "stimuli": group["stimulus"].n_unique(), "pairs": pairs}
    by_pair = pairs is not None and pairs >= FEW
    x, count, total = _counts(group, dial, by_pair=by_pair)
    if len(x) < 2:
        return dict.fromkeys(_FIGURES) | facts

    def fit(k: np.ndarray, n: np.ndarray) -> Curves:
        return fit_curves(x, k, n, sigmoid=sigmoid, guess=guess, lapse=lapse)

    k, n = count.sum(axis=0, keepdims=True), total.sum(axis=0, keepdims=True)
    curve = fit(k, n)
    deviance = curve.deviance(x, k, n)[0]
    free = 2 + (guess is None) + (lapse is None)
    figures = facts | {
        "estimate": float(_on_dial(curve.equality(), x)[0]),
        "slope": float(curve.slope()[0]),
        **dict(zip(("middle", "spread", "guess", "lapse"), curve.values[0].tolist(), strict=True)),
        "deviance": float(deviance),
        "df": max(len(x) - free, 0),
        "population": "new-stimuli" if by_pair else "these",
    }
    if not resamples:
        return figures
    made = rng.binomial(n.astype(np.int64), curve.at(x), size=(resamples, len(x))).astype(float)
    made_n = np.repeat(n, resamples, axis=0)
    again = fit(made, made_n)
    figures["p"] = float((again.deviance(x, made, made_n) >= deviance - 1e-9).mean())
    likely = likely_curves(curve, x, k, n, guess=guess, lapse=lapse)
    if by_pair:
        drawn = weights(len(count), resamples, rng)
        again = fit(drawn @ count, drawn @ total)
    for name, place in (("", lambda c: _on_dial(c.equality(), x)), ("slope_", Curves.slope)):
        low, high = place(likely).min(), place(likely).max()
        if by_pair:
            # Few steps may leave resamples nothing to vary in.
            below, above = _limits(place(again))
            low, high = min(low, below), max(high, above)
        figures[f"{name}low"], figures[f"{name}high"] = float(low), float(high)
    return figures


def _counts(
    group: pl.DataFrame, dial: str, *, by_pair: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the steps of the dial, (J,), and responses toward the class, and all, (U, J).

    U are the pairs of images, or one for all.
    """
    x, place = np.unique(group[dial].to_numpy().astype(np.float64), return_inverse=True)
    unit = group[PAIR].rank("dense").to_numpy().astype(np.int64) - 1 if by_pair else 0 * place
    cell, shape = unit * len(x) + place, (int(unit.max(initial=0)) + 1, len(x))
    said = group["_toward"].to_numpy().astype(np.float64)
    count, total = (
        np.bincount(cell, weight, shape[0] * shape[1]).reshape(shape).astype(np.float64)
        for weight in (said, None)
    )
    return x, count, total


def _on_dial(equality: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return where equality is, but infinity beyond the dial: no step has shown it."""
    return np.where(equality < x[0], -np.inf, np.where(equality > x[-1], np.inf, equality))


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval, whose ends may be infinite."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    return float(low), float(high)

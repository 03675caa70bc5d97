"""What every decision rule would have decided about a run's images, and at what cost."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import polars as pl

from synthesight.draws.recording import Recording, complete, read_recording
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.likelihood.diffusion import Weighting
from synthesight.likelihood.rules import GROUP, RULES, Rule, find_rule, replay
from synthesight.trials.store import Run

DELTAS = (0.01, 0.05)
ORDERS = 10  # in which the draws might have come
LEVEL = 0.95
PROMISES = ("sequential",)  # rules that lose exhaustive's choice in at most δ; others only predict
# Share of Σ (d − m)² in one draw from which on the promise of δ = .01 was broken in simulated ties
# of two and of ten classes. It was kept at .04 (normal), .13 (t₃) and .27 (t₂), and broken by 1.3 δ
# at .31 (2 % of the draws 10 times as large), and by 2 δ at .57 (1 %, 30 times as large).
HEAVY = 0.3


def rules(
    run: Run | str | Path | Recording,
    weighting: Weighting | None = None,
    *,
    max_draws: int | None = None,
    orders: int = ORDERS,
    seed: int = 0,
) -> pl.DataFrame:
    """Return what every rule would have decided and cost, by replaying a run's draws.

    Draws are exchangeable: they might have come in other orders, of which some are tried, each
    beginning with another draw. ``sequential`` promises that it loses the choice of ``exhaustive``
    with probability at most δ; ``broken`` tells whether it kept to that. A warning says where one
    draw outweighs the others by so much that no test of the first few can know it.

    Parameters
    ----------
    run
        A run that keeps its draws, of rule ``exhaustive``; or what
        :func:`~synthesight.draws.read_recording` read.
    weighting
        A name or table; None for the run's own.
    max_draws
        Draws of a class at most; None for all that there are.
    orders
        Orders of the draws that are tried.
    seed
        Seed of the bootstrap.

    Returns
    -------
    One row a rule: ``rule``, ``delta`` (null where it has none), ``accuracy``,
    ``evaluations`` (of an image), ``speedup`` over ``exhaustive``; ``broken``, the share of
    responses that are not those of ``exhaustive``, with ``low`` and ``high`` (95 %, bootstrap over
    images, or Clopper and Pearson's of the images where none or all are), ``promise`` (``"kept"``
    where ``low`` is at most δ, else ``"broken"``; null for rules that promise nothing) and
    ``n``, the images.

    Raises
    ------
    SynthesightError
        If the run keeps no draws, only a few of all classes, or several labels a class.
    """
    recording = complete(run if isinstance(run, Recording) else read_recording(run))
    if len(recording.groups) > len(recording.classes):
        raise SynthesightError(
            "Rules are replayed only where a class is one label: give a run of such a model."
        )
    errors = -recording.nats(recording.weight(weighting))
    total = errors.shape[1]
    most = total if max_draws is None else max_draws
    if not 2 <= most <= total:
        raise SynthesightError(
            f"`max_draws={most}` cannot be: the images have {total} draws; give 2 to {total}."
        )
    exhaustive = errors[:, :most].mean(axis=1).argmin(axis=1)
    heavy = heaviness(errors[:, :most])
    if heavy > HEAVY:
        warnings.warn(
            f"One draw has {100 * heavy:.0f} % of the squared differences between the two best "
            f"classes, in the median image: from {100 * HEAVY:.0f} % on, `sequential` may lose the "
            "choice of `exhaustive` more often than `delta` says. Use `rule='exhaustive'`, or a "
            "`proposal` that spends draws where errors are large.",
            SynthesightWarning,
            stacklevel=2,
        )
    rows = []
    starts = [most * order // orders for order in range(orders)]
    for rule, delta in _registered(most):
        answers, costs = [], []
        for start in starts:
            order = (start + np.arange(most)) % most
            found, cost = replay(rule, errors[:, order], recording.positions[:, order])
            answers.append(found)
            costs.append(cost)
        lost = (np.array(answers) != exhaustive).mean(axis=0)
        low, high = _interval(lost, seed)
        right = (np.array(answers) == recording.labels).mean()
        spent, full = float(np.mean(costs)), most * errors.shape[2]
        kept = None
        if rule.name in PROMISES and delta is not None:
            kept = "kept" if low <= delta else "broken"
        rows.append(
            (rule.name, delta, right, spent, full / spent, lost.mean(), low, high, kept, len(lost))
        )
    columns = {"rule": pl.String(), "delta": pl.Float64(), "accuracy": pl.Float64()}
    columns |= dict.fromkeys(("evaluations", "speedup", "broken", "low", "high"), pl.Float64())
    columns |= {"promise": pl.String(), "n": pl.Int64()}
    return pl.DataFrame(rows, schema=columns, orient="row")


def heaviness(errors: np.ndarray) -> float:
    """Return how much of the noise is in one draw: the median over images.

    Of the differences d between the two classes of least error, less their mean: the largest
    (d − m)² over Σ (d − m)². Of N normal draws it is about 2 ln N / N: .05 of 200.

    Parameters
    ----------
    errors
        float64, shape (N, D, K).
    """
    order = errors.mean(axis=1).argsort(axis=1)[:, :2]
    two = np.take_along_axis(errors, order[:, None, :], axis=2)
    difference = two[:, :, 1] - two[:, :, 0]
    square = np.square(difference - difference.mean(axis=1, keepdims=True))
    share = square.max(axis=1) / np.maximum(square.sum(axis=1), 1e-300)
    return float(np.median(share))


def _registered(most: int) -> Iterator[tuple[Rule, float | None]]:
    """Yield every rule that holds for draws, and the probability of error that it promises."""
    for name in [*RULES, *entry_points(group=GROUP).names]:
        kind = find_rule(name)
        if "draws" not in kind.holds_for:
            continue
        if "delta" in {each.name for each in fields(kind)}:
            yield from ((kind(max_draws=most, delta=delta), delta) for delta in DELTAS)
        else:
            yield kind(max_draws=most), None


def _interval(lost: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean over images of shares that were lost."""
    count, tail = len(lost), (1 - LEVEL) / 2
    if lost.min() == lost.max() and lost[0] in (0.0, 1.0):
        end = 1 - tail ** (1 / count)
        return (0.0, end) if lost[0] == 0 else (1 - end, 1.0)
    rng = np.random.default_rng(seed)
    means = lost[rng.integers(0, count, (2000, count))].mean(axis=1)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)

"""Whether two observers differ on the same stimuli: paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal, get_args

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control

from synthesight.analysis._stats.agreement import IS_HUMAN
from synthesight.analysis._stats.differences import Gap, agreement_gap, called_gap, ratio_gap
from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.ratios import Ratio
from synthesight.analysis._stats.response_matrix import UNIT, judged
from synthesight.analysis._stats.units import POPULATION, Population, check_population
from synthesight.analysis.registry import Metric, get_metric
from synthesight.errors import SynthesightError, suggestion

Correction = Literal["holm", "benjamini-hochberg"]


@dataclass(frozen=True)
class Difference:
    """The difference of two observers.

    Attributes
    ----------
    estimate
        First observer minus second.
    low, high
        The 95 % confidence interval; NaN where all stimuli gave the same difference.
    p
        Two-sided p-value of no difference: below 0.05 where the interval leaves 0 out, and only
        there.
    n
        Stimuli that both saw (and a reference observer, where the metric is of agreement).
    weak
        Whether the difference is of κ, and an observer had fewer than ten errors, or right
        responses, in a condition: interval and p-value are then rough.
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int
    weak: bool = False


@any_frame
def compare(
    trials: pl.DataFrame,
    first: str,
    second: str,
    *,
    measure: str = "accuracy",
    reference: str | Sequence[str] | None = None,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Return the difference of two observers on the stimuli that both saw.

    The interval and the p-value are of one estimator, Student's t with a standard error over the
    units that the population lets vary (:func:`accuracy`), and the test is that the interval holds
    0. An image that was shown in several conditions is one unit; in cue conflict, shapes and
    textures are (Cameron, Gelbach & Miller 2011).

    Of shares, such as accuracy and shape bias, two images that both answer by tossing coins are
    counted in the interval (Agresti & Min 2005): so it has a width where the two never differed.
    Of agreement with others, such as error consistency, it is put together of the intervals of the
    two (Zou & Donner 2008), paired by images: see :func:`error_consistency`. Observers can agree
    with people equally while their accuracies differ; this is not taken for a difference.
    ``benchmarks/coverage.py`` measures how often both are right.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    first, second
        Names of observers.
    measure
        Name of a metric (see :func:`metrics`). Metrics that declare no statistic take longer: they
        are called on resamples of the units.
    reference
        For metrics of agreement: with whom, one observer or several, over whom the metric is
        averaged. None: all human observers but the two.
    trivial
        For metrics of agreement: whether to count the conditions that the benchmark leaves out.
    population
        What varies: see :func:`accuracy`. For metrics of agreement, ``"new-people"`` are other
        reference observers.
    resamples, seed
        Resamples of metrics that declare no statistic, and their seed; others need none.

    Raises
    ------
    SynthesightError
        If there is no such metric or population, an observer is not in the table, the two share no
        stimulus (with a reference observer), or the metric is undefined for one of them.

    Examples
    --------
    >>> def seen(observer, answers):
    ...     return pl.DataFrame({
    ...         "observer": observer, "stimulus": [f"{n}.png" for n in range(8)],
    ...         "category": "cat", "response": answers,
    ...     })
    >>> trials = pl.concat([seen("a", ["cat"] * 8), seen("b", ["cat", "dog"] * 4)])
    >>> compare(trials, "a", "b").estimate
    0.5
    """  # fmt: skip
    return _compared(
        judged(trials), first, second, measure=measure, reference=reference, trivial=trivial,
        population=population, resamples=resamples, seed=seed,
    )  # fmt: skip


def _compared(
    trials: pl.DataFrame,
    first: str,
    second: str,
    *,
    measure: str,
    reference: str | Sequence[str] | None,
    trivial: bool,
    population: Population,
    resamples: int,
    seed: int,
) -> Difference:
    """Return the difference of two observers, of judged trials: see :func:`compare`."""
    check_population(population)
    metric = get_metric(measure)
    others = [reference] if isinstance(reference, str) else list(reference or [])
    _check_names(trials, [first, second, *others])
    if resamples < 1:
        raise SynthesightError(f"`resamples={resamples}` gives no p-value: give at least 1.")
    if first == second:
        raise SynthesightError(f"{first!r} cannot be compared with itself: name two observers.")
    if metric.statistic is None and not metric.groups:
        raise SynthesightError(
            f"{measure} cannot be compared: its metric has neither a statistic nor `by`."
        )
    if metric.statistic is not None and not isinstance(metric.statistic, Ratio):
        gap = _agreement(
            trials, first, second, others, metric, trivial=trivial, population=population
        )
    else:
        gap = _difference(trials, first, second, metric, population, resamples, seed)
    low, high = map(float, gap.limits())
    return Difference(gap.estimate, low, high, gap.p(), gap.n, gap.few and metric.unit == "κ")


@any_frame
def comparisons(
    trials: pl.DataFrame,
    observers: Sequence[str] | None = None,
    *,
    measures: str | Sequence[str] = "accuracy",
    correction: Correction = "holm",
    each_dataset: bool = False,
    reference: str | Sequence[str] | None = None,
    trivial: bool = False,
    population: Population = POPULATION,
    resamples: int = 2000,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the differences of every two observers in one measure or several.

    Many tests find some differences by chance. A column beside ``p`` corrects for all rows of the
    table: Holm's (1979) p-values keep the chance of any false finding at 5 %, those of Benjamini &
    Hochberg (1995) the expected share of false ones among the findings.

    Parameters
    ----------
    trials
        The trial table, of polars or pandas.
    observers
        Names; None: all that are not human.
    measures
        Name of a metric, or several.
    correction
        ``"holm"`` or ``"benjamini-hochberg"``.
    each_dataset
        Whether to compare on each dataset alone as well, where there are several. A column
        ``dataset`` then names it; ``"all"`` are all together.
    reference, trivial, population, resamples, seed
        As of :func:`compare`.

    Returns
    -------
    One row a measure and pair: measure, first, second, estimate, low, high, p, ``p_holm`` or
    ``p_benjamini_hochberg``, n, weak, and population: of which the row can speak. Figures are
    null, and no test is counted, for pairs that share no stimulus or where the measure is
    undefined.

    Raises
    ------
    SynthesightError
        If there are not two observers, no such metric or correction, or nothing can be compared.

    Examples
    --------
    >>> def seen(observer, answers):
    ...     return pl.DataFrame({
    ...         "observer": observer, "stimulus": [f"{n}.png" for n in range(8)],
    ...         "category": "cat", "response": answers,
    ...     })
    >>> trials = pl.concat([seen("a", ["cat"] * 8), seen("b", ["cat", "dog"] * 4),
    ...                     seen("c", ["dog"] * 8)])
    >>> table = comparisons(trials)
    >>> table.select("first", "second", "estimate").rows()
    [('a', 'b', 0.5), ('a', 'c', 1.0), ('b', 'c', 0.5)]
    >>> bool((table["p_holm"] >= table["p"]).all())
    True
    """  # fmt: skip
    if correction not in get_args(Correction):
        near = suggestion(correction, get_args(Correction))
        raise SynthesightError(f"There is no `correction={correction!r}`: {near}.")
    measures = [measures] if isinstance(measures, str) else list(dict.fromkeys(measures))
    own = judged(trials)
    if observers is None:
        observers = own.filter(~IS_HUMAN)["observer"].unique().sort().to_list()
    _check_names(own, observers)
    if len(observers) < 2:
        raise SynthesightError(f"{len(observers)} observers leave nothing to compare: give two.")
    parts = {"all": own}
    if each_dataset and own["dataset"].n_unique() > 1:
        parts |= {name: own.filter(dataset=name) for name in own["dataset"].unique().sort()}
    rows: list[dict[str, object]] = []
    refused: SynthesightError | None = None
    for measure, (dataset, part) in product(measures, parts.items()):
        get_metric(measure)
        for first, second in combinations(observers, 2):
            row: dict[str, object] = {"measure": measure, "first": first, "second": second}
            try:
                found = _compared(
                    part, first, second, measure=measure, reference=reference, trivial=trivial,
                    population=population, resamples=resamples, seed=seed,
                )  # fmt: skip
                row |= vars(found)
            except SynthesightError as error:
                refused = refused or error
            of = _population(get_metric(measure), population)
            rows.append(row | {"dataset": dataset, "population": of})
    figures = ("estimate", "low", "high", "p")
    names = ("measure", *(("dataset",) if each_dataset else ()), "first", "second")
    schema = {**dict.fromkeys(names, pl.String), **dict.fromkeys(figures, pl.Float64),
              "n": pl.Int64, "weak": pl.Boolean, "population": pl.String}  # fmt: skip
    table = pl.DataFrame(rows, schema).with_columns(pl.col(figures).fill_nan(None))
    if refused and table["estimate"].is_null().all():
        raise refused
    p = table["p"].to_numpy().astype(np.float64)
    name = f"p_{correction.replace('-', '_')}"
    corrected = pl.Series(name, _corrected(p, correction)).fill_nan(None)
    return table.insert_column(table.columns.index("p") + 1, corrected)


def _population(metric: Metric, asked: Population) -> Population:
    """Return of which population a difference in a metric speaks: people are new in agreement."""
    if metric.statistic is None:
        return POPULATION  # images alone are resampled
    if isinstance(metric.statistic, Ratio):
        return "new-stimuli" if "stimuli" in asked else "these"
    return asked


def _corrected(p: np.ndarray, correction: Correction) -> np.ndarray:
    """Return p-values that are corrected for each other; NaN are none."""
    result, tested = np.full(len(p), np.nan), np.flatnonzero(~np.isnan(p))
    if correction == "benjamini-hochberg":
        result[tested] = false_discovery_control(p[tested]) if len(tested) else []
        return result
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    result[order] = np.minimum(steps, 1.0)
    return result


def _check_names(trials: pl.DataFrame, names: Sequence[str]) -> None:
    there = set(trials["observer"].unique())
    for name in names:
        if name not in there:
            known = ", ".join(sorted(there))
            raise SynthesightError(f"There are no trials of {name!r}: choose among {known}.")


def _difference(
    trials: pl.DataFrame,
    first: str,
    second: str,
    metric: Metric,
    population: Population,
    resamples: int,
    seed: int,
) -> Gap:
    """Return the difference of two observers in what they do, whatever others do."""
    trials = trials.filter(pl.col("observer").is_in([first, second]))
    ratio = metric.statistic
    if isinstance(ratio, Ratio):
        trials = trials.filter(ratio.counted)
    trials = trials.filter(pl.col("observer").n_unique().over(UNIT) == 2)
    if trials.is_empty():
        raise SynthesightError(
            f"{first!r} and {second!r} saw no common stimuli for {metric.name}: show both the same "
            "images."
        )
    if isinstance(ratio, Ratio):
        gap = ratio_gap(trials, first, second, ratio, population)
    else:
        rng = np.random.default_rng(seed)
        gap = called_gap(trials, second, metric.function, resamples, rng)
    if np.isnan(gap.estimate):
        raise SynthesightError(
            f"{metric.name} is undefined for {first!r} or {second!r} on the images that both saw: "
            "show them more images."
        )
    return gap


def _agreement(
    trials: pl.DataFrame,
    first: str,
    second: str,
    reference: list[str],
    metric: Metric,
    *,
    trivial: bool,
    population: Population,
) -> Gap:
    """Return the difference of two observers in how they agree with others."""
    statistic = metric.statistic
    assert callable(statistic)
    if both := {first, second}.intersection(reference):
        raise SynthesightError(
            f"{both.pop()!r} is both compared and a reference: name other reference observers."
        )
    if not reference:
        people = trials.filter(IS_HUMAN)["observer"].unique().sort()
        reference = [name for name in people if name not in (first, second)]
    gap = agreement_gap(
        trials, first, second, reference, statistic, trivial=trivial, population=population
    )
    if gap is None:
        raise SynthesightError(
            f"{first!r} and {second!r} saw no common stimuli that a reference observer saw too: "
            "add human observers of the same images, or name `reference`."
        )
    if np.isnan(gap.estimate):
        raise SynthesightError(
            f"{metric.name} is undefined for {first!r} or {second!r} with every reference "
            "observer, as neither erred, or neither was ever right: show them other images."
        )
    return gap

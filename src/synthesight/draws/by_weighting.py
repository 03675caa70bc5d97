"""What other weightings would have made of a run's draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthesight.analysis import (
    RESAMPLES,
    Ratio,
    accuracy,
    expected_calibration_error,
    judged,
    shape_bias,
)
from synthesight.draws.fitting import fit_weighting
from synthesight.draws.recording import Recording, read_recording
from synthesight.likelihood.diffusion import Weighting
from synthesight.likelihood.weighting import WEIGHTINGS
from synthesight.observers.calibration import FEWEST, fit_calibration
from synthesight.trials.store import Run

RATES = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0)  # a of exp(−a t)
LOSS = Ratio(pl.col("loss"))


def weighting(
    run: Run | str | Path | Recording,
    others: Mapping[str, Weighting] | None = None,
    *,
    rates: Sequence[float] = RATES,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Return what each weighting would have answered about a run's images, from its draws.

    Beside exp(−a t) and the named weightings: 1/σ², and ``fitted``, which is fitted to one half of
    the images and tested on the other, both ways. Draws of a proposal are divided by it.

    Parameters
    ----------
    run
        A run that keeps its draws, or what :func:`read_recording` read.
    others
        Further weightings by name: tables, as those of :func:`synthesight.load`.
    rates
        Values of a.
    resamples, seed
        As of :func:`synthesight.analysis.accuracy`.

    Returns
    -------
    One row a weighting and measure: ``weighting``, ``measure``, ``estimate``, ``low``, ``high``
    (95 % bootstrap over images) and ``n``. Measures are ``accuracy``; in cue conflict
    ``shape_bias``; ``score_ece``, the expected calibration error of the score, and ``ece`` and
    ``log_loss`` (in nats) of probabilities, calibrated on the other half of the images.

    Raises
    ------
    SynthesightError
        If the run keeps no draws.
    """
    recording = run if isinstance(run, Recording) else read_recording(run)
    answers = answers_by_weighting(recording, others, rates=rates)
    how: dict[str, Any] = {"by": "observer", "resamples": resamples}
    scores = answers.with_columns(probability=pl.lit(None, answers.schema["probability"]))
    calibrated = answers.filter(pl.col("probability").is_not_null())
    found = {
        "accuracy": accuracy(answers, **how),
        "score_ece": expected_calibration_error(scores, **how, seed=seed),
    }
    if len(calibrated):
        found["ece"] = expected_calibration_error(calibrated, **how, seed=seed)
        found["log_loss"] = LOSS.table(judged(calibrated), ["observer"], resamples=resamples)
    if answers["texture"].drop_nulls().len():
        found["shape_bias"] = shape_bias(answers, **how)
    order = {name: n for n, name in enumerate(answers["observer"].unique(maintain_order=True))}
    return (
        pl.concat(
            table.select(
                pl.col("observer").alias("weighting"),
                pl.lit(measure).alias("measure"),
                *("estimate", "low", "high", "n"),
            )
            for measure, table in found.items()
        )
        .sort(pl.col("weighting").replace_strict(order), maintain_order=True)
    )  # fmt: skip


def answers_by_weighting(
    recording: Recording,
    others: Mapping[str, Weighting] | None = None,
    *,
    rates: Sequence[float] = RATES,
) -> pl.DataFrame:
    """Return trials as under each weighting, which is their ``observer``.

    ``probability`` is calibrated on the other half of the images, and ``loss`` minus the logarithm
    of that of the right class; null where there are too few images.
    """
    schedule = recording.schedule
    tables = {"own": recording.weight()}
    tables |= {name: recording.weight(name) for name in WEIGHTINGS}
    tables |= {f"exp(-{rate:g} t)": np.exp(-rate * schedule.times) for rate in rates}
    tables["1/sigma^2"] = schedule.sigma**-2.0
    tables |= {name: recording.weight(table) for name, table in (others or {}).items()}
    evidence = {name: recording.of_classes(recording.nats(table)) for name, table in tables.items()}
    halves = _halves(len(recording))
    if min(map(len, halves)) >= FEWEST:
        evidence["fitted"] = np.zeros((len(recording), len(recording.classes)))
        for one, other in (halves, halves[::-1]):
            evidence["fitted"][other] = recording[other].evidence(fit_weighting(recording[one]))
    parts = []
    for name, values in evidence.items():
        probability, loss = _calibrated(recording, values, halves)
        parts.append(recording.answered(values, name, probability=probability, loss=loss))
    return pl.concat(parts)


def _calibrated(
    recording: Recording, evidence: np.ndarray, halves: Sequence[np.ndarray]
) -> tuple[pl.Series, pl.Series]:
    """Return probabilities of classes, fitted on the other half, and −log that of the right one."""
    kind = pl.List(pl.Float64)
    if min(map(len, halves)) < FEWEST:
        nothing = [None] * len(recording)
        return pl.Series(nothing, dtype=kind), pl.Series(nothing, dtype=pl.Float64)
    probability = np.zeros_like(evidence)
    for one, other in (halves, halves[::-1]):
        made = fit_calibration(evidence[one], recording.counts[one], recording.labels[one])
        probability[other] = made.probability(evidence[other], recording.counts[other])
    right = probability[np.arange(len(recording)), recording.labels]
    loss = -np.log(np.maximum(right, 1e-300))
    return pl.Series(probability.tolist(), dtype=kind), pl.Series(loss)


def _halves(count: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])

"""Say what the network evaluations of a generative model were of, and how large its errors were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from synthesight.likelihood.diffusion import DenoiserLikelihood
from synthesight.likelihood.draws import stimulus_key
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.observer import Observer
from synthesight.stimuli.stimulus import Stimulus


def draw_errors(
    observer: Observer,
    stimuli: Sequence[Stimulus],
    classes: Sequence[str],
    place: np.ndarray,
    draw: np.ndarray,
    unit: np.ndarray,
    nats: np.ndarray,
) -> pl.DataFrame:
    """Return the table of draws that :meth:`synthesight.trials.Run.keep` takes.

    ``classes`` is empty where each stimulus has captions of its own. Of every network evaluation,
    shape (E,) each: ``place`` says which of the stimuli it was of, ``draw`` the index of its draw,
    or first part, ``unit`` its class, or label of one, and ``nats`` what it gave.
    """
    assert isinstance(observer, GenerativeClassifier)
    model = observer.likelihood
    time, error = None, -nats
    if isinstance(model, DenoiserLikelihood) and len(place):
        keys = np.stack([stimulus_key(observer.seed, stimulus.id) for stimulus in stimuli])[place]
        time, error = model.times(keys, draw), model.unweighted(keys, draw, nats)
    if classes:
        prompts, rows, groups = observer.units(list(classes))
        own = pl.Series(list(classes), dtype=pl.String).gather(groups[unit])
        several = len(groups) > len(classes)
        label = pl.Series(prompts, dtype=pl.String).gather(rows[unit, 0]) if several else None
    else:
        captions = [stimuli[p].captions[u] for p, u in zip(place, unit, strict=True)]
        own, label = pl.Series(captions, dtype=pl.String), None
    return pl.DataFrame(
        {
            "stimulus": pl.Series([s.id for s in stimuli], dtype=pl.String).gather(place),
            "draw": draw,
            "time": time,
            "error": error,
            "class": own,
            "label": label,
        },
        schema_overrides={"time": pl.Float64, "label": pl.String},
    )


def schedule_of(observer: Observer) -> dict[str, Any] | None:
    """Return the noise schedule of an observer, as JSON can hold it; None where it has none."""
    model = getattr(observer, "likelihood", None)
    if not isinstance(model, DenoiserLikelihood):
        return None
    schedule = model.denoiser.schedule
    tables = ("times", "alpha", "sigma", "timesteps")
    return {
        **{name: getattr(schedule, name).tolist() for name in tables},
        "continuous": schedule.continuous,
        "data_scale": schedule.data_scale,
        "noise_scale": schedule.noise_scale,
        "density": model.density.tolist(),
    }

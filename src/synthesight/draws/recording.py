"""Read the draws of a run as an array: the error of each image, draw and class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError
from synthesight.likelihood.draws import stimulus_key, uniforms
from synthesight.likelihood.grouped import class_evidence
from synthesight.likelihood.schedule import Schedule
from synthesight.likelihood.weighting import weights
from synthesight.stimuli.categories import Vocabulary
from synthesight.trials.store import Run


@dataclass(frozen=True, eq=False)
class Recording:
    """The errors of a run's images, those of its draws that all classes have seen.

    Attributes
    ----------
    trials
        The run's trials of N images whose category is among the classes, in order; categories,
        textures and responses are spelt as the classes.
    classes
        K class names.
    groups
        int64, shape (U,): the class of each unit, which is a class or a label of one.
    errors
        float64, shape (N, D, U): not weighted; NaN where an image has fewer draws.
    steps
        int64, shape (N, D): the time of each draw, as an index into ``schedule.times``.
    positions
        float64, shape (N, D): where the draws lie in (0, 1), see
        :func:`~synthesight.likelihood.draws.uniforms`.
    schedule
        The model's noise schedule.
    density
        float64, shape (T,): how often each time was drawn; 1 where as often as evenly.
    own
        The weighting of the run.
    """

    trials: pl.DataFrame
    classes: list[str]
    groups: np.ndarray
    errors: np.ndarray
    steps: np.ndarray
    positions: np.ndarray
    schedule: Schedule
    density: np.ndarray
    own: str | Sequence[float]

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, images: Any) -> Recording:
        """Some of the images."""
        return replace(
            self,
            trials=self.trials[images],
            errors=self.errors[images],
            steps=self.steps[images],
            positions=self.positions[images],
        )

    @property
    def labels(self) -> np.ndarray:
        """int64, shape (N,): the right class."""
        place = {name: k for k, name in enumerate(self.classes)}
        return np.array([place[name] for name in self.trials["category"]], dtype=np.int64)

    @property
    def counts(self) -> np.ndarray:
        """int64, shape (N,): draws of each image."""
        return (~np.isnan(self.errors[:, :, 0])).sum(axis=1)

    def weight(self, weighting: str | Sequence[float] | np.ndarray | None = None) -> np.ndarray:
        """Return the weight of each time, float64, shape (T,); None for the run's own."""
        own = self.own if weighting is None else weighting
        return weights(own if isinstance(own, str) else np.asarray(own).tolist(), self.schedule)

    def nats(self, weight: np.ndarray) -> np.ndarray:
        """Return −w_t ‖x − x̂‖² / p_t of each draw: float64, shape (N, D, U).

        Parameters
        ----------
        weight
            float64, shape (T,): of each time. Draws come from a proposal p; dividing by it leaves
            their mean what it would be over times that are drawn evenly.
        """
        factor = np.divide(weight, self.density, out=np.zeros(len(weight)), where=self.density > 0)
        return -factor[self.steps][:, :, None] * self.errors

    def of_classes(self, nats: np.ndarray) -> np.ndarray:
        """Return evidence of classes, float64 (N, K), from nats of draws of units (N, D, U)."""
        mean = np.nanmean(nats, axis=1)
        mean = mean - mean.max(axis=1, keepdims=True)
        if len(self.groups) > len(self.classes):
            mean = class_evidence(-mean, self.groups)[0]
        return mean - mean.max(axis=1, keepdims=True)

    def evidence(self, weighting: str | Sequence[float] | np.ndarray | None = None) -> np.ndarray:
        """Return evidence under a weighting, relative to the class of most: float64, (N, K)."""
        return self.of_classes(self.nats(self.weight(weighting)))

    def answered(self, evidence: np.ndarray, observer: str, **columns: Any) -> pl.DataFrame:
        """Return trials in which an observer chooses the class of most evidence."""
        chosen = pl.Series(self.classes).gather(evidence.argmax(axis=1))
        return self.trials.with_columns(
            observer=pl.lit(observer),
            response=chosen,
            evidence=pl.Series(evidence.tolist(), dtype=pl.List(pl.Float64)),
            **columns,
        )


def read_recording(run: Run | str | Path) -> Recording:
    """Read the draws of a run.

    Parameters
    ----------
    run
        A run, or its folder. Of a run whose rule drops classes, only the draws count that all
        classes have seen, which are its first.

    Raises
    ------
    SynthesightError
        If it keeps no draws, they have no times, or no image shows one of its classes.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    table, facts = run.draws().collect(), run.schedule()
    observer = run.manifest.get("observer") or {}
    if facts is None or not run.manifest.get("classes"):
        raise SynthesightError(
            f"{run.folder} holds no draws of one set of classes at times, as diffusion and flow "
            "models have them: give a run of such a model."
        )
    classes: list[str] = run.manifest["classes"]
    names = Vocabulary(classes)
    spelled = {
        column: pl.col(column).map_elements(names.spelled, return_dtype=pl.String)
        for column in ("category", "texture", "response")
    }
    trials = run.trials().filter(pl.col("error").is_null()).with_columns(**spelled)
    trials = trials.filter(
        pl.col("category").is_in(classes)
        & pl.col("stimulus").is_in(table["stimulus"].unique().implode())
    )
    if trials.is_empty():
        raise SynthesightError(
            f"No image of {run.folder} shows one of its classes: label the images, as folders do."
        )
    units = table.select("class", "label").unique(maintain_order=True)
    order = pl.col("class").replace_strict({name: k for k, name in enumerate(classes)})
    units = units.sort(order, maintain_order=True).with_row_index("unit")
    groups = units.select(order).to_series().to_numpy().astype(np.int64)
    images = trials.select("stimulus").with_row_index("image")
    table = table.join(images, on="stimulus").join(units, on=["class", "label"], nulls_equal=True)
    place = [table[name].to_numpy().astype(np.int64) for name in ("image", "draw", "unit")]
    schedule = Schedule(
        np.array(facts["times"]),
        np.array(facts["alpha"]),
        np.array(facts["sigma"]),
        np.array(facts["timesteps"]),
        facts["continuous"],
        facts["data_scale"],
        facts["noise_scale"],
    )
    shape = (len(trials), int(place[1].max()) + 1, len(units))
    errors = np.full(shape, np.nan)
    errors[place[0], place[1], place[2]] = table["error"].to_numpy()
    steps = np.zeros(shape[:2], dtype=np.int64)
    nearest = np.searchsorted((schedule.times[1:] + schedule.times[:-1]) / 2, table["time"])
    steps[place[0], place[1]] = nearest
    # Draws that all classes have seen, up to the first that one has not.
    seen = np.logical_and.accumulate(~np.isnan(errors).any(axis=2), axis=1)
    errors[~seen] = np.nan
    kept = max(1, int(seen.sum(axis=1).max()))
    keys = np.stack([stimulus_key(observer.get("seed", 0), name) for name in trials["stimulus"]])
    index = np.tile(np.arange(kept), len(trials))
    positions = uniforms(np.repeat(keys, kept, axis=0), index).reshape(-1, kept)
    return Recording(
        trials,
        classes,
        groups,
        errors[:, :kept],
        steps[:, :kept],
        positions,
        schedule,
        np.array(facts["density"]),
        observer.get("weighting") or "jaini",
    )


def complete(recording: Recording) -> Recording:
    """Return the images that have as many draws of every class as any has.

    Raises
    ------
    SynthesightError
        If they are not most of the images, as where the rule of the run dropped classes.
    """
    whole = recording.counts == recording.errors.shape[1]
    if whole.mean() < 0.5:
        raise SynthesightError(
            f"Only {whole.sum()} of {len(whole)} images have all draws of all classes: evaluate "
            "with `keep_draws` and `rule='exhaustive'`."
        )
    return recording[np.flatnonzero(whole)]

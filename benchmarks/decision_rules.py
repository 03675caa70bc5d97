"""Decision rules side by side: what they decide about recorded errors, and what it costs.

    synthesight evaluate --model natural-32 --stimuli DATA/cifar10/test.parquet \\
        --limit 1000 --rule exhaustive --keep-draws --out runs/recorded
    python benchmarks/decision_rules.py runs/recorded --people DATA/cifar10h.parquet

All rules see the same draws of the same images. `agreement` is with exhaustive, on all images and
on those where exhaustive's two halves of the draws agree with each other (where they do not,
exhaustive itself is a toss); `lost` is the evidence by which a choice is worse than exhaustive's,
on average; κ is error consistency, with exhaustive's responses and with people's. Intervals are of
95 %, by a bootstrap over images, of differences to exhaustive.

Below the table, how often a rule loses the class that all draws would choose, in the worst case:
the same errors, made level over all draws, so that one class wins by a hair.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from synthesight.analysis import error_consistency
from synthesight.likelihood.draws import stimulus_key, uniforms
from synthesight.likelihood.rules import (
    Exhaustive,
    Predictive,
    RepeatedTTest,
    Rule,
    Sequential,
    Staged,
    replay,
)
from synthesight.likelihood.schedule import Schedule
from synthesight.likelihood.weighting import TimeSampler
from synthesight.trials import Run, conform, load_human_trials

APART = 2.0
FAR = 15  # steps of a thousand: a draw that is further off is no better than one used before
SHIFTS = 20  # starts within the draws, each of which makes other images of the same errors
RESAMPLES = 2000


@dataclass(frozen=True)
class Recorded:
    """The weighted errors of all draws of a run's images.

    Attributes
    ----------
    trials
        One row an image, in the order of ``errors``.
    classes
        K names.
    errors
        float64, shape (B, N, K).
    positions
        float64, shape (B, N).
    """

    trials: pl.DataFrame
    classes: list[str]
    errors: np.ndarray
    positions: np.ndarray

    @property
    def draws(self) -> int:
        """N."""
        return self.errors.shape[1]


def recorded(folder: Path, settings: dict[str, Any], *, own_times: bool = False) -> Recorded:
    """Read a run that kept all of its draws.

    Parameters
    ----------
    folder
        The run, or what ``gpu.py --record`` wrote.
    settings
        ``weighting`` and ``proposal`` of the model; empty for those of the run.
    own_times
        Whether to put in place of each draw the one recorded, of the same image, whose time is
        nearest to what ``settings`` would have drawn: a few noises are then used twice.
    """
    if folder.suffix == ".npz":
        return _of_arrays(folder)
    run = Run.open(folder)
    observer = run.manifest["observer"]
    kept = run.draws().sort("stimulus", "draw", "class").collect()
    classes = sorted(kept["class"].unique())
    trials = run.trials().filter(pl.col("error").is_null()).sort("stimulus")
    shape = len(trials), kept["draw"].n_unique(), len(classes)
    if len(kept) != np.prod(shape):
        raise SystemExit(f"{folder} lacks draws: record it with `--rule exhaustive`.")
    errors = kept["error"].to_numpy().astype(np.float64).reshape(shape)
    positions = _positions(trials["stimulus"].to_list(), observer["seed"], shape[1])
    if (known := run.schedule()) is not None:
        known.pop("density", None)
        read: dict[str, Any] = {k: np.asarray(v) if k in ARRAYS else v for k, v in known.items()}
        schedule = Schedule(**read)
        weighting = settings.get("weighting", observer["weighting"])
        sampler = TimeSampler.create(schedule, weighting, observer["proposal"])
        step = sampler.steps(positions.ravel()).reshape(shape[:2])
        if own_times:
            sampler = TimeSampler.create(schedule, weighting, settings["proposal"])
            wanted = sampler.steps(positions.ravel()).reshape(shape[:2])
            nearest = np.array([_nearest(*pair) for pair in zip(step, wanted, strict=True)])
            errors = np.take_along_axis(errors, nearest[:, :, None], axis=1)
            step = wanted
        errors = errors * sampler.factor[step][:, :, None]
    return Recorded(trials, classes, errors, positions)


def _nearest(step: np.ndarray, wanted: np.ndarray) -> list[int]:
    """For each step wanted, a draw of about that step: one that was not used before, if near."""
    used = np.zeros(len(step))
    found = []
    for one in wanted:
        found.append(int((np.abs(step - one) + used).argmin()))
        used[found[-1]] = FAR
    return found


def _of_arrays(path: Path) -> Recorded:
    """Read what ``gpu.py --record`` wrote, of CIFAR-10 test images with seed 0."""
    with np.load(path) as file:
        errors = file["errors"].astype(np.float64)
        classes, names = file["classes"].tolist(), file["stimuli"].tolist()
    parts = [name.split("/") for name in names]
    trials = conform(
        pl.DataFrame(
            {
                "observer": "natural-32",
                "kind": "generative",
                "stimulus": names,
                "dataset": [part[0] for part in parts],
                "condition": "0",
                "image": names,
                "category": [part[1] for part in parts],
                "response": None,
            }
        )
    )
    return Recorded(trials, classes, errors, _positions(names, 0, errors.shape[1]))


def _positions(names: list[str], seed: int, draws: int) -> np.ndarray:
    keys = np.stack([stimulus_key(seed, name) for name in names])
    index = np.tile(np.arange(draws), len(names))
    return uniforms(np.repeat(keys, draws, axis=0), index).reshape(len(names), draws)


ARRAYS = ("times", "alpha", "sigma", "timesteps")


def rules(draws: int) -> list[Rule]:
    """Everything at several settings."""
    return [
        Exhaustive(draws),
        Staged(draws),
        RepeatedTTest(draws),
        *(Sequential(draws, delta) for delta in (0.01, 0.05, 0.2)),
        *(Sequential(draws, delta, eta) for eta in (0.25, 0.5, 1.0) for delta in (0.01, 0.05, 0.2)),
        *(Predictive(draws, delta) for delta in (0.001, 0.003, 0.01, 0.03, 0.1)),
    ]


def people_of(path: Path | None, trials: pl.DataFrame) -> pl.DataFrame | None:
    """Responses of people to the same images, as trials: of one majority, or of each person."""
    if path is None:
        return None
    if path.is_dir():
        found = load_human_trials(path, trials["dataset"].unique().to_list())
        return found.filter(pl.col("image").is_in(trials["image"].implode()))
    counts = pl.read_parquet(path)
    labels = sorted(set(counts["label"]))
    most = counts.select(labels).to_numpy().argmax(axis=1)
    modal = counts.select(
        stimulus=pl.format("cifar10-test/{}/{}", "label", "name"),
        response=pl.Series([labels[k] for k in most]),
    )
    found = trials.drop("response").join(modal, on="stimulus").select(trials.columns)
    return found.with_columns(observer=pl.lit("majority of people"), kind=pl.lit("human"))


def shape_bias(trials: pl.DataFrame) -> float | None:
    """Share of decisions by shape among those by shape or texture."""
    both = trials.filter(pl.col("texture") != pl.col("category"))
    shape = int((both["response"] == both["category"]).sum())
    texture = int((both["response"] == both["texture"]).sum())
    return shape / (shape + texture) if shape + texture else None


def kappa(one: pl.DataFrame, others: pl.DataFrame) -> float | None:
    """Mean error consistency with other observers."""
    own = one.with_columns(observer=pl.lit("rule"), kind=pl.lit("generative"))
    others = others.with_columns(kind=pl.lit("human"))
    table = error_consistency(pl.concat([own, others], how="diagonal_relaxed"), resamples=0)
    return table.filter(pl.col("observer") == "rule")["estimate"].item()


def interval(difference: np.ndarray) -> tuple[float, float]:
    """Of a mean over images, in percent."""
    draws = np.random.default_rng(0).integers(len(difference), size=(RESAMPLES, len(difference)))
    low, high = np.quantile(difference[draws].mean(axis=1), (0.025, 0.975))
    return 100 * low, 100 * high


def lost(rule: Rule, errors: np.ndarray, positions: np.ndarray, *, ties: int) -> float:
    """How often a rule loses the winner when ``ties`` others are level with it.

    Of errors (B, N, K) and positions (B, N) of their draws. The rest of the classes are worse by
    ``APART`` standard deviations of a difference. Which class is to win is drawn at random.
    """
    images, draws, classes = errors.shape
    rng = np.random.default_rng(0)
    order = rng.random((images, classes)).argsort(axis=1)
    level = np.take_along_axis(errors, order[:, None, :], axis=2)
    level = level - level.mean(axis=1, keepdims=True)
    spread = (level - level[:, :, :1]).std(axis=1, keepdims=True)
    gap = np.where(np.arange(classes) <= ties, 1e-6, APART)
    gap[0] = 0.0
    level += gap * spread
    wrong = []
    for shift in rng.integers(draws, size=SHIFTS):
        rolled, moved = (np.roll(part, shift, axis=1) for part in (level, positions))
        response, _ = replay(rule, rolled, moved)
        wrong.append(np.mean(response != 0))
    return float(np.mean(wrong))


def main(
    runs: Annotated[list[Path], typer.Argument(help="Runs with `--keep-draws --rule exhaustive`.")],
    people: Annotated[
        Path | None, typer.Option(help="Folder with human-trials, or Parquet file of counts.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="synthesight.json of a model, for its weighting.")
    ] = None,
    own_times: Annotated[
        bool, typer.Option(help="Take the draws nearest to those of the settings' proposal.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file of the figures.")] = None,
    worst: Annotated[int, typer.Option(help="Images of the worst case; 0 leaves it out.")] = 200,
) -> None:
    own = json.loads(settings.read_text()) if settings else {}
    console = Console(width=190)
    figures = []
    for folder in runs:
        data = recorded(folder, own, own_times=own_times)
        rows = [_figures(rule, data, people_of(people, data.trials)) for rule in rules(data.draws)]
        figures += [{"run": folder.name, **row} for row in rows]
        console.print(_table(rows, f"{folder.name}: {len(data.trials)} images, {data.draws} draws"))
        if out is not None:
            out.write_text(json.dumps(figures, indent=1))
        if worst:
            console.print(_worst(data, worst))


def _figures(rule: Rule, data: Recorded, people: pl.DataFrame | None) -> dict[str, Any]:
    """What a rule makes of a recording."""
    response, evaluations = replay(rule, data.errors, data.positions)
    reference = data.errors.mean(axis=1).argmin(axis=1)
    truth = np.array([data.classes.index(name) for name in data.trials["category"]])
    half = data.draws // 2
    first, second = data.errors[:, :half].mean(1), data.errors[:, half:].mean(1)
    certain = first.argmin(1) == second.argmin(1)
    mean = data.errors.mean(axis=1)
    rows = np.arange(len(mean))

    def answered(by: np.ndarray) -> pl.DataFrame:
        return data.trials.with_columns(response=pl.Series([data.classes[k] for k in by]))

    right, plain = response == truth, reference == truth
    return {
        "rule": _label(rule),
        "accuracy": 100 * right.mean(),
        "difference": interval(right.astype(float) - plain),
        "agreement": 100 * np.mean(response == reference),
        "where halves agree": 100 * np.mean((response == reference)[certain]),
        "evaluations": evaluations.mean(),
        "lost": np.mean(mean[rows, response] - mean[rows, reference]),
        "kappa with exhaustive": kappa(answered(response), answered(reference)),
        "kappa with people": None if people is None else kappa(answered(response), people),
        "shape bias": shape_bias(answered(response)),
    }


def _table(rows: list[dict[str, Any]], title: str) -> Table:
    table = Table(title=title)
    table.add_column("rule")
    full = rows[0]["evaluations"]
    for column in (
        "accuracy", "less exhaustive", "agreement", "where halves agree", "evaluations",
        "of exhaustive", "lost", "κ, exhaustive", "κ, people", "shape bias",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for row in rows:
        bias, own = row["shape bias"], row["kappa with people"]
        table.add_row(
            row["rule"],
            f"{row['accuracy']:.1f} %",
            "{:+.1f} to {:+.1f}".format(*row["difference"]),
            f"{row['agreement']:.1f} %",
            f"{row['where halves agree']:.1f} %",
            f"{row['evaluations']:.1f}",
            f"1/{full / row['evaluations']:.1f}",
            f"{row['lost']:.3f}",
            _rounded(row["kappa with exhaustive"]),
            _rounded(own),
            "" if bias is None else f"{100 * bias:.1f} %",
        )
    return table


def _worst(data: Recorded, most: int) -> Table:
    table = Table(title="Winner lost when others are level with it and the rest far behind")
    table.add_column("rule")
    levels = sorted({1, (len(data.classes) - 1) // 3, len(data.classes) - 1} - {0})
    for ties in levels:
        table.add_column(f"{ties} level", justify="right")
    few = slice(most)
    for rule in (
        Sequential(data.draws),
        Sequential(data.draws, delta=0.05),
        Predictive(data.draws),
        RepeatedTTest(data.draws),
    ):
        shares = [lost(rule, data.errors[few], data.positions[few], ties=ties) for ties in levels]
        table.add_row(_label(rule), *(f"{100 * share:.2f} %" for share in shares))
    return table


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _label(rule: Rule) -> str:
    zone = f", η = {rule.eta:g}" if isinstance(rule, Sequential) and rule.eta else ""
    level = f", δ = {rule.delta:g}" if isinstance(rule, Sequential | Predictive) else ""
    return rule.name + level + zone


if __name__ == "__main__":
    typer.run(main)

r"""Reaction time and doubt of models beside people's.

    export SYNTHESIGHT_DATA=../shared/data
    python benchmarks/time_and_doubt.py time runs/natural-32 runs/natural-32-cnn runs/natural-32-ar
    python benchmarks/time_and_doubt.py networks model-trials-17-datasets.parquet
    python benchmarks/time_and_doubt.py doubt runs/cifar cifar10h.parquet \
        --weighting src/synthesight/zoo/natural-32/synthesight.json

Runs of ``time`` are of ``evaluate --stimuli edge --stimuli silhouette``; those of ``doubt`` of
``evaluate --stimuli cifar10/test.parquet --limit 1000``, of diffusion models with ``--rule
exhaustive --keep-draws``: then it goes through weightings, and replays the sequential rule.
Calibrations are fitted to one half of the images and used on the other, both ways.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from synthesight.analysis import Population, doubt, reaction_time, read_answers
from synthesight.draws import read_recording
from synthesight.likelihood.rules import find_rule, replay
from synthesight.observers.calibration import fit_calibration
from synthesight.stimuli.categories import canonical
from synthesight.trials.people import load_human_trials
from synthesight.trials.reading import read_trials
from synthesight.trials.store import Run

POPULATIONS: tuple[Population, ...] = ("new-stimuli", "new-people-and-stimuli")
WEIGHTINGS = ("jaini", "epsilon", "elbo", "uniform")
app = typer.Typer(add_completion=False)


def show(title: str, table: pl.DataFrame) -> None:
    """Print a table, with estimates and their intervals in one column."""
    ends = [pl.col(name).round(3).cast(pl.String) for name in ("estimate", "low", "high")]
    said = table.with_columns(interval=pl.format("{} ({} to {})", *ends))
    said = said.select(pl.exclude("estimate", "low", "high"))
    printed = Table(title=title)
    for name in said.columns:
        printed.add_column(name)
    for row in said.iter_rows():
        printed.add_row(*(f"{each:.3f}" if isinstance(each, float) else str(each) for each in row))
    Console(width=130).print(printed)


@app.command()
def time(runs: Annotated[list[Path], typer.Argument(help="Runs of models.")]) -> None:
    """Passes until sure, and margins, beside people's times of the same images."""
    ours = pl.concat([Run.open(run).trials() for run in runs], how="diagonal_relaxed")
    shown = ours.select("dataset", "image").unique()
    people = load_human_trials(data(), ours["dataset"].unique().to_list())
    people = people.join(shown, on=["dataset", "image"], how="semi")
    trials = pl.concat([ours, people], how="diagonal_relaxed")
    for effort in ("auto", "margin", "entropy"):
        for population in POPULATIONS:
            show(effort, reaction_time(trials, effort=effort, population=population))


@app.command()
def networks(trials: Annotated[Path, typer.Argument(help="Their trials, with margins.")]) -> None:
    """The lead of a network's first class, and the margin of the right one, beside people."""
    table = read_trials(trials).with_columns(lead=pl.col("decision_margin").abs())
    people = load_human_trials(data(), table["dataset"].unique().to_list())
    everyone = pl.concat([table, people], how="diagonal_relaxed")
    for effort in ("-lead", "-decision_margin"):
        show(effort, reaction_time(everyone, effort=effort).sort("estimate", descending=True))


@app.command("doubt")
def doubted(
    run: Annotated[Path, typer.Argument(help="Run of one model.")],
    answers: Annotated[Path, typer.Argument(help="How often people gave each answer.")],
    weighting: Annotated[Path | None, typer.Option(help="File of the model's own.")] = None,
) -> None:
    """Models' distributions beside people's, by weighting, calibrated and not."""
    people, opened = read_answers(answers), Run.open(run)
    classes: list[str] = opened.manifest["classes"]
    trials = opened.trials().filter(pl.col("category").is_not_null())
    labels = trials["category"].replace_strict({name: k for k, name in enumerate(classes)})
    found = {"": (np.array(trials["evidence"].to_list()), trials["draws"].fill_null(1).to_numpy())}
    recording = read_recording(run) if (run / "draws").is_dir() else None
    own = json.loads(weighting.read_text())["weighting"] if weighting else None
    tables = {"own": own} | {name: name for name in WEIGHTINGS}
    if recording is not None:
        trials, labels = recording.trials, pl.Series(recording.labels)
        found = {
            name: (recording.evidence(table), recording.counts) for name, table in tables.items()
        }
    parts = []
    for name, (evidence, counts) in found.items():
        probability = calibrated(evidence, counts, labels.to_numpy())
        for label, column in (("score", [None] * len(trials)), ("calibrated", probability)):
            kind = pl.List(pl.Float64)
            shown = trials.with_columns(
                observer=pl.lit(f"{name} {label}".strip()),
                evidence=pl.Series(evidence.tolist(), dtype=kind),
                probability=pl.Series(column, dtype=kind),
            )
            parts.append(doubt(shown, classes, people))
    show(str(opened.manifest["observer"]["model"]), pl.concat(parts))
    if recording is not None:
        rule = find_rule("sequential")(max_draws=recording.errors.shape[1])
        nats = recording.nats(recording.weight(own))
        _, passes = replay(rule, -nats, recording.positions)
        passes_beside_doubt(trials.with_columns(passes=passes.astype(float)), people)


def calibrated(evidence: np.ndarray, counts: np.ndarray, labels: np.ndarray) -> list[list[float]]:
    """Return the probabilities of images, by a calibration of the other half of them."""
    order = np.random.default_rng(0).permutation(len(labels))
    probability = np.zeros_like(evidence)
    for half in (0, 1):
        one, other = order[half::2], order[1 - half :: 2]
        fitted = fit_calibration(evidence[one], counts[one], labels[one])
        probability[other] = fitted.probability(evidence[other], counts[other])
    return probability.tolist()


def passes_beside_doubt(trials: pl.DataFrame, people: pl.DataFrame) -> None:
    """Print whether the sequential rule takes longer where people disagree."""
    share = pl.col("count") / pl.col("count").sum()
    key = ["category", "image"]
    entropy = people.group_by(key).agg(entropy=-(share * share.log()).sum())
    spelled = {name: canonical(name) for name in entropy["category"].unique()}
    both = trials.with_columns(pl.col("category").replace(spelled)).join(
        entropy.with_columns(pl.col("category").replace(spelled)), on=key
    )
    result = spearmanr(both["passes"], both["entropy"])
    z, far = np.arctanh(result.statistic), 1.96 / np.sqrt(len(both) - 3)
    mean = both["passes"].to_numpy().mean()
    print(
        f"sequential: {mean:.0f} passes an image; their rank correlation with "
        f"people's entropy over {len(both)} images is {result.statistic:.3f} "
        f"({np.tanh(z - far):.3f} to {np.tanh(z + far):.3f})"
    )


def data() -> Path:
    return Path(os.environ.get("SYNTHESIGHT_DATA", "../shared/data"))


if __name__ == "__main__":
    app()
